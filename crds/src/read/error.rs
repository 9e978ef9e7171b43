//! The YAML reader's errors, in words for people.

use serde_path_to_error::Segment;
use serde_saphyr::Error;

use super::Places;
use super::tree::Tree;
use crate::path::Path;
use crate::problem::Problem;
use crate::suggest;

/// The path at which reading stopped.
pub(super) fn path(path: &serde_path_to_error::Path) -> Path {
    path.iter()
        .fold(Path::root(), |path, segment| match segment {
            Segment::Seq { index } => path.index(*index),
            Segment::Map { key } => path.key(key),
            Segment::Enum { variant } => path.key(variant),
            Segment::Unknown => path,
        })
}

/// The error as a problem. `tree` is the document, where it is YAML at all.
pub(super) fn problem(error: &Error, path: &Path, tree: Option<&Tree>, places: &Places) -> Problem {
    let error = error.without_snippet();
    let found = tree.and_then(|tree| tree.find(&Path::root(), path));
    let mut problem = match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown("field", field, expected, path),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            let what = if expected.contains(&"mapValues") {
                "step"
            } else {
                "value"
            };
            unknown(what, variant, expected, path)
        }
        Error::SerdeMissingField { field, .. } => {
            let place = if path.as_str().is_empty() {
                "the document"
            } else {
                "this"
            };
            Problem::new(path, format!("{place} has no `{field}`, which is required"))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            Problem::new(path, format!("`{key}` stands here twice")).help("keep one of them")
        }
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            Problem::new(path, "two steps in one list item").help("start each step with a `- `")
        }
        Error::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        }
        | Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        } => Problem::new(path, format!("expected {expected}, found {unexpected}")),
        Error::Unexpected { expected, .. } if found.is_some() => {
            let what = found.map(Tree::what).unwrap_or_default();
            let problem = Problem::new(path, format!("expected {}, found {what}", plain(expected)));
            match (found, *expected) {
                (Some(Tree::Null), "mapping start") => problem.help("write `{}` for an empty one"),
                _ => problem,
            }
        }
        Error::NullIntoString { .. } => Problem::new(path, "expected a text, found nothing"),
        Error::InvalidScalar { ty, .. } => {
            let what = found.map(Tree::what).unwrap_or_default();
            Problem::new(path, format!("expected {}, found {what}", type_name(ty)))
        }
        other => Problem::new(path, message_alone(other)),
    };
    problem.location = match error {
        // The parser points behind the mapping; its place says more.
        Error::SerdeMissingField { .. } => places.find(path.as_str()),
        _ => error
            .location()
            .map(|at| places.location(at.line(), at.column())),
    };
    problem
}

fn unknown(what: &str, name: &str, expected: &[&'static str], path: &Path) -> Problem {
    // Where the unknown name is the path's last part, the path of its parent reads better.
    let own = path.parent().filter(|parent| parent.key(name) == *path);
    let path = own.as_ref().unwrap_or(path);
    let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    let list = names.join(", ");
    let message = match expected {
        [] => format!("unknown {what} `{name}`; it has none"),
        [_] => format!("unknown {what} `{name}`; expected {list}"),
        _ => format!("unknown {what} `{name}`; expected one of {list}"),
    };
    let problem = Problem::new(path, message);
    match suggest::nearest(name, expected) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// The parser's terms in users' terms.
fn plain(expected: &str) -> &str {
    match expected {
        "mapping start" => "a mapping",
        "sequence start" => "a list",
        "string scalar" | "scalar" => "a single value",
        other => other,
    }
}

fn type_name(ty: &str) -> &str {
    match ty {
        "bool" | "boolean" => "true or false",
        "i32" | "i64" | "u32" | "u64" => "a whole number",
        other => other,
    }
}

/// The parser's message without the place, which stands before it.
fn message_alone(error: &Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

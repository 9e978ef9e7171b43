//! The YAML reader's errors, in words for people.

use serde::Deserialize;
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

/// The path at which a document stops to be YAML.
pub(super) fn stopped_at(text: &str) -> Path {
    let mut at = Path::root();
    // Whatever comes of it, only the way there is of interest.
    let _ = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        serde_json::Value::deserialize(tracked).inspect_err(|_| at = path(&track.path()))
    });
    at
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
            Problem::new(path, format!("`{field}` is missing, and required here"))
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
                (Some(Tree::Map(_)), _) => problem.help(
                    "put an expression that starts with `{` in quotes, or on a line of its own after \
                     `>-`",
                ),
                _ => problem,
            }
        }
        Error::QuotingRequired { value, .. } => {
            let message = format!("`{value}` is a number or a truth value; a text is needed here");
            Problem::new(path, message).help("put it in quotes")
        }
        Error::NullIntoString { .. } => Problem::new(path, "expected a text, found nothing"),
        Error::InvalidScalar { ty, .. } => {
            let what = found.map(Tree::what).unwrap_or_default();
            Problem::new(path, format!("expected {}, found {what}", type_name(ty)))
        }
        other => not_yaml(path, message_alone(other)),
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
    if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_') {
        let help = "inside `{ }`, put expressions in quotes: a comma or a `: ` ends them otherwise";
        return problem.help(help);
    }
    match suggest::nearest(name, expected) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// A syntax error. Most are expressions with characters that mean something to YAML.
fn not_yaml(path: &Path, message: String) -> Problem {
    let help = if message.contains("flow mapping") || message.contains("flow sequence") {
        "close the bracket; inside `{ }` and `[ ]`, put expressions in quotes"
    } else if message.contains("mapping values are not allowed") {
        "put a text that holds `: ` in quotes, or on a line of its own after `>-`"
    } else {
        return Problem::new(path, message);
    };
    Problem::new(path, message).help(help)
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

//! Each public item that topologies in Rust are written and tested with has an example. Method: their
//! sources are read for items whose documentation has no code block. (What is `pub` there can be reached:
//! the compiler's `unreachable_pub` sees to that.)

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of `src`, with all below them.
const MODULES: [&str; 4] = ["api", "data", "dsl", "testing/typed"];
const ITEMS: [&str; 5] = [
    "pub fn ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub type ",
];

/// The public items of a source, and those of them without an example, as `line: item`. Items that are
/// hidden from documentation, or named here as hidden, are left out.
fn examples(source: &str, hidden: &[&str]) -> (usize, Vec<String>) {
    let (mut items, mut missing) = (0, Vec::new());
    let (mut example, mut left_out, mut attribute) = (false, false, false);
    for (line, number) in source.lines().map(str::trim).zip(1..) {
        if line.starts_with("///") {
            example |= line.contains("```");
            continue;
        }
        if attribute || line.starts_with("#[") {
            attribute = !line.ends_with(']');
            left_out |= line == "#[doc(hidden)]";
            continue;
        }
        if let Some(item) = ITEMS.iter().find_map(|item| line.strip_prefix(item)) {
            let name = item
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            if !left_out && !name.is_some_and(|name| hidden.contains(&name)) {
                items += 1;
                if !example {
                    missing.push(format!("{number}: {line}"));
                }
            }
        }
        (example, left_out) = (false, false);
    }
    (items, missing)
}

/// The names that a module hands on hidden: `pub use` after `#[doc(hidden)]`.
fn hidden(module: &str) -> Vec<&str> {
    let lines = module.lines();
    let uses = lines.clone().skip(1).zip(lines);
    uses.filter(|(_, before)| *before == "#[doc(hidden)]")
        .filter_map(|(line, _)| line.strip_prefix("pub use "))
        .flat_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn each_public_item_has_an_example() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut items, mut missing) = (0, Vec::new());
    for module in MODULES {
        let root = src.join(module).with_extension("rs");
        let text = fs::read_to_string(&root).unwrap();
        let hidden = hidden(&text);
        let mut paths = vec![root];
        sources(&src.join(module), &mut paths);
        for path in paths {
            let source = fs::read_to_string(&path).unwrap();
            let (here, without) = examples(&source, &hidden);
            items += here;
            missing.extend(
                without
                    .iter()
                    .map(|item| format!("{}:{item}", path.display())),
            );
        }
    }
    missing.sort();
    assert!(
        missing.is_empty(),
        "without an example:\n{}",
        missing.join("\n")
    );
    assert!(items > 300, "only {items} items were found");
}

#[test]
fn an_item_without_an_example_is_found() {
    let source = "/// One.\n/// ```\n/// ```\n#[error(\n    \"a\"\n)]\npub struct One;\n\n/// Two.\n\
                  #[must_use]\npub fn two() {}\npub(crate) fn inner() {}\n#[doc(hidden)]\n\
                  pub trait Three {}\npub enum Four {}\n";
    let (items, missing) = examples(source, &["Four"]);
    assert_eq!(
        (items, missing),
        (2, vec!["11: pub fn two() {}".to_owned()])
    );
    let module = "#[doc(hidden)]\npub use four::{Five, Four};\npub use six::Six;\n";
    let names = hidden(module);
    assert!(names.contains(&"Four") && names.contains(&"Five") && !names.contains(&"Six"));
}

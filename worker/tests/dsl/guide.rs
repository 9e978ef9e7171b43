//! The guide for those who come from Kafka Streams names tests and Rust items that exist. Method: the
//! rows of its tables are read.

use std::fs;
use std::path::Path;

const GUIDE: &str = "../docs/guides/kafka-streams.md";
/// Where the tests are that the last column names.
const FOLDERS: [(&str, &str); 3] = [
    ("engine", "tests/engine"),
    ("dsl", "tests/dsl"),
    ("expectations", "../tests/tests/expectations"),
];
/// Where the items of the Rust column are declared.
const SOURCES: [&str; 2] = ["src", "../crds/src"];
/// Operators there are at least.
const ROWS: usize = 60;

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The cells of each operator.
fn rows() -> Vec<[String; 4]> {
    let text = fs::read_to_string(here(GUIDE)).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells = line.trim_matches('|').split('|');
        let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
        if let Ok(cells) = <[String; 4]>::try_from(cells)
            && cells[0] != "Kafka Streams"
        {
            rows.push(cells);
        }
    }
    assert!(rows.len() >= ROWS, "{} rows", rows.len());
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// A text without what stands in parentheses.
fn outside(cell: &str) -> String {
    let mut depth = 0_i32;
    let outside = |c: &char| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0 && *c != ')'
    };
    cell.chars().filter(outside).collect()
}

/// The tests of a cell such as "engine `steps`, `joins`, oracle", which there are not; and how many it
/// names.
fn missing_tests(cell: &str) -> (usize, Vec<String>) {
    let (mut named, mut missing, mut folder) = (0, Vec::new(), None);
    for word in outside(cell)
        .split([' ', ','])
        .filter(|word| !word.is_empty())
    {
        if word == "oracle" {
            named += 1;
        } else if let Some(name) = word.strip_prefix('`') {
            named += 1;
            let name = name.trim_end_matches('`');
            let file = folder.map(|folder| here(folder).join(format!("{name}.rs")));
            if !file.is_some_and(|file| file.is_file()) {
                missing.push(word.to_owned());
            }
        } else {
            let known = FOLDERS.iter().find(|(known, _)| *known == word);
            folder = known.map(|(_, folder)| *folder);
            if folder.is_none() {
                missing.push(word.to_owned());
            }
        }
    }
    (named, missing)
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// Whether the sources declare an item, or a variant, of this name.
fn declared(sources: &str, name: &str) -> bool {
    let item = |kind: &str| sources.contains(&format!("pub {kind} {name}"));
    ["fn", "struct", "trait", "enum"].into_iter().any(item)
        || sources.contains(&format!("    {name},\n"))
}

#[test]
fn each_operator_has_its_tests_or_a_reason() {
    for row in rows() {
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let (named, missing) = missing_tests(&row[3]);
        assert!(missing.is_empty(), "{missing:?} in {row:?}");
        assert!(named > 0, "no test: {row:?}");
    }
}

#[test]
fn each_rust_item_it_names_is_there() {
    let mut sources = String::new();
    for folder in SOURCES {
        read_all(&here(folder), &mut sources);
    }
    for row in rows() {
        for code in quoted(&row[2]) {
            let path = code.split_once("::<").map_or(code, |(path, _)| path);
            let name = path.rsplit("::").next().unwrap();
            assert!(declared(&sources, name), "`{code}` in {row:?}");
        }
    }
}

#[test]
fn a_test_that_is_not_there_is_found() {
    assert_eq!(
        missing_tests("engine `steps`, `joins`, oracle"),
        (3, vec![])
    );
    assert_eq!(missing_tests("dsl `typed` (all of it)"), (1, vec![]));
    let (_, missing) = missing_tests("dsl `typed`, `no_such`, elsewhere `steps`");
    assert_eq!(missing, ["`no_such`", "elsewhere", "`steps`"]);
}

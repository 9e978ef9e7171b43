//! Goal: test files say what users mean and show what is not so. Method: the examples' own files must
//! pass; small ones that fail are compared with the text people see.

use std::path::{Path, PathBuf};

use millrace_worker::testing::{TempDir, TestSuite};

/// All test files below a folder.
fn test_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            test_files(&path, found);
        } else if path.to_string_lossy().ends_with(".test.yaml") {
            found.push(path);
        }
    }
}

#[test]
fn the_test_files_of_the_examples_pass() {
    let mut files = Vec::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    test_files(Path::new(folder), &mut files);
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let suite = TestSuite::open(&file).unwrap_or_else(|problems| panic!("{problems}"));
        for result in suite.run().unwrap() {
            assert!(
                result.passed(),
                "{}\n{}",
                file.display(),
                result.report(false)
            );
        }
    }
}

const APP: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: 'none:9092'}
  defaults: {key: string, value: json}
  errors: {processing: stop}
  topology:
    streams:
      in: {topic: in}
      large: {from: in, steps: [filter: value.n >= 10], to: {topic: large}}
      windows: {from: counts, steps: [toStream: {}], to: {topic: windows}}
    tables:
      counts:
        from: in
        steps: [groupByKey: {}, windowedBy: {tumbling: {size: 1m}, retention: 1h}, count: {name: counts}]
";

/// What people see of the only case of a test file, `steps` indented by two.
fn report(steps: &str) -> String {
    let folder = TempDir::new();
    std::fs::write(folder.path().join("app.yaml"), APP).unwrap();
    let file = folder.path().join("a.test.yaml");
    let text = format!("app: app.yaml\ncases:\n- name: a case\n  steps:\n{steps}");
    std::fs::write(&file, text).unwrap();
    let suite = TestSuite::open(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let results = suite.run().unwrap();
    let shown = results[0].report(false);
    shown.replace(&folder.path().display().to_string(), "")
}

/// A text without what only lines columns up.
fn squeezed(text: &str) -> String {
    let lines = text.lines();
    let squeezed = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    squeezed.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_record_that_differs_is_shown_beside_the_expected_one() {
    let shown = report(
        "  - pipe:
      in:
      - {key: a, value: {n: 10, tags: [x, y]}, at: 1s}
      - {key: b, value: {n: 10.50, of: c}, at: 2s, headers: {h: '1'}}
  - expect:
      large:
      - {key: a, value: {tags: [x, y], n: 10.0}, at: 1s}
      - {key: b, value: {n: 10.51, of: c, more: 1}, at: 3s, headers: {h: '2'}}
      - {key: c}
",
    );
    let expected = r##"FAIL a case
/a.test.yaml:12:9: topic large: 2 records where 3 were expected; record 2 differs in value.n

# field expected got
1 "a": {"n": 10, "tags": ["x", "y"]} @1s "a": {"n": 10, "tags": ["x", "y"]} @1s
2 key "b" "b"
> 2 value.n 10.51 10.50
2 value.of "c" "c"
> 2 value.more 1 —
> 2 at 3s 2s
> 2 headers.h 2 1
> 3 "c": any —
"##;
    assert_eq!(squeezed(&shown), expected, "{shown}");
    // Columns begin at the same place in each line.
    let column = |part: &str| {
        let line = shown.lines().find(|line| line.contains(part)).unwrap();
        line[..line.find(part).unwrap()].chars().count()
    };
    assert_eq!(column("10.50"), column("got"));
    assert_eq!(column("10.51"), column("expected  "));
}

#[test]
fn a_windows_row_is_found_by_key_and_window() {
    let pipe =
        "  - pipe: {in: [{key: a, value: {n: 1}, at: 59s}, {key: a, value: {n: 1}, at: 60s}]}\n";
    let good = report(&format!(
        "{pipe}  - expectStores:
      counts:
      - {{key: a, window: {{start: 1m, end: 2m}}, value: 1, at: 1m}}
      - {{key: a, window: {{start: 0s}}, value: 1}}
  - expect:
      windows:
      - {{key: a, window: {{start: 0s, end: 1m}}, value: 1, at: 59s}}
      - {{key: a, window: {{start: 60000, end: 120000}}, value: 1, at: 60000}}
  - expect: {{windows: []}}
"
    ));
    assert_eq!(good, "  ok    a case\n");
    let shown = report(&format!(
        "{pipe}  - expectStores:
      counts: [{{key: a, window: {{start: 1m}}, value: 2}}, {{key: b, window: {{start: 0s}}}}]
"
    ));
    let expected = r##"FAIL a case
/a.test.yaml:7:16: store counts: row 1 differs in value

# field expected got
1 key "a" "a"
1 window.start 1m 1m
> 1 value 2 1
> 2 "b" [0ms, any]: any —
> 3 — "a" [0ms, 1m]: 1 @59s
"##;
    assert_eq!(squeezed(&shown), expected, "{shown}");
}

#[test]
fn an_application_that_stops_fails_the_case_where_it_stopped() {
    let shown = report("  - pipe: {in: [{key: a, value: {}}]}\n");
    assert!(
        shown.starts_with("  FAIL  a case\n        /a.test.yaml:5:"),
        "{shown}"
    );
    assert!(shown.contains("the application stopped: "), "{shown}");
    assert!(shown.contains("no field `n`"), "{shown}");
}

#[test]
fn each_case_begins_anew_and_goes_by_its_own_clock() {
    let folder = TempDir::new();
    std::fs::write(folder.path().join("app.yaml"), APP).unwrap();
    let file = folder.path().join("a.test.yaml");
    let case = "  steps:
  - advance: 10s
  - pipe: {in: [{key: a, value: {n: 10}}]}
  - expect: {large: [{key: a, at: 10s}]}
  - expectStores: {counts: [{key: a, window: {start: 1700000000000}, value: 1, at: 1700000010000}]}
";
    // Windows are counted from the epoch.
    let case = case.replace("{start: 1700000000000}", "{start: 1699999980000}");
    let text = format!(
        "app: app.yaml\nname: app\nstart: 1700000000000\ncases:\n- name: one\n{case}- name: two\n{case}"
    );
    std::fs::write(&file, text).unwrap();
    let suite = TestSuite::open(&file).unwrap_or_else(|problems| panic!("{problems}"));
    for result in suite.run().unwrap() {
        assert!(result.passed(), "{}", result.report(false));
    }
}

#[test]
fn a_file_without_its_streamapp_says_where_it_was_looked_for() {
    let folder = TempDir::new();
    let file = folder.path().join("a.test.yaml");
    std::fs::write(&file, "app: none.yaml\ncases: []\n").unwrap();
    let message = TestSuite::open(&file).unwrap_err();
    assert!(
        message.contains("a.test.yaml:1:1: app: could not read "),
        "{message}"
    );
    std::fs::write(folder.path().join("none.yaml"), APP).unwrap();
    std::fs::write(&file, "app: none.yaml\nname: other\ncases: []\n").unwrap();
    let message = TestSuite::open(&file).unwrap_err();
    assert!(
        message.contains("has no single StreamApp `other`"),
        "{message}"
    );
    assert!(message.contains("it has: app"), "{message}");
}

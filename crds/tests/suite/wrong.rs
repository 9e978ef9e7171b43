//! Wrong resources, as strangers write them, and what they are told.
//!
//! The second line of each `tests/wrong/NAME.yaml` says who speaks: `# admission: TEXT`, the API server,
//! by the CRD's schema and rules (the end-to-end tests ask a real one); `# condition: REASON: TEXT`, the
//! operator, by what [`plan`](millrace_crds::plan) or the rendering of pods says. Here, without a
//! cluster: what the plan says, and that `worker check` takes nothing that the API server refuses.

use std::path::PathBuf;

use millrace_crds::read::read_documents;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/wrong");

/// What only the operator or the API server can see: how two versions differ, and fields that the
/// engine does not look at.
const NOT_THE_ENGINES: &[&str] = &[
    "application-id-changes",
    "name-with-dot",
    "pod-resources",
    "replication-factor-zero",
    "volume-shrinks",
];

struct Wrong {
    name: String,
    text: String,
    /// `admission` or `condition`.
    speaker: String,
    expected: String,
}

fn all() -> Vec<Wrong> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().nth(1).and_then(|line| line.strip_prefix("# "));
        let (speaker, expected) = line.and_then(|line| line.split_once(": ")).unwrap();
        Wrong {
            speaker: speaker.to_owned(),
            expected: expected.to_owned(),
            name,
            text,
        }
    };
    paths.into_iter().map(read).collect()
}

/// The problems of all documents of a text.
fn problems(text: &str) -> Vec<String> {
    let problems = match read_documents(text, "wrong.yaml") {
        Err(problems) => problems,
        Ok(documents) => documents
            .iter()
            .flat_map(|document| document.plan().err().unwrap_or_default())
            .collect(),
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn there_are_at_least_twenty_and_each_says_who_refuses_it() {
    let all = all();
    assert!(all.len() >= 20, "only {}", all.len());
    for wrong in all {
        let speaks = ["admission", "condition"].contains(&wrong.speaker.as_str());
        assert!(speaks, "{}: {}", wrong.name, wrong.speaker);
    }
}

#[test]
fn the_plan_says_what_the_condition_will() {
    for wrong in all().iter().filter(|wrong| wrong.speaker == "condition") {
        let Some(expected) = wrong.expected.strip_prefix("InvalidSpec: ") else {
            continue;
        };
        let found = problems(&wrong.text).join("\n");
        assert!(
            found.contains(expected),
            "{}: {expected}\n--- found\n{found}",
            wrong.name
        );
    }
}

#[test]
fn what_the_api_server_refuses_is_no_valid_file_either() {
    for wrong in all() {
        let found = problems(&wrong.text);
        let visible = !NOT_THE_ENGINES.contains(&wrong.name.as_str());
        assert_eq!(!found.is_empty(), visible, "{}: {found:?}", wrong.name);
    }
}

//! Broken StreamApps: what a stranger is told about each.
//!
//! Each `tests/broken/NAME.yaml` is read and planned; its problems, as `check` prints them, must be
//! those of `NAME.txt`. `MILLRACE_BLESS=1 cargo test --test suite` writes the texts anew: read them
//! as someone who has never seen the file.

use millrace_crds::Problem;
use millrace_crds::read::read_documents;

use crate::golden;

fn problems(text: &str, file: &str) -> Vec<Problem> {
    match read_documents(text, file) {
        Err(problems) => problems,
        Ok(documents) => documents
            .iter()
            .flat_map(|document| document.plan().err().unwrap_or_default())
            .collect(),
    }
}

#[test]
fn each_broken_file_gives_messages_to_act_on() {
    let files = golden::files("broken", "yaml");
    assert!(files.len() >= 10, "only {} broken files", files.len());
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let problems = problems(&text, &name);
        assert!(!problems.is_empty(), "{name}: no problem found");
        for problem in &problems {
            assert!(
                problem.location.is_some(),
                "{name}: no place for: {problem}"
            );
        }
        let texts: Vec<String> = problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect();
        failures.extend(golden::compare(&path.with_extension("txt"), &texts.join("\n")).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

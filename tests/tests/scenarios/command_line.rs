//! The commands that need no cluster.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use millrace_tests::worker::{binary, run_to_end};
use rustix::process::{Pid, Signal, kill_process};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/loan-evaluation");
const BROKEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/tests/broken");

#[test]
fn check_says_of_every_broken_file_what_is_wrong_and_exits_with_1() {
    let mut seen = 0;
    for entry in std::fs::read_dir(BROKEN).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let output = run_to_end(&["check", path.to_str().unwrap()]).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        let printed = String::from_utf8(output.stderr).unwrap();
        // The wording is crds' own test; here only that all of it reaches the terminal.
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let first = expected.lines().next().unwrap();
        assert!(printed.contains(first), "{}: {printed}", path.display());
    }
    assert!(seen >= 10, "{seen} broken files");
}

#[test]
fn check_finds_the_examples_valid() {
    let output = run_to_end(&["check", EXAMPLES]).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        printed.contains("loan-evaluation is valid: 1 subtopologies, 1 stores"),
        "{printed}"
    );
}

#[test]
fn a_stream_app_that_needs_the_code_of_another_image_is_described_and_not_valid_here() {
    const FUNCTIONS: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crds/tests/plans/functions.yaml"
    );
    let output = run_to_end(&["check", FUNCTIONS]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.contains("this program has no function `group_by_3`"),
        "{printed}"
    );
    assert!(printed.contains("`spec.image`"), "{printed}");
    let output = run_to_end(&["describe", FUNCTIONS]).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for command in ["run", "dev", "check", "export"] {
        let output = run_to_end(&[command]).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(printed.contains("no topology of its own") || printed.contains("StreamApp"));
    }
}

#[test]
fn describe_draws_a_mermaid_flowchart() {
    let file = Path::new(EXAMPLES).join("loan-evaluation.yaml");
    let file = file.to_str().unwrap();
    let output = run_to_end(&["describe", file, "--format", "mermaid"]).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(printed.starts_with("flowchart LR\n"), "{printed}");
    assert!(printed.contains("account-balances-table"), "{printed}");
}

#[test]
fn test_exits_with_0_when_all_cases_passed_and_with_2_when_a_file_is_wrong() {
    let output = run_to_end(&["test", EXAMPLES]).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.ends_with("5 cases in 2 files, 5 passed\n"),
        "{printed}"
    );
    assert!(!printed.contains('\x1b'), "no colours in a pipe");

    let output = run_to_end(&["test", "none.test.yaml"]).unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(
        printed.contains("could not read none.test.yaml"),
        "{printed}"
    );
}

/// The writing end of a pipe whose reader is gone, as that of `millrace-worker … | head -0`.
fn nobody_reads() -> Stdio {
    let (_reader, writer) = std::io::pipe().unwrap();
    Stdio::from(writer)
}

#[test]
fn describe_ends_well_when_its_reader_is_gone() {
    let output = Command::new(binary().unwrap())
        .args(["describe", EXAMPLES])
        .stdout(nobody_reads())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn dev_runs_on_when_its_reader_is_gone() {
    let mut dev = Command::new(binary().unwrap())
        .args(["dev", EXAMPLES, "--http", "127.0.0.1:0"])
        .stdout(nobody_reads())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Where topics are is said before; a task runs after.
    let mut log = BufReader::new(dev.stderr.take().unwrap()).lines();
    let runs = log.any(|line| line.unwrap().contains("task running"));
    kill_process(Pid::from_child(&dev), Signal::TERM).unwrap();
    let rest: Vec<String> = log.map(Result::unwrap).collect();
    let status = dev.wait().unwrap();
    assert!(runs && status.success(), "{status}\n{}", rest.join("\n"));
}

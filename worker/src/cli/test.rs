//! `test`: given and expected records of StreamApps, from files; no cluster needed.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use millrace_worker::testing::TestSuite;

use super::Image;
use super::input::{self, TEST_FILE_END};
use super::out;

/// Exit code of a file that is wrong.
const WRONG: u8 = 2;

/// Arguments of `test`.
#[derive(Args)]
#[command(after_long_help = EXAMPLE)]
pub(super) struct TestArgs {
    /// Test files, or folders: all files below a folder whose names end in .test.yaml.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

const EXAMPLE: &str = r#"A test file:
  app: large-orders.yaml
  cases:
  - name: only orders of 1000 and more go on
    steps:
    - pipe:
        orders:
        - {key: a, value: {amount: 999.99}, at: 0s}
        - {key: b, value: {amount: 1000}, at: 1s}
    - expect:
        large-orders:
        - {key: b, value: {amount: 1000}, at: 1s}

Steps: pipe, advance (the clock, such as 10s), expect, expectStores. In an expected record, what is left
out is not compared. The schema of these files: millrace-worker schema test-file

Exit code: 0 all cases passed, 1 a case failed, 2 a file is wrong."#;

/// What came of all files.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    wrong: usize,
}

/// Runs the cases of all files; the exit code.
pub(super) fn test(args: &TestArgs, image: &Image) -> u8 {
    match test_files(args, image) {
        Ok(Counts { wrong: 1.., .. }) => WRONG,
        Ok(Counts { failed: 1.., .. }) => super::FAILED,
        Ok(_) => 0,
        Err(message) => {
            complain(&message);
            WRONG
        }
    }
}

#[allow(clippy::print_stderr)]
fn complain(message: &str) {
    eprintln!("{message}");
}

fn test_files(args: &TestArgs, image: &Image) -> Result<Counts, String> {
    let files = input::files_ending(&args.paths, TEST_FILE_END)?;
    let colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut counts = Counts::default();
    for file in &files {
        out::line(file.display())?;
        if let Err(message) = run(file, image, colours, &mut counts) {
            counts.wrong += 1;
            complain(&message);
        }
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (all, of) = (counts.passed + counts.failed, files.len());
    let mut summary = format!("{all} case{} in {of} file{}", plural(all), plural(of));
    for (count, what) in [
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (counts.wrong, "wrong: not run"),
    ] {
        if count > 0 {
            summary.push_str(&format!(", {count} {what}"));
        }
    }
    out::line(summary)?;
    Ok(counts)
}

fn run(file: &Path, image: &Image, colours: bool, counts: &mut Counts) -> Result<(), String> {
    let suite =
        TestSuite::open_for(file, image.own.as_ref())?.with_processors(image.processors.clone());
    for result in suite.run().map_err(|error| error.to_string())? {
        out::all(result.report(colours))?;
        if result.passed() {
            counts.passed += 1;
        } else {
            counts.failed += 1;
        }
    }
    Ok(())
}

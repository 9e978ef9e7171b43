//! Kafka Streams in a JVM of its own, which answers case after case.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::app::in_plan_order;
use super::case::{Answer, Case};

/// Folder of the Java program's sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oracle");
/// Cases that are sent ahead of their answers, so that both sides work at the same time.
const AHEAD: usize = 16;

/// The judge. Its JVM ends when it is dropped.
pub struct Judge {
    child: Child,
    input: Option<ChildStdin>,
    /// Lines of its standard output, read by a thread of their own: the judge never waits to be heard,
    /// so sending it more never waits for long. At most [`AHEAD`] are there.
    answers: Receiver<io::Result<String>>,
    _state: TempDir,
}

impl Judge {
    /// Starts the JVM; the first time on a machine the Java program is built, which needs Maven and
    /// the network.
    ///
    /// # Errors
    /// No Java 17, no Maven, or no network where they are needed.
    pub fn start() -> anyhow::Result<Self> {
        let folder = build()?;
        let state = TempDir::with_prefix("millrace-oracle-")?;
        let (classes, jars) = (folder.join("classes"), folder.join("lib").join("*"));
        let mut child = Command::new("java")
            // One collector thread and a small heap: cases are small, and others share the machine.
            .args(["-XX:+UseSerialGC", "-Xmx512m", "-cp"])
            .arg(format!("{}:{}", classes.display(), jars.display()))
            .arg("dev.millrace.oracle.Oracle")
            .arg(state.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start java (17 or later is needed)")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("java has no standard output")?;
        let (line, answers) = mpsc::channel();
        // Ends with the JVM's output, or when nobody listens any more.
        std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .try_for_each(|read| line.send(read))
        });
        Ok(Self {
            child,
            input,
            answers,
            _state: state,
        })
    }

    /// The judge's answer to one case.
    ///
    /// # Errors
    /// The JVM has ended, or its answer is none.
    pub fn ask(&mut self, case: &Case) -> anyhow::Result<Answer> {
        self.send(case)?;
        self.answer()
    }

    /// The answers to many cases, handed over one by one with their case, until `each` says false.
    ///
    /// # Errors
    /// As [`Judge::ask`], or what `each` failed with.
    pub fn ask_all(
        &mut self,
        mut cases: impl Iterator<Item = Case>,
        mut each: impl FnMut(Case, Answer) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut asked = VecDeque::new();
        let mut going = true;
        loop {
            while going && asked.len() < AHEAD {
                let Some(case) = cases.next() else { break };
                self.send(&case)?;
                asked.push_back(case);
            }
            let Some(case) = asked.pop_front() else {
                return Ok(());
            };
            let answer = self.answer()?;
            // What was asked is answered also after the end, so that the judge can be asked again.
            going = going && each(case, answer)?;
        }
    }

    fn send(&mut self, case: &Case) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(&in_plan_order(case))?;
        line.push('\n');
        let input = self.input.as_mut().context("the judge has ended")?;
        input
            .write_all(line.as_bytes())
            .and_then(|()| input.flush())
            .context("the judge takes no more cases")
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let line = self
            .answers
            .recv()
            .context("the judge has ended; what it wrote to standard error says why")??;
        serde_json::from_str(&line).with_context(|| format!("the judge's answer is {line}"))
    }
}

/// Builds the Java program where it has not been; its folder.
fn build() -> anyhow::Result<PathBuf> {
    let built = Command::new(Path::new(SOURCES).join("build.sh"))
        .stderr(Stdio::inherit())
        .output()
        .context("could not run tests/oracle/build.sh")?;
    ensure!(
        built.status.success(),
        "tests/oracle/build.sh ended with {}",
        built.status
    );
    Ok(PathBuf::from(String::from_utf8(built.stdout)?.trim()))
}

impl Drop for Judge {
    fn drop(&mut self) {
        // Without input it ends by itself; a case it is at work on is not waited for.
        drop(self.input.take());
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

//! The programs that the demonstration starts, and ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end after SIGTERM, before it is killed.
const END_WITHIN: Duration = Duration::from_secs(15);

/// Pause between two looks at a program that is ending.
const END_PAUSE: Duration = Duration::from_millis(20);

/// Lines of a failed program's log that are shown.
const LOG_LINES: usize = 15;

/// A started program, whose output goes to a file. Ended when dropped.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program that lies beside this one.
    ///
    /// # Errors
    /// When it is not there or does not start.
    pub(super) fn start(
        name: &'static str,
        arguments: &[&str],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("could not find this program's folder")?;
        let program = this.with_file_name(name);
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log)
            .with_context(|| format!("could not create the log file {}", log.display()))?;
        let child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C reaches this program alone, which then ends the others in order.
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!(
                    "could not start {} (`make build` builds it)",
                    program.display()
                )
            })?;
        Ok(Self { name, child, log })
    }

    /// Fails, with the end of its log, when the program has ended.
    ///
    /// # Errors
    /// As said.
    pub(super) fn expect_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended with {status}; the end of its log:\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(())
    }

    /// The last lines of what the program wrote.
    pub(super) fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
        tail.iter().map(|line| format!("    {line}\n")).collect()
    }

    /// SIGTERM, and SIGKILL when that does not end it in time.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < END_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(END_PAUSE);
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        match self.end() {
            Ok(status) if !status.success() => eprintln!("{} ended with {status}", self.name),
            Ok(_) => {}
            Err(error) => eprintln!("could not end {}: {error}", self.name),
        }
    }
}

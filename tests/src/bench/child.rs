//! A measured program: started, watched through `/proc`, ended by its process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::interrupt;

/// How long a program may take to end after SIGTERM.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Lines of a failed program's output that are shown.
const OUTPUT_LINES: usize = 30;

/// `/proc/PID/stat` counts CPU in hundredths of a second (USER_HZ) on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program, whose output goes to a file. Killed when dropped before [`Program::end`].
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Child,
    output: PathBuf,
    /// When it was started.
    pub(super) started: Instant,
}

impl Program {
    /// Starts a program; `folder` takes its output.
    pub(super) fn start(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let output = folder.join(format!("{name}.out"));
        let file = File::create(&output)
            .with_context(|| format!("could not create {}", output.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
            started,
        })
    }

    /// CPU time used so far by all threads of the process, in user and kernel mode.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.proc_file("stat")?;
        cpu_of(&stat).with_context(|| format!("cannot make sense of /proc/PID/stat: {stat}"))
    }

    /// The most memory it has held, in bytes.
    pub(super) fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        let status = self.proc_file("status")?;
        peak_rss_of(&status).context("cannot find VmHWM in /proc/PID/status")
    }

    /// Fails, with the end of its output, when it has ended.
    pub(super) fn expect_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}:\n{}", self.name, self.output_tail());
        }
        Ok(())
    }

    /// Ends it with SIGTERM, and tells with which exit code or signal.
    pub(super) fn end(mut self) -> anyhow::Result<std::process::ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.wait(END_WITHIN)
    }

    /// Waits until it ends by itself, and returns what it printed.
    pub(super) fn finish(mut self, within: Duration) -> anyhow::Result<String> {
        let status = self.wait(within)?;
        ensure!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.name,
            self.output_tail()
        );
        Ok(fs::read_to_string(&self.output)?)
    }

    fn wait(&mut self, within: Duration) -> anyhow::Result<std::process::ExitStatus> {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            let name = &self.name;
            ensure!(
                asked.elapsed() < within,
                "{name} did not end within {within:?}"
            );
            interrupt::pause(Duration::from_millis(10))?;
        }
    }

    fn proc_file(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("could not read {path}"))
    }

    fn output_tail(&self) -> String {
        let text = fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// utime + stime: fields 14 and 15. The name in field 2 may hold spaces and parentheses.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

fn peak_rss_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_user_and_kernel_time_whatever_the_name_is() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 5 0 100 1 1";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("42 (a"), None);
    }

    #[test]
    fn the_peak_is_in_bytes() {
        assert_eq!(
            peak_rss_of("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n"),
            Some(2_097_152)
        );
        assert_eq!(peak_rss_of("Name:\tx\n"), None);
    }
}

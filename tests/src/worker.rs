//! `millrace-worker` processes of tests: started, asked over HTTP, and ended by their process id.
//!
//! Owns the processes and their log files; each is killed when dropped. Never waits without a bound,
//! and an error of a wait shows the end of the worker's log.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// No wait for a worker is longer, unless the caller says so.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a worker.
const LOOK_PAUSE: Duration = Duration::from_millis(25);
/// Longest wait for one HTTP answer.
const HTTP_LIMIT: Duration = Duration::from_secs(10);
/// Lines of a worker's log shown in errors.
const LOG_TAIL_LINES: usize = 40;

/// The built `millrace-worker`, beside the running test.
pub fn binary() -> Result<PathBuf> {
    program("millrace-worker")
}

/// A built program, beside the running test.
fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("find the running test's own path")?;
    // target/release/deps/scenarios-… or target/release/soak
    let found = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} near {}; run `make build` first", test.display()))
}

/// Runs `millrace-worker` with these arguments to its end, e.g. `check FILE`.
pub fn run_to_end(args: &[&str]) -> Result<Output> {
    Command::new(binary()?)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run millrace-worker {}", args.join(" ")))
}

/// How a worker is started; the same options start the same worker again.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    program: String,
    file: Option<PathBuf>,
    bootstrap: String,
    state_dir: PathBuf,
    ordinal: u32,
    log: PathBuf,
    through: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl WorkerOptions {
    /// `millrace-worker run --file FILE` against a broker. State and logs go below `folder`, apart
    /// for each StreamApp file and ordinal.
    pub fn new(file: &Path, bootstrap: &str, folder: &Path, ordinal: u32) -> Self {
        let name = file
            .file_stem()
            .map_or_else(Default::default, |stem| stem.to_string_lossy());
        Self {
            program: "millrace-worker".to_owned(),
            file: Some(file.to_owned()),
            bootstrap: bootstrap.to_owned(),
            state_dir: folder.join(format!("{name}-{ordinal}-state")),
            log: folder.join(format!("{name}-{ordinal}.log")),
            ordinal,
            through: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// `PROGRAM run`, of a program with a topology of its own.
    pub fn of_program(program: &str, bootstrap: &str, folder: &Path) -> Self {
        Self {
            program: program.to_owned(),
            file: None,
            ..Self::new(Path::new(program), bootstrap, folder, 0)
        }
    }

    /// Adds a command line argument, e.g. `--application-id=x`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable of the worker.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Starts the worker through another command, which ends by executing its last arguments, so that
    /// the process id stays the worker's.
    #[must_use]
    pub fn through(mut self, command: &[&str]) -> Self {
        self.through = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Other addresses of the broker, e.g. of another listener.
    #[must_use]
    pub fn bootstrap(mut self, servers: impl Into<String>) -> Self {
        self.bootstrap = servers.into();
        self
    }

    /// Another directory for the state.
    #[must_use]
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state_dir = directory.into();
        self
    }

    /// Where the state is.
    pub fn state_path(&self) -> &Path {
        &self.state_dir
    }

    /// Starts the worker; returns at once.
    pub fn start(&self) -> Result<WorkerProcess> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let run = NEXT.fetch_add(1, Ordering::Relaxed);
        let log = self.log.with_extension(format!("{run}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let binary = program(&self.program)?;
        let mut command = match self.through.split_first() {
            None => Command::new(binary),
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(binary);
                command
            }
        };
        let child = command
            .arg("run")
            .args(
                self.file
                    .iter()
                    .flat_map(|file| ["--file".as_ref(), file.as_os_str()]),
            )
            .args(["--bootstrap-servers", &self.bootstrap])
            .arg("--state-dir")
            .arg(&self.state_dir)
            .args(["--ordinal", &self.ordinal.to_string()])
            // The worker takes a free port and writes it into its log.
            .args(["--http", "127.0.0.1:0"])
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the worker's log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", self.program))?;
        Ok(WorkerProcess {
            child,
            log,
            address: None,
        })
    }
}

/// A running worker. Killed when dropped; its log is shown if that is because a test failed.
pub struct WorkerProcess {
    child: Child,
    log: PathBuf,
    address: Option<SocketAddr>,
}

impl WorkerProcess {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("send a signal to the worker {}", self.pid()))
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill a worker")?;
        self.child.wait().context("wait for a killed worker")?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits for it.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_for_end(LIMIT)
    }

    /// Waits until it ends by itself.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("look at a worker")? {
                return Ok(status);
            }
            ensure!(
                began.elapsed() < limit,
                "the worker has not ended after {limit:?}\n{}",
                self.log_tail()
            );
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
        format!("the last lines of {}:\n{tail}", self.log.display())
    }

    /// Waits until its log contains a text.
    pub fn wait_for_log(&mut self, text: &str, limit: Duration) -> Result<()> {
        self.wait_until(&format!("the log line `{text}`"), limit, |worker| {
            Ok(worker.log().contains(text).then_some(()))
        })
    }

    /// Waits until `look` finds what it looks for. Fails at once when the worker has ended; failed
    /// looks (HTTP not up yet) are looks again, until the limit.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        loop {
            let looked = look(self);
            let last = match looked {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if !self.is_running() {
                bail!("the worker ended before {what}\n{}", self.log_tail());
            }
            if began.elapsed() >= limit {
                let last = last.map(|error| format!("; {error:#}")).unwrap_or_default();
                let status = self
                    .get("/status")
                    .map(|(_, body)| body)
                    .unwrap_or_default();
                bail!(
                    "still no {what} after {limit:?}{last}\nstatus: {status}\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// Where it serves HTTP; waits until it does.
    pub fn address(&mut self) -> Result<SocketAddr> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let address = self.wait_until_logged_address()?;
        self.address = Some(address);
        Ok(address)
    }

    fn wait_until_logged_address(&mut self) -> Result<SocketAddr> {
        const MARK: &str = "HTTP is up address=";
        let began = Instant::now();
        loop {
            let log = self.log();
            // A line is complete when its end is there.
            let line = log.split_inclusive('\n').find(|line| line.contains(MARK));
            if let Some(line) = line.filter(|line| line.ends_with('\n'))
                && let Some((_, rest)) = line.split_once(MARK)
            {
                let word = rest.split_whitespace().next().unwrap_or_default();
                return word
                    .parse()
                    .with_context(|| format!("read the address {word}"));
            }
            ensure!(
                self.is_running(),
                "the worker ended early\n{}",
                self.log_tail()
            );
            ensure!(
                began.elapsed() < LIMIT,
                "no HTTP after {LIMIT:?}\n{}",
                self.log_tail()
            );
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// Status code and body of `GET path`.
    pub fn get(&mut self, path: &str) -> Result<(u16, String)> {
        let address = self.address()?;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(HTTP_LIMIT))
            .build()
            .into();
        let mut answer = agent
            .get(format!("http://{address}{path}"))
            .call()
            .with_context(|| format!("GET {path}"))?;
        let body = answer
            .body_mut()
            .read_to_string()
            .with_context(|| format!("read {path}"))?;
        Ok((answer.status().as_u16(), body))
    }

    /// Its `/status`.
    pub fn status(&mut self) -> Result<AppStatus> {
        let (code, body) = self.get("/status")?;
        ensure!(code == 200, "/status answered {code}: {body}");
        let mut status: Status =
            serde_json::from_str(&body).with_context(|| format!("read the status {body}"))?;
        status
            .applications
            .pop()
            .with_context(|| format!("no application in {body}"))
    }

    /// Waits until every task assigned here runs, and at least `tasks` of them.
    pub fn wait_ready(&mut self, tasks: usize) -> Result<AppStatus> {
        self.wait_until(&format!("{tasks} running tasks"), LIMIT, |worker| {
            let status = worker.status()?;
            let all = status.tasks().count();
            let running = status
                .tasks()
                .filter(|task| task.state == "running")
                .count();
            Ok((running == all && running >= tasks).then_some(status))
        })
    }

    /// Waits until nothing is behind: every input's lag is known and 0. A worker's knowledge of it is
    /// up to a second old: wait for outputs, where there are any.
    pub fn wait_caught_up(&mut self, limit: Duration) -> Result<AppStatus> {
        self.wait_until("lag 0", limit, |worker| {
            let status = worker.status()?;
            let running = status.tasks().all(|task| task.state == "running");
            let none = status.tasks().next().is_none();
            Ok((status.lag == Some(0) && running && !none).then_some(status))
        })
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("worker {}: {}", self.pid(), self.log_tail());
        }
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Deserialize)]
struct Status {
    applications: Vec<AppStatus>,
}

/// An application in a worker's `/status`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// `waiting`, `running`, `stopped` or `failed`.
    pub phase: String,
    /// What it waits for, or why it failed.
    pub message: Option<String>,
    /// Records behind over all inputs; `None` when unknown.
    pub lag: Option<i64>,
    /// Its stream threads.
    pub threads: Vec<StreamThreadStatus>,
}

impl AppStatus {
    /// Tasks of all threads.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskStatus> {
        self.threads.iter().flat_map(|thread| &thread.tasks)
    }

    /// The tasks' ids, sorted.
    pub fn task_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.tasks().map(|task| task.id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// Changelog records restored since the process started.
    pub fn restored(&self) -> u64 {
        self.threads.iter().map(|thread| thread.restored).sum()
    }

    /// Records processed since the process started.
    pub fn processed(&self) -> u64 {
        self.threads.iter().map(|thread| thread.processed).sum()
    }
}

/// A stream thread in `/status`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamThreadStatus {
    /// Thread name.
    pub name: String,
    /// Commits since its start.
    pub commits: u64,
    /// Records processed since its start.
    pub processed: u64,
    /// Changelog records restored since its start.
    pub restored: u64,
    /// Its tasks.
    pub tasks: Vec<TaskStatus>,
}

/// A task in `/status`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// `<subtopology>_<partition>`.
    pub id: String,
    /// `restoring`, `starting` or `running`.
    pub state: String,
    /// Its inputs, while it runs.
    pub inputs: Vec<InputStatus>,
    /// Records processed since it was started here.
    pub processed: u64,
    /// Records dropped (null keys and the like).
    pub dropped: u64,
    /// Records that went to the dead-letter topic.
    pub failed: u64,
}

/// An input partition in `/status`.
#[derive(Clone, Debug, Deserialize)]
pub struct InputStatus {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset of the next record.
    pub position: i64,
    /// Records behind; `None` when unknown.
    pub lag: Option<i64>,
}

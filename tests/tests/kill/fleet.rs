//! The workers of the kill test: two of each application of the loan evaluation.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use millrace_kafka::{Cluster, Guarantee};
use millrace_tests::topic;
use millrace_tests::worker::{WorkerOptions, WorkerProcess};

use crate::history::{self, Restore};

/// Worker processes of an application.
const WORKERS: u32 = 2;
/// Partitions of every topic, and so tasks of either application.
pub(crate) const PARTITIONS: i32 = 3;
/// A flush to disk is due after so many changelog records of a task ...
pub(crate) const FLUSH_RECORDS: u64 = 2_000;
/// ... or after this time.
const FLUSH_INTERVAL_MS: u64 = 5_000;
/// Longest wait for anything of a worker: a join after the session timeout of 10 s, on a machine that
/// does other things as well.
const LIMIT: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The two applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    /// Sums up transactions.
    Balances,
    /// Joins loan requests with balances.
    Evaluation,
}

/// Names of the topics of one run, so that two runs share a broker.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: &'static str,
}

impl Names {
    /// All names begin with `prefix`.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix }
    }

    /// A topic of the example under this run's name.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// The application id.
    pub(crate) fn id(&self, app: App) -> String {
        self.topic(match app {
            App::Balances => "account-balances",
            App::Evaluation => "loan-evaluation",
        })
    }

    /// The application's table.
    pub(crate) fn store(app: App) -> &'static str {
        match app {
            App::Balances => "balances",
            App::Evaluation => "account-balances-table",
        }
    }

    /// Its changelog.
    pub(crate) fn changelog(&self, app: App) -> String {
        format!("{}-{}-changelog", self.id(app), Self::store(app))
    }

    /// Its inputs.
    pub(crate) fn inputs(&self, app: App) -> Vec<String> {
        match app {
            App::Balances => vec![self.topic("transactions")],
            App::Evaluation => vec![self.topic("account-balances"), self.topic("loan-requests")],
        }
    }

    /// The user's topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        [
            "transactions",
            "account-balances",
            "loan-requests",
            "loan-evaluation-results",
        ]
        .map(|name| self.topic(name))
        .to_vec()
    }
}

/// A worker that is always started again.
pub(crate) struct Member {
    /// What it runs.
    pub(crate) app: App,
    ordinal: u32,
    options: WorkerOptions,
    /// The running process.
    pub(crate) process: WorkerProcess,
    /// Logs of its earlier processes.
    past_logs: Vec<String>,
}

impl Member {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        format!("{:?} worker {}", self.app, self.ordinal)
    }

    /// Kills the process, as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        ensure!(
            self.process.is_running(),
            "{} ended by itself\n{}",
            self.name(),
            self.process.log_tail()
        );
        self.process.kill()?;
        self.past_logs.push(self.process.log());
        Ok(())
    }

    /// Starts it after it was killed.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process = self.options.start()?;
        Ok(())
    }

    /// Restarts it so that it aborts when it is at this point of a commit for the n-th time, waits
    /// for that, and restarts it without.
    pub(crate) fn crash_at(&mut self, point: &str, n: u32) -> Result<()> {
        use std::os::unix::process::ExitStatusExt;

        self.kill()?;
        let variable = millrace_worker::crash::VARIABLE;
        self.process = self
            .options
            .clone()
            .env(variable, format!("{point}:{n}"))
            .start()?;
        let status = self
            .process
            .wait_for_end(LIMIT)
            .with_context(|| format!("{} never came to {point}", self.name()))?;
        let log = self.process.log();
        ensure!(
            status.signal() == Some(rustix::process::Signal::ABORT.as_raw())
                && log.contains(&format!("crash point {point} reached")),
            "{} ended with {status} and not at {point}\n{}",
            self.name(),
            self.process.log_tail()
        );
        self.past_logs.push(log);
        self.restart()
    }

    /// Waits until every task it has runs, and has one, and has processed something.
    pub(crate) fn wait_working(&mut self) -> Result<()> {
        let name = self.name();
        self.process
            .wait_until(&format!("work of {name}"), LIMIT, |worker| {
                let status = worker.status()?;
                let running = status.tasks().all(|task| task.state == "running");
                Ok((running && status.processed() > 0).then_some(()))
            })
    }

    /// Waits until it runs all tasks of its application, and goes on with each.
    pub(crate) fn wait_alone(&mut self) -> Result<()> {
        let name = self.name();
        let mut before = None;
        self.process
            .wait_until(&format!("{name} with all tasks"), LIMIT, |worker| {
                let status = worker.status()?;
                let running: Vec<u64> = status
                    .tasks()
                    .filter(|task| task.state == "running")
                    .map(|task| task.processed)
                    .collect();
                if running.len() < PARTITIONS as usize {
                    return Ok(None);
                }
                let before = before.get_or_insert_with(|| running.clone());
                Ok(before
                    .iter()
                    .zip(&running)
                    .all(|(before, now)| now > before)
                    .then_some(()))
            })
    }

    fn logs(&self) -> impl Iterator<Item = String> {
        self.past_logs.iter().cloned().chain([self.process.log()])
    }
}

/// All workers, and where their files are.
pub(crate) struct Fleet {
    /// Workers of both applications.
    pub(crate) members: Vec<Member>,
    names: Names,
}

impl Fleet {
    /// Starts all workers on topics that exist.
    pub(crate) fn start(
        names: &Names,
        guarantee: Guarantee,
        bootstrap: &str,
        folder: &Path,
    ) -> Result<Self> {
        let mut members = Vec::new();
        for app in [App::Balances, App::Evaluation] {
            let file = stream_app(names, app, guarantee, folder)?;
            for ordinal in 0..WORKERS {
                let options = WorkerOptions::new(&file, bootstrap, folder, ordinal)
                    .arg(format!("--application-id={}", names.id(app)));
                let process = options.start()?;
                members.push(Member {
                    app,
                    ordinal,
                    options,
                    process,
                    past_logs: Vec::new(),
                });
            }
        }
        Ok(Self {
            members,
            names: names.clone(),
        })
    }

    /// The workers of an application.
    pub(crate) fn of(&mut self, app: App) -> impl Iterator<Item = &mut Member> {
        self.members
            .iter_mut()
            .filter(move |member| member.app == app)
    }

    /// The other worker of the same application.
    pub(crate) fn partner(&mut self, index: usize) -> &mut Member {
        &mut self.members[index ^ 1]
    }

    /// Waits until the group has committed every input to its end.
    pub(crate) fn wait_drained(
        &mut self,
        cluster: &dyn Cluster,
        app: App,
        limit: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        let admin = cluster.admin()?;
        let mut partitions = Vec::new();
        for input in self.names.inputs(app) {
            partitions.extend(topic::partitions(cluster, &input)?);
        }
        loop {
            let ends = admin.watermarks(&partitions)?;
            let committed = admin.group_offsets(&self.names.id(app), &partitions)?;
            let behind: Vec<String> = partitions
                .iter()
                .zip(ends.iter().zip(&committed))
                .filter(|(_, ((_, end), at))| at.as_ref().map(|at| at.offset) != Some(*end))
                .map(|(partition, ((_, end), at))| {
                    format!(
                        "{partition}: {:?} of {end}",
                        at.as_ref().map(|at| at.offset)
                    )
                })
                .collect();
            if behind.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let tails: String = self
                    .of(app)
                    .map(|member| member.process.log_tail() + "\n")
                    .collect();
                bail!(
                    "{app:?} is not through after {limit:?}: {}\n{tails}",
                    behind.join(", ")
                );
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// Waits until status shows no lag, and that all tasks run.
    pub(crate) fn wait_caught_up(&mut self, app: App) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let statuses = self
                .of(app)
                .map(|member| member.process.status())
                .collect::<Result<Vec<_>>>()?;
            let tasks = || statuses.iter().flat_map(|status| status.tasks());
            let running = tasks().filter(|task| task.state == "running").count();
            let behind = statuses.iter().any(|status| status.lag != Some(0));
            if !behind && running == PARTITIONS as usize && tasks().count() == running {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{app:?} shows a lag for ever: {statuses:#?}"
            );
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// The committed row of a key (value and timestamp as JSON text), from the worker that has it.
    pub(crate) fn stored(&mut self, app: App, key: &str) -> Result<String> {
        let mut answers = Vec::new();
        for member in self.of(app) {
            let (code, body) = member
                .process
                .get(&format!("/stores/{}/{key}", Names::store(app)))?;
            match code {
                200 => return Ok(body),
                421 => answers.push(body),
                _ => bail!("{}: /stores answered {code}: {body}", member.name()),
            }
        }
        bail!("no worker has key {key} of {app:?}: {}", answers.join("; "))
    }

    /// All restores so far.
    pub(crate) fn restores(&self, app: App) -> Result<Vec<Restore>> {
        let logs: Vec<(u32, String)> = self
            .members
            .iter()
            .filter(|member| member.app == app)
            .flat_map(|member| member.logs().map(|log| (member.ordinal, log)))
            .collect();
        history::restores(logs.iter().map(|(ordinal, log)| (*ordinal, log.as_str())))
    }

    /// Ends all workers of an application with SIGTERM, removes their state, starts them anew, and
    /// returns how many records they restored in all.
    pub(crate) fn start_over_without_state(&mut self, app: App) -> Result<u64> {
        for member in self.of(app) {
            let status = member.process.terminate()?;
            ensure!(
                status.success(),
                "{} ended with {status} at SIGTERM",
                member.name()
            );
            member.past_logs.push(member.process.log());
        }
        for member in self.of(app) {
            let state = member.options.state_path().to_owned();
            std::fs::remove_dir_all(&state)
                .with_context(|| format!("remove {}", state.display()))?;
        }
        for member in self.of(app) {
            member.restart()?;
        }
        self.wait_caught_up(app)?;
        let mut restored = 0;
        for member in self.of(app) {
            restored += member.process.status()?.restored();
        }
        Ok(restored)
    }

    /// The ends of all logs, for a failure's message.
    pub(crate) fn log_tails(&self) -> String {
        let tails = self
            .members
            .iter()
            .map(|member| format!("--- {}: {}\n", member.name(), member.process.log_tail()));
        tails.collect()
    }
}

/// Writes the example's StreamApp with this run's topics, two workers of one thread, and small flush
/// bounds.
fn stream_app(names: &Names, app: App, guarantee: Guarantee, folder: &Path) -> Result<PathBuf> {
    let file = match app {
        App::Balances => "account-balances.yaml",
        App::Evaluation => "loan-evaluation.yaml",
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/loan-evaluation")
        .join(file);
    let mut text =
        std::fs::read_to_string(&example).with_context(|| format!("read {}", example.display()))?;
    let (guarantee, interval) = match guarantee {
        Guarantee::ExactlyOnce => ("exactly_once_v2", 100),
        Guarantee::AtLeastOnce => ("at_least_once", 200),
    };
    let spec = format!(
        "\nspec:\n  replicas: {WORKERS}\n  threads: 1\n  processingGuarantee: {guarantee}\n  \
         commitIntervalMs: {interval}\n  state:\n    flush:\n      records: {FLUSH_RECORDS}\n      \
         intervalMs: {FLUSH_INTERVAL_MS}\n"
    );
    let mut put = |old: &str, new: &str| {
        ensure!(
            text.matches(old).count() == 1,
            "{file} must have `{}` once",
            old.trim()
        );
        text = text.replace(old, new);
        Ok(())
    };
    put("\nspec:\n", &spec)?;
    let outputs = match app {
        App::Balances => "account-balances",
        App::Evaluation => "loan-evaluation-results",
    };
    for name in names.inputs(app).iter().chain([&names.topic(outputs)]) {
        let old = name
            .trim_start_matches(names.prefix)
            .trim_start_matches('-');
        put(&format!(" topic: {old}\n"), &format!(" topic: {name}\n"))?;
    }
    let path = folder.join(file);
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

//! A real Apache Kafka broker: one KRaft node in a process of its own, started and ended by its
//! process id.
//!
//! Owns the process, its data directory and its ports. Never touches another broker on the machine.
//! The jars come from `tests/broker/fetch.sh`, which needs Maven only while the cache is empty.

mod settings;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millrace_kafka::{Cluster, Guarantee, KafkaCluster, KafkaConfig};

/// How long a broker may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a broker may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a start is tried: another process may take a port between the look and the bind.
const START_TRIES: u32 = 3;
/// Pause between two looks at a starting or ending broker.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Lines of the broker's log shown in errors.
const LOG_TAIL_LINES: usize = 30;
/// A fixed cluster id: a base64 UUID that does not start with a dash.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// Settings of a broker; what is not set is right for tests on one node.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    properties: BTreeMap<String, String>,
    secure_port: Option<u16>,
    users: Vec<(String, String)>,
}

impl BrokerOptions {
    /// The settings for tests.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a broker property, e.g. `log.cleaner.backoff.ms`, over the defaults of
    /// [`Broker::start`].
    #[must_use]
    pub fn property(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    /// A second listener, under SASL_SSL with SCRAM-SHA-512, on this port of `localhost`; `pem` is a
    /// file with the broker's key and certificate, `users` are names and passwords.
    #[must_use]
    pub fn secure_listener(mut self, port: u16, pem: &Path, users: &[(&str, &str)]) -> Self {
        let owned = |(name, password): &(&str, &str)| (name.to_string(), password.to_string());
        self.secure_port = Some(port);
        self.users = users.iter().map(owned).collect();
        let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let pem = pem.display().to_string();
        self.property("listener.name.secure.ssl.keystore.type", "PEM")
            .property("listener.name.secure.ssl.keystore.location", pem)
            .property(
                "listener.name.secure.sasl.enabled.mechanisms",
                "SCRAM-SHA-512",
            )
            .property("listener.name.secure.scram-sha-512.sasl.jaas.config", login)
    }

    /// A cleaner that compacts at once: small segments, no waiting, any dirty ratio.
    #[must_use]
    pub fn eager_cleaner(self) -> Self {
        self.property("log.cleaner.backoff.ms", "200")
            .property("log.cleaner.min.cleanable.ratio", "0.01")
            .property("log.retention.check.interval.ms", "500")
            .property("log.segment.delete.delay.ms", "500")
    }
}

/// A running (or killed, and not yet restarted) broker. Ended and removed when dropped.
pub struct Broker {
    directory: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

/// The broker's process and the one that watches over it.
struct Process {
    broker: Child,
    /// Ends the broker, and removes its data, when this process is gone in whatever way: killed, or
    /// with a shared broker, which nothing drops.
    watchdog: Child,
}

/// The watchdog's script: its standard input closes when we are gone. `$1` is the broker's process
/// id, `$2` its directory.
const WATCHDOG: &str = r#"
read -r _
kill -9 "$1" 2>/dev/null
# A dying broker may still make files.
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$2" 2>/dev/null && exit; sleep 0.2; done
"#;

impl Process {
    /// Takes the watchdog off, so that it cannot act on a process id that is reused.
    fn unwatch(&mut self) -> Result<()> {
        self.watchdog.kill().context("end the broker's watchdog")?;
        self.watchdog
            .wait()
            .context("wait for the broker's watchdog")?;
        Ok(())
    }
}

impl Broker {
    /// Starts a broker with the settings for tests and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(&BrokerOptions::new())
    }

    /// Starts a broker on free ports and waits until it answers a real request.
    pub fn start_with(options: &BrokerOptions) -> Result<Self> {
        let mut last = None;
        for _ in 0..START_TRIES {
            match Self::try_start(options) {
                Ok(broker) => return Ok(broker),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("a broker is started at least once")?)
    }

    /// One broker for all tests of this process, ended with the process.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
        // A static is never dropped: the watchdog ends this one.
        SHARED
            .get_or_init(|| Self::start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn try_start(options: &BrokerOptions) -> Result<Self> {
        let directory = unique_directory()?;
        let (port, controller_port) = free_ports()?;
        let broker = Self {
            directory,
            port,
            process: Mutex::new(None),
        };
        let settings = settings::of(&broker.directory, port, controller_port, options);
        std::fs::write(broker.directory.join("server.properties"), settings)
            .context("write the broker's settings")?;
        broker.format(&options.users)?;
        broker.spawn()?;
        broker.wait_until_it_answers()?;
        Ok(broker)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A cluster on this broker under a guarantee, with defaults.
    pub fn cluster(&self, guarantee: Guarantee) -> Result<KafkaCluster> {
        Ok(KafkaCluster::new(KafkaConfig::new(
            self.bootstrap(),
            guarantee,
        ))?)
    }

    /// The broker's process id; `None` while it is not running.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(|process| process.broker.id())
    }

    /// Ends the process at once, as a power cut would: no shutdown, nothing flushed by the broker.
    pub fn kill(&self) -> Result<()> {
        let Some(mut process) = self.lock().take() else {
            return Ok(());
        };
        process.unwatch()?;
        process.broker.kill().context("kill the broker")?;
        process
            .broker
            .wait()
            .context("wait for the killed broker")?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits; kills it when it does not.
    pub fn stop(&self) -> Result<()> {
        let Some(mut process) = self.lock().take() else {
            return Ok(());
        };
        process.unwatch()?;
        signal(process.broker.id(), "TERM")?;
        if wait(&mut process.broker, STOP_LIMIT)?.is_none() {
            process
                .broker
                .kill()
                .context("kill a broker that does not stop")?;
            process
                .broker
                .wait()
                .context("wait for the killed broker")?;
            bail!(
                "the broker did not stop in {STOP_LIMIT:?}\n{}",
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Starts a killed or stopped broker again, on the same port and data, and waits until it is in
    /// service. It answers before that, when its partitions have no leaders yet: a transaction that is
    /// ended then may lose its markers (`docs/decisions/006-dropped-markers.md`).
    pub fn restart(&self) -> Result<()> {
        if self.lock().is_some() {
            bail!("the broker is running; kill or stop it first");
        }
        let before = self.times_in_service();
        self.spawn()?;
        self.wait_until_it_answers()?;
        let deadline = Instant::now() + START_LIMIT;
        while self.times_in_service() == before {
            if Instant::now() >= deadline {
                bail!(
                    "the broker is not in service after {START_LIMIT:?}\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    /// How often it has come into service: the controller has unfenced it.
    fn times_in_service(&self) -> usize {
        let log = std::fs::read(self.directory.join("broker.log")).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .matches("Transition from STARTING to STARTED")
            .count()
    }

    /// Freezes the process (SIGSTOP): connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        signal(self.pid().context("the broker is not running")?, "STOP")
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) -> Result<()> {
        signal(self.pid().context("the broker is not running")?, "CONT")
    }

    /// The last lines of the broker's output.
    pub fn log_tail(&self) -> String {
        let path = self.directory.join("broker.log");
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
        format!("the last lines of {}:\n{tail}", path.display())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes the cluster's metadata into the data directory.
    fn format(&self, users: &[(String, String)]) -> Result<()> {
        let mut java = java(&["-Xmx128m"], "kafka.tools.StorageTool")?;
        java.args(["format", "-t", CLUSTER_ID, "-c"])
            .arg(self.directory.join("server.properties"));
        for (name, password) in users {
            let user = format!("SCRAM-SHA-512=[name={name},password={password}]");
            java.args(["--add-scram", &user]);
        }
        let output = java
            .output()
            .context("run Kafka's storage tool (is Java 17 installed?)")?;
        if !output.status.success() {
            bail!(
                "could not format the broker's directory: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn spawn(&self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("broker.log"))
            .context("open the broker's log")?;
        let mut broker = java(&["-Xmx1g", "-Xms256m"], "kafka.Kafka")?
            .arg(self.directory.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the broker's log")?)
            .stderr(log)
            .spawn()
            .context("start the broker (is Java 17 installed?)")?;
        let watchdog = Command::new("bash")
            .args(["-c", WATCHDOG, "watchdog", &broker.id().to_string()])
            .arg(&self.directory)
            .stdin(Stdio::piped())
            .spawn();
        match watchdog {
            Ok(watchdog) => *self.lock() = Some(Process { broker, watchdog }),
            Err(error) => {
                broker
                    .kill()
                    .and_then(|()| broker.wait())
                    .context("end an unwatched broker")?;
                return Err(error).context("start the broker's watchdog");
            }
        }
        Ok(())
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while TcpStream::connect_timeout(&address, LOOK_PAUSE).is_err() {
            let ended = match &mut *self.lock() {
                Some(process) => process
                    .broker
                    .try_wait()
                    .context("look at the broker's process")?,
                None => bail!("the broker was ended while it was starting"),
            };
            if let Some(status) = ended {
                if let Some(mut process) = self.lock().take() {
                    process.unwatch()?;
                }
                bail!("the broker ended with {status}\n{}", self.log_tail());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the broker listens to nothing after {START_LIMIT:?}\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        let mut config = KafkaConfig::new(self.bootstrap(), Guarantee::AtLeastOnce);
        config.request_timeout = deadline.saturating_duration_since(Instant::now());
        let admin = KafkaCluster::new(config)?.admin()?;
        admin.list_topics().with_context(|| self.log_tail())?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A topic, group or id name that no other test uses.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{prefix}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// An empty directory for one broker.
fn unique_directory() -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(unique("millrace-broker"));
    // One that an earlier process of the same id has left behind.
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context("remove an old broker's directory");
        }
        _ => {}
    }
    std::fs::create_dir_all(&directory).context("make the broker's directory")?;
    Ok(directory)
}

/// A port that nobody listens to now.
pub fn free_port() -> Result<u16> {
    free_ports().map(|(port, _)| port)
}

/// Two ports that nobody listens to now.
fn free_ports() -> Result<(u16, u16)> {
    let bind = || TcpListener::bind(("127.0.0.1", 0)).context("look for a free port");
    let (one, two) = (bind()?, bind()?);
    Ok((one.local_addr()?.port(), two.local_addr()?.port()))
}

/// A Java command on Kafka's jars.
fn java(flags: &[&str], class: &str) -> Result<Command> {
    let mut java = Command::new("java");
    java.args(flags)
        .arg("-XX:+UseG1GC")
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        // The only trace of a transaction whose end the broker has dropped.
        .arg(concat!(
            "-Dorg.slf4j.simpleLogger.log.",
            "kafka.coordinator.transaction.TransactionMarkerChannelManager=info"
        ))
        // Says when the broker is in service.
        .arg("-Dorg.slf4j.simpleLogger.log.kafka.server.BrokerServer=info")
        .arg("-cp")
        .arg(format!("{}/*", jars()?.display()))
        .arg(class);
    Ok(java)
}

/// The folder with the jars of Kafka and Kafka Streams, fetched when it is not there.
pub fn jars() -> Result<PathBuf> {
    static JARS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    JARS.get_or_init(|| fetch_jars().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

fn fetch_jars() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("broker/fetch.sh");
    let output = Command::new("bash")
        .arg(&script)
        .output()
        .context("run broker/fetch.sh")?;
    if !output.status.success() {
        bail!(
            "could not fetch Kafka's jars: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// Sends a signal to a process of ours, by its id.
fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .context("run kill")?;
    if !status.success() {
        bail!("could not send SIG{name} to process {pid}: {status}");
    }
    Ok(())
}

/// Waits for a process to end, up to a limit.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().context("look at a process")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

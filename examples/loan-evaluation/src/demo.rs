//! The demonstration: the whole loan evaluation on this machine, without Kafka.
//!
//! Starts `millrace-worker dev`, the transaction producer and the loan request API, asks for three
//! loans, checks the verdicts, and then follows the results until it is stopped. Every wait ends when
//! what it waits for is there, at a deadline, when one of the programs ends, or on Ctrl-C.

mod child;
mod verdicts;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::account::Account;
use crate::amount::Amount;
use crate::loan::{LoanResult, LoanStatus, REQUESTS_TOPIC, RESULTS_TOPIC};
use crate::log::{DevClient, Tail};
use crate::stop::Stop;
use crate::terminal::{Paint, say};
use crate::transactions;
use child::Program;
use verdicts::{Verdict, table};

/// The engine's binary.
const WORKER: &str = "millrace-worker";

/// Topic the balances come out on.
const BALANCES_TOPIC: &str = "account-balances";

/// StreamApp that evaluates, and its table of balances.
const EVALUATION: (&str, &str) = ("loan-evaluation", "account-balances-table");

/// Longest wait for each step.
const STEP_WITHIN: Duration = Duration::from_secs(60);

/// Pause between two looks at something that cannot be waited for.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Longest wait of one look at a topic, so that a signal is noticed soon.
const TAIL_WAIT: Duration = Duration::from_millis(500);

/// Time between two progress lines at the end.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// What is asked for, and what must come of it.
const LOANS: [(&str, u32, LoanStatus); 3] = [
    ("001-00101", 100, LoanStatus::Approved),
    ("001-00101", 90_000, LoanStatus::Rejected),
    ("999-99999", 100, LoanStatus::Rejected),
];

/// Options of the demonstration.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Stop after the three verdicts; fail when one is missing or wrong
    #[arg(long)]
    pub once: bool,

    /// Address of the topics, stores and status of `millrace-worker dev`
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,

    /// Address of the loan request API
    #[arg(long, default_value = "127.0.0.1:8004")]
    pub api: SocketAddr,

    /// Folder with the StreamApps
    #[arg(long, default_value = "examples/loan-evaluation")]
    pub apps: PathBuf,

    /// Transactions per second
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
}

/// Runs it all.
///
/// # Errors
/// What went wrong, for people.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut demo = Demo::prepare(options)?;
    let result = demo.play();
    // Ended in this order, so that nobody writes to a log that is gone.
    demo.programs.drain(..).rev().for_each(drop);
    match result {
        Ok(End::Finished) => {}
        Ok(End::Stopped) => say("\nstopped"),
        Err(error) => bail!(
            "{error:#}\nthe programs' logs are in {}",
            demo.logs.display()
        ),
    }
    fs::remove_dir_all(&demo.logs).context("could not remove the demo's log files")
}

/// How a part of the play ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Stopped,
}

struct Demo<'a> {
    options: &'a Options,
    dev: DevClient,
    paint: Paint,
    stop: Stop,
    started: Instant,
    logs: PathBuf,
    programs: Vec<Program>,
}

impl<'a> Demo<'a> {
    fn prepare(options: &'a Options) -> anyhow::Result<Self> {
        for (address, option, make) in [
            (options.http, "--http", "HTTP"),
            (options.api, "--api", "API"),
        ] {
            TcpListener::bind(address).with_context(|| {
                format!(
                    "{address} cannot be used: another program has it, or it is no address of this \
                     machine. Choose another with {option} (make demo {make}=127.0.0.1:PORT)"
                )
            })?;
        }
        ensure!(
            options.apps.is_dir(),
            "there is no folder {} with the StreamApps: run this from the project's root, or name \
             it with --apps",
            options.apps.display()
        );
        let logs = env::temp_dir().join(format!("millrace-demo-{}", process::id()));
        fs::create_dir_all(&logs)
            .with_context(|| format!("could not create the folder {}", logs.display()))?;
        Ok(Self {
            options,
            dev: DevClient::new(&format!("http://{}", options.http)),
            paint: Paint::detect(),
            stop: Stop::on_signals().context("could not handle signals")?,
            started: Instant::now(),
            logs,
            programs: Vec::new(),
        })
    }

    fn play(&mut self) -> anyhow::Result<End> {
        if self.start()? == End::Stopped || self.await_balance()? == End::Stopped {
            return Ok(End::Stopped);
        }
        let mut results = self.dev.tail(RESULTS_TOPIC);
        let Some(verdicts) = self.ask_for_loans(&mut results)? else {
            return Ok(End::Stopped);
        };
        say(format_args!("\n{}\n", table(&verdicts, self.paint)));
        for (verdict, (account, amount, expected)) in verdicts.iter().zip(LOANS) {
            let found = verdict.result.status;
            ensure!(
                found == expected,
                "the loan of ${amount} for {account} should be {expected:?} and is {found:?}"
            );
        }
        self.say(&self.paint.green("the three verdicts are as they must be"));
        if self.options.once {
            return Ok(End::Finished);
        }
        self.print_hints();
        self.follow(&mut results)
    }

    /// Starts the three programs, each when the one before is ready.
    fn start(&mut self) -> anyhow::Result<End> {
        let (http, api) = (self.options.http.to_string(), self.options.api.to_string());
        let url = format!("http://{http}");
        let apps = self.options.apps.to_string_lossy().into_owned();
        self.say(&format!("starting the stream engine ({WORKER} dev {apps})"));
        self.launch(WORKER, &["dev", &apps, "--http", &http])?;
        let dev = self.dev.clone();
        let needed = [
            transactions::TOPIC,
            REQUESTS_TOPIC,
            BALANCES_TOPIC,
            RESULTS_TOPIC,
        ];
        let ready = self.until("the stream engine to serve its topics", LOOK_PAUSE, || {
            let topics = dev.topics().unwrap_or_default();
            Ok(needed
                .iter()
                .all(|name| topics.iter().any(|topic| topic == name))
                .then_some(()))
        })?;
        if ready.is_none() {
            return Ok(End::Stopped);
        }
        let rate = self.options.rate.to_string();
        self.say(&format!("feeding {rate} transactions a second"));
        self.launch(
            "transaction-producer",
            &["--dev-url", &url, "--rate", &rate],
        )?;
        self.say(&format!("serving POST http://{api}/loans"));
        self.launch("loan-request-api", &["--dev-url", &url, "--listen", &api])?;
        let ready = self.until("the loan request API to be ready", LOOK_PAUSE, || {
            let answer = ureq::get(format!("http://{api}/readyz")).call();
            Ok(answer.is_ok().then_some(()))
        })?;
        Ok(if ready.is_some() {
            End::Finished
        } else {
            End::Stopped
        })
    }

    fn launch(&mut self, name: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        self.programs
            .push(Program::start(name, arguments, &self.logs)?);
        Ok(())
    }

    /// Waits until the balance of the account that will ask is in the topic, and in the table that
    /// the evaluation joins with.
    fn await_balance(&mut self) -> anyhow::Result<End> {
        #[derive(Deserialize)]
        struct Balance {
            account: Account,
            balance: Amount,
        }
        let (account, amount, _) = LOANS[0];
        self.say(&format!(
            "waiting for the balance of {account} on topic {BALANCES_TOPIC}"
        ));
        let enough = Amount::from_cents(i64::from(amount) * 100);
        let mut tail = self.dev.tail(BALANCES_TOPIC);
        let found = self.until("a balance on the topic", Duration::ZERO, || {
            let balances = tail.poll(TAIL_WAIT)?;
            let mut balances = balances
                .iter()
                .filter_map(|record| record.value::<Balance>());
            Ok(balances
                .rfind(|found| found.account.as_str() == account && found.balance >= enough)
                .map(|found| found.balance))
        })?;
        let Some(balance) = found else {
            return Ok(End::Stopped);
        };
        self.say(&format!("{account} has ${balance}"));

        let dev = self.dev.clone();
        let (app, store) = EVALUATION;
        let stored = self.until("the balance in the evaluation's table", LOOK_PAUSE, || {
            // 503 while the store is not open yet: looked at again, like a missing key.
            Ok(dev
                .stored::<serde::de::IgnoredAny>(app, store, account)
                .ok()
                .flatten())
        })?;
        Ok(if stored.is_some() {
            End::Finished
        } else {
            End::Stopped
        })
    }

    /// Posts the loans and waits for their verdicts; `None` when stopped.
    fn ask_for_loans(&mut self, results: &mut Tail) -> anyhow::Result<Option<Vec<Verdict>>> {
        let mut asked = BTreeMap::new();
        for (index, (account, amount, _)) in LOANS.into_iter().enumerate() {
            self.say(&format!("asking for ${amount} for {account}"));
            asked.insert(self.post_loan(account, amount)?, (index, Instant::now()));
        }
        let mut verdicts = BTreeMap::new();
        let all = self.until("the verdicts on the topic", Duration::ZERO, || {
            for record in results.poll(TAIL_WAIT)? {
                let Some(result) = record.value::<LoanResult>() else {
                    continue;
                };
                if let Some((index, sent)) = asked.get(&result.id) {
                    let verdict = Verdict {
                        result,
                        took: Some(sent.elapsed()),
                    };
                    ensure!(
                        verdicts.insert(*index, verdict).is_none(),
                        "a loan has two verdicts on topic {RESULTS_TOPIC}"
                    );
                }
            }
            Ok((verdicts.len() == LOANS.len()).then_some(()))
        });
        if all.is_err() && !verdicts.is_empty() {
            let arrived: Vec<Verdict> = verdicts.values().cloned().collect();
            say(format_args!("\n{}\n", table(&arrived, self.paint)));
        }
        Ok(all?.map(|()| verdicts.into_values().collect()))
    }

    fn post_loan(&self, account: &str, amount: u32) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let body = format!(r#"{{"account":"{account}","amount":{amount}}}"#);
        let url = format!("http://{}/loans", self.options.api);
        let accepted: Accepted = ureq::post(&url)
            .content_type("application/json")
            .send(&body)
            .and_then(|mut answer| answer.body_mut().read_json())
            .with_context(|| format!("could not post {body} to {url}"))?;
        Ok(accepted.id)
    }

    /// Looks again and again, `pause` apart, until there is a value. `None` when stopped.
    fn until<T>(
        &mut self,
        what: &str,
        pause: Duration,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let deadline = Instant::now() + STEP_WITHIN;
        while !self.stop.wait(pause) {
            self.programs
                .iter_mut()
                .try_for_each(Program::expect_running)?;
            if let Some(value) = look()? {
                return Ok(Some(value));
            }
            if Instant::now() > deadline {
                let tail = self
                    .programs
                    .first()
                    .map(Program::log_tail)
                    .unwrap_or_default();
                bail!("waited {STEP_WITHIN:?} for {what}; the end of the engine's log:\n{tail}");
            }
        }
        Ok(None)
    }

    /// Shows further results as they come, until stopped.
    fn follow(&mut self, results: &mut Tail) -> anyhow::Result<End> {
        let mut balances = self.dev.tail(BALANCES_TOPIC);
        let (mut updates, mut evaluated) = (0, LOANS.len());
        let mut reported = Instant::now();
        while !self.stop.asked() {
            self.programs
                .iter_mut()
                .try_for_each(Program::expect_running)?;
            let verdicts: Vec<Verdict> = results
                .poll(TAIL_WAIT)?
                .iter()
                .filter_map(|record| record.value())
                .map(|result| Verdict { result, took: None })
                .collect();
            if !verdicts.is_empty() {
                evaluated += verdicts.len();
                say(format_args!("{}", table(&verdicts, self.paint)));
            }
            updates += balances.poll(Duration::ZERO)?.len();
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                self.say(&format!(
                    "{updates} balance updates, {evaluated} loans evaluated"
                ));
            }
        }
        Ok(End::Stopped)
    }

    fn print_hints(&self) {
        let (http, api) = (self.options.http, self.options.api);
        let (app, store) = EVALUATION;
        say(format_args!(
            "\n{}\n\
             \x20 curl -d '{{\"account\":\"001-00102\",\"amount\":250}}' http://{api}/loans\n\
             \x20 curl 'http://{http}/stores/{store}/001-00101?app={app}'\n\
             \x20 curl 'http://{http}/topics/{RESULTS_TOPIC}/records?from=earliest'\n\
             \x20 curl http://{http}/topics\n\
             \x20 curl http://{http}/status\n",
            self.paint.bold("Everything is up until Ctrl-C. Try:")
        ));
    }

    /// A progress line with the time since the start.
    fn say(&self, text: &str) {
        let seconds = format!("{:6.1} s", self.started.elapsed().as_secs_f64());
        say(format_args!("{}  {text}", self.paint.dim(&seconds)));
    }
}

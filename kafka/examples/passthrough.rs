//! The ceiling of the benchmark: records go from one topic to another, untouched, through the same
//! traits and with the same commits as the engine's. What it costs is what Kafka's client costs.
//!
//! ```text
//! passthrough --bootstrap HOST:PORT --input TOPIC --output TOPIC
//!             [--guarantee exactly_once|at_least_once] [--warm-up SECONDS] [--measured SECONDS]
//! ```
//!
//! The output topic must exist, with as many partitions as the input; the input is read round and
//! round. Prints one line of JSON: records per second and CPU microseconds per record in the measured
//! window, peak memory, and milliseconds from the start to the first committed result.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use millrace_kafka::{
    Cluster, CommittedOffset, ConsumerOptions, GroupConsumer, Guarantee, KafkaCluster, KafkaConfig,
    OutRecord, PartitionAssignment, ProducerOptions, Rebalance, RecordSink, SourceEvent,
    StartOffset, TopicHandle, TopicPartition, TopicSpec,
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
const POLL_MAX: usize = 1000;
/// Clock ticks per second in /proc; the same on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> ExitCode {
    let started = Instant::now();
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(started, &options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("passthrough: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    bootstrap: String,
    input: String,
    output: String,
    guarantee: Guarantee,
    warm_up: Duration,
    measured: Duration,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut given = HashMap::new();
        while let Some(name) = arguments.next() {
            let key = name
                .strip_prefix("--")
                .ok_or_else(|| format!("what is `{name}`?"))?;
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} wants a value"))?;
            given.insert(key.to_owned(), value);
        }
        let mut take = |name: &str| given.remove(name);
        let missing = |name: &str| format!("--{name} is missing");
        let options = Self {
            bootstrap: take("bootstrap").ok_or_else(|| missing("bootstrap"))?,
            input: take("input").ok_or_else(|| missing("input"))?,
            output: take("output").ok_or_else(|| missing("output"))?,
            guarantee: match take("guarantee").as_deref() {
                None | Some("exactly_once") => Guarantee::ExactlyOnce,
                Some("at_least_once") => Guarantee::AtLeastOnce,
                Some(other) => return Err(format!("there is no guarantee `{other}`").into()),
            },
            warm_up: seconds(take("warm-up"))?,
            measured: seconds(take("measured"))?,
        };
        match given.keys().next() {
            Some(unknown) => Err(format!("there is no option --{unknown}").into()),
            None => Ok(options),
        }
    }
}

fn seconds(text: Option<String>) -> Result<Duration> {
    let text = text.unwrap_or_else(|| "10".to_owned());
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| format!("`{text}` is no count of seconds").into())
}

/// What the process has done and used until a moment.
struct Sample {
    at: Instant,
    records: u64,
    cpu_seconds: f64,
}

impl Sample {
    fn take(records: u64) -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The process name, in parentheses, may hold anything; the fields come after it.
        let fields = stat
            .rsplit_once(')')
            .ok_or("/proc/self/stat has no name")?
            .1;
        let ticks = |at: usize| -> Result<f64> {
            Ok(fields
                .split_whitespace()
                .nth(at)
                .ok_or("/proc/self/stat is short")?
                .parse()?)
        };
        // Fields 14 and 15 of proc(5): user and system time; the name was the second.
        let cpu_seconds = (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND;
        Ok(Self {
            at: Instant::now(),
            records,
            cpu_seconds,
        })
    }
}

fn peak_rss_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes
        .ok_or("/proc/self/status has no VmHWM")?
        .trim()
        .parse::<u64>()?
        * 1024)
}

fn run(started: Instant, options: &Options) -> Result<String> {
    let mut pass = PassThrough::open(options)?;
    let mut first_result = None;
    let mut warm = None;
    loop {
        let turn = Instant::now();
        while turn.elapsed() < COMMIT_INTERVAL {
            pass.forward()?;
        }
        pass.commit()?;
        if pass.committed == 0 {
            continue;
        }
        let first = *first_result.get_or_insert_with(|| started.elapsed());
        match &warm {
            None if started.elapsed() >= first + options.warm_up => {
                warm = Some(Sample::take(pass.committed)?);
            }
            Some(from) if from.at.elapsed() >= options.measured => {
                let to = Sample::take(pass.committed)?;
                pass.consumer.close(true)?;
                return report(from, &to, first);
            }
            _ => {}
        }
    }
}

fn report(from: &Sample, to: &Sample, first_result: Duration) -> Result<String> {
    let records = (to.records - from.records) as f64;
    Ok(format!(
        "{{\"records_per_s\": {:.0}, \"cpu_us_per_record\": {:.3}, \"peak_rss_bytes\": {}, \
         \"first_result_ms\": {:.1}}}",
        records / (to.at - from.at).as_secs_f64(),
        (to.cpu_seconds - from.cpu_seconds) * 1e6 / records,
        peak_rss_bytes()?,
        first_result.as_secs_f64() * 1e3,
    ))
}

/// A stream thread with nothing between its consumer and its producer.
struct PassThrough {
    consumer: Box<dyn GroupConsumer>,
    sink: Box<dyn RecordSink>,
    guarantee: Guarantee,
    output: TopicHandle,
    /// By slot.
    partitions: Vec<TopicPartition>,
    /// Next offset to read, by slot; −1 where nothing was read since the last commit.
    positions: Vec<i64>,
    in_transaction: bool,
    forwarded: u64,
    /// Records whose outputs and offsets are committed.
    committed: u64,
}

impl PassThrough {
    fn open(options: &Options) -> Result<Self> {
        let cluster = KafkaCluster::new(KafkaConfig::new(&options.bootstrap, options.guarantee))?;
        let admin = cluster.admin()?;
        let [Some(input), Some(output)] = &admin.topics(&[&options.input, &options.output])?[..]
        else {
            return Err(format!("{} or {} does not exist", options.input, options.output).into());
        };
        if input.partitions != output.partitions {
            return Err("input and output differ in their partition counts".into());
        }
        let group = format!("{}-passthrough", options.output);
        let tasks = TopicSpec {
            name: format!("{group}-tasks"),
            partitions: 1,
            replication_factor: -1,
            configs: Default::default(),
        };
        admin.create_topics(std::slice::from_ref(&tasks))?;

        let exactly_once = options.guarantee == Guarantee::ExactlyOnce;
        let mut sink = cluster.producer(&ProducerOptions {
            transactional_id: exactly_once.then(|| format!("{group}-0-0")),
            client_id: format!("{group}-producer"),
        })?;
        if exactly_once {
            sink.init_transactions()?;
        }
        let mut consumer = cluster.consumer(&ConsumerOptions {
            group_id: group.clone(),
            instance_id: "00000-000".to_owned(),
            tasks_topic: tasks.name,
            client_id: format!("{group}-consumer"),
            inputs: input.partitions.try_into()?,
        })?;
        while consumer.rebalance().is_none() {
            consumer.poll(COMMIT_INTERVAL, POLL_MAX, &mut |_| {})?;
        }
        consumer.acknowledge()?;
        let partitions: Vec<TopicPartition> = (0..input.partitions)
            .map(|p| TopicPartition::new(&*options.input, p))
            .collect();
        let all: Vec<usize> = (0..partitions.len()).collect();
        consumer.assign(&from_the_start(&partitions, &all)?)?;
        Ok(Self {
            consumer,
            guarantee: options.guarantee,
            output: sink.topic(&options.output)?,
            sink,
            positions: vec![-1; partitions.len()],
            partitions,
            in_transaction: false,
            forwarded: 0,
            committed: 0,
        })
    }

    /// One poll's records, handed to the producer.
    fn forward(&mut self) -> Result<()> {
        let Self {
            consumer,
            sink,
            positions,
            in_transaction,
            forwarded,
            output,
            ..
        } = self;
        let exactly_once = self.guarantee == Guarantee::ExactlyOnce;
        let mut failure = None;
        let mut ended = Vec::new();
        consumer.poll(
            Duration::from_millis(10),
            POLL_MAX,
            &mut |event| match event {
                SourceEvent::Record { slot, record } => {
                    if failure.is_some() {
                        return;
                    }
                    if exactly_once && !*in_transaction {
                        failure = sink.begin().err();
                        *in_transaction = true;
                    }
                    let sent = sink.send(&OutRecord {
                        topic: *output,
                        partition: slot as i32,
                        timestamp: record.timestamp,
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    });
                    failure = failure.take().or(sent.err());
                    positions[slot as usize] = record.offset + 1;
                    *forwarded += 1;
                }
                SourceEvent::End { slot, .. } => ended.push(slot as usize),
            },
        )?;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some(change) = self.consumer.rebalance()
            && !matches!(change, Rebalance::Assigned(_))
        {
            return Err(format!("the group has moved its only task: {change:?}").into());
        }
        self.rewind(&ended)
    }

    /// Reads partitions that have ended from their start again.
    fn rewind(&mut self, ended: &[usize]) -> Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        let again = from_the_start(&self.partitions, ended)?;
        let names: Vec<TopicPartition> = again.iter().map(|a| a.partition.clone()).collect();
        self.consumer.unassign(&names)?;
        Ok(self.consumer.assign(&again)?)
    }

    fn commit(&mut self) -> Result<()> {
        let offsets: Vec<_> = self
            .partitions
            .iter()
            .zip(&mut self.positions)
            .map(|(partition, position)| (partition, std::mem::replace(position, -1)))
            .filter(|(_, offset)| *offset >= 0)
            .map(|(partition, offset)| {
                (
                    partition.clone(),
                    CommittedOffset {
                        offset,
                        metadata: String::new(),
                    },
                )
            })
            .collect();
        if offsets.is_empty() {
            return Ok(());
        }
        self.sink.flush()?;
        match self.guarantee {
            Guarantee::ExactlyOnce => {
                self.sink
                    .send_offsets(&offsets, &self.consumer.group_metadata()?)?;
                self.sink.commit()?;
                self.in_transaction = false;
            }
            Guarantee::AtLeastOnce => self.consumer.commit(&offsets)?,
        }
        self.committed = self.forwarded;
        Ok(())
    }
}

fn from_the_start(
    partitions: &[TopicPartition],
    slots: &[usize],
) -> Result<Vec<PartitionAssignment>> {
    slots
        .iter()
        .map(|&slot| {
            Ok(PartitionAssignment {
                partition: partitions[slot].clone(),
                start: StartOffset::Earliest,
                slot: u32::try_from(slot)?,
            })
        })
        .collect()
}

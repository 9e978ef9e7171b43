//! Watches a side from outside: what its group has committed, and what is in its output.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_kafka::{Cluster, PartitionAssignment, SourceEvent, StartOffset, TopicPartition};

use super::child::Program;
use super::input::PARTITIONS;
use super::runner::{Names, Runner};
use super::{Measurement, interrupt};

/// Longest wait for a first result.
const FIRST_RESULT_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a commit.
const COMMIT_WITHIN: Duration = Duration::from_secs(20);

/// Longest wait for the end of an input that is read whole.
const THROUGH_WITHIN: Duration = Duration::from_secs(120);

/// Pause between two looks at the committed offsets. A commit comes each 100 ms.
const LOOK_PAUSE: Duration = Duration::from_millis(3);

/// Input records that the group has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    balances: u64,
    requests: u64,
}

impl Committed {
    fn all(self) -> u64 {
        self.balances + self.requests
    }
}

/// What is known at one commit.
struct Sample {
    at: Instant,
    cpu: Duration,
    committed: Committed,
}

/// Measures a running program, and ends it.
pub(super) fn measure(
    runner: &Runner<'_>,
    mut program: Program,
    [warm_up, measured]: [Duration; 2],
    names: &Names,
) -> anyhow::Result<Measurement> {
    let first_result = first_result(runner, &mut program, &names.output)?;
    interrupt::pause(warm_up)?;
    let from = sample(runner, &mut program, names)?;
    interrupt::pause(measured)?;
    let to = sample(runner, &mut program, names)?;
    let peak_rss_bytes = program.peak_rss_bytes()? as f64;
    end(program)?;
    check_results(runner, to.committed, names)?;

    let records = (to.committed.all() - from.committed.all()) as f64;
    Ok(Measurement {
        records_per_s: records / (to.at - from.at).as_secs_f64(),
        cpu_us_per_record: (to.cpu - from.cpu).as_secs_f64() * 1e6 / records,
        peak_rss_bytes,
        first_result_ms: first_result.as_secs_f64() * 1e3,
    })
}

/// Waits until a running program has committed its whole input, and ends it.
pub(super) fn run_through(
    runner: &Runner<'_>,
    mut program: Program,
    names: &Names,
) -> anyhow::Result<()> {
    let all = 2 * names.input.records;
    loop {
        let done = committed(runner, names)?.all();
        if done == all {
            return end(program);
        }
        ensure!(
            program.started.elapsed() < THROUGH_WITHIN,
            "{done} of {all} records committed within {THROUGH_WITHIN:?}"
        );
        program.expect_running()?;
        interrupt::pause(LOOK_PAUSE)?;
    }
}

fn end(program: Program) -> anyhow::Result<()> {
    let status = program.end()?;
    // A JVM that SIGTERM ended in order says 128 + 15.
    ensure!(
        matches!(status.code(), Some(0 | 143)),
        "it ended with {status} after SIGTERM"
    );
    Ok(())
}

/// Time from the program's start to the first record in its output.
fn first_result(
    runner: &Runner<'_>,
    program: &mut Program,
    output: &str,
) -> anyhow::Result<Duration> {
    let assignment: Vec<_> = partitions(output)
        .into_iter()
        .map(|partition| PartitionAssignment {
            partition,
            start: StartOffset::Earliest,
            slot: 0,
        })
        .collect();
    let mut reader = runner.cluster.reader("bench-first-result")?;
    reader.assign(&assignment)?;
    let mut first = None;
    while first.is_none() {
        reader.poll(Duration::from_millis(50), 1, &mut |event| {
            if matches!(event, SourceEvent::Record { .. }) {
                first = Some(program.started.elapsed());
            }
        })?;
        interrupt::check()?;
        program.expect_running()?;
        ensure!(
            program.started.elapsed() < FIRST_RESULT_WITHIN,
            "no result on {output} within {FIRST_RESULT_WITHIN:?}"
        );
    }
    first.context("no result")
}

/// Waits for the next commit and notes what is then known: so that the window's ends do not fall
/// somewhere between two commits.
fn sample(runner: &Runner<'_>, program: &mut Program, names: &Names) -> anyhow::Result<Sample> {
    let asked = Instant::now();
    let before = committed(runner, names)?;
    loop {
        interrupt::pause(LOOK_PAUSE)?;
        program.expect_running()?;
        let committed = committed(runner, names)?;
        let all = names.input.records;
        ensure!(
            committed.balances < all && committed.requests < all,
            "it is through with the input before the window ended: raise --records"
        );
        if committed != before {
            return Ok(Sample {
                at: Instant::now(),
                cpu: program.cpu()?,
                committed,
            });
        }
        ensure!(
            asked.elapsed() < COMMIT_WITHIN,
            "no commit within {COMMIT_WITHIN:?}"
        );
    }
}

fn committed(runner: &Runner<'_>, names: &Names) -> anyhow::Result<Committed> {
    let of = |topic: &str| {
        let group = &names.application_id;
        let offsets = runner.admin.group_offsets(group, &partitions(topic))?;
        let offsets = offsets.iter().flatten().map(|committed| committed.offset);
        anyhow::Ok(u64::try_from(offsets.sum::<i64>())?)
    };
    Ok(Committed {
        balances: of(&names.input.balances)?,
        requests: of(&names.input.requests)?,
    })
}

/// What is committed has its results: at least as many offsets are taken in the output.
fn check_results(runner: &Runner<'_>, committed: Committed, names: &Names) -> anyhow::Result<()> {
    let ends = runner.admin.watermarks(&partitions(&names.output))?;
    let written: i64 = ends.iter().map(|(start, end)| end - start).sum();
    let expected = (runner.workload.results)(committed.balances, committed.requests);
    ensure!(
        u64::try_from(written)? >= expected,
        "{committed:?}, with {written} results where {expected} are due"
    );
    Ok(())
}

fn partitions(topic: &str) -> Vec<TopicPartition> {
    (0..PARTITIONS)
        .map(|partition| TopicPartition::new(topic, partition))
        .collect()
}

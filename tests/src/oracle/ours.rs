//! A case through our engine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use millrace_crds::Problem;
use millrace_crds::plan::Plan;
use millrace_crds::read::read_documents;
use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{CapturedRecord, StepDriver, StepOptions};

use super::app::stream_app;
use super::case::{Answer, Case, Input, Logged, Op, Output, Row, Step, StoreKind, StoreRows};
use super::mistakes::Plant;
use super::processor::processors;

/// Runs a case. What the engine makes of it is in the answer, errors of single steps included.
///
/// # Errors
/// The case is no StreamApp, or is refused as one.
pub fn run(case: &Case) -> anyhow::Result<Answer> {
    Ok(driven(case, |_| {})?.0)
}

/// As [`run`], with a mistake planted to see whether the comparison finds it.
///
/// # Errors
/// As [`run`].
pub fn run_with(case: &Case, mistake: Plant) -> anyhow::Result<Answer> {
    match mistake {
        Plant::InPlan(change) => Ok(driven(case, change)?.0),
        Plant::InResults(change) => {
            let mut answer = run(case)?;
            change(case, &mut answer);
            Ok(answer)
        }
    }
}

/// As [`run`], with what was logged of the stores whose rows are compared.
///
/// # Errors
/// As [`run`].
pub fn run_logged(case: &Case) -> anyhow::Result<(Answer, Vec<Logged>)> {
    let (answer, mut driver) = driven(case, |_| {})?;
    let mut logged = Vec::new();
    for record in driver.take_changelog() {
        let store = record.topic.strip_prefix("case-");
        let store = store.and_then(|name| name.strip_suffix("-changelog"));
        let compared = |name: &&str| case.stores.iter().any(|store| store.name == *name);
        if let (Some(store), Some(key)) = (store.filter(compared), &record.key) {
            let value = record.value.as_deref().map(hexadecimal);
            logged.push(Logged(
                store.to_owned(),
                hexadecimal(key),
                value,
                record.timestamp,
            ));
        }
    }
    Ok((answer, logged))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer to a case, and the driver as it is then.
fn driven(case: &Case, change: impl FnOnce(&mut Plan)) -> anyhow::Result<(Answer, StepDriver)> {
    let app = stream_app(case)?;
    let options = StepOptions {
        on_disk: case.on_disk,
        commit_every: case.commit_every,
        rows_wait: case.id.is_multiple_of(2),
        now_ms: case.now,
        keep_changelog: true,
    };
    let mut driver =
        driver(case, &app, options, change).with_context(|| format!("the StreamApp is {app}"))?;
    let mut answer = Answer {
        id: case.id,
        ..Answer::default()
    };
    for step in &case.steps {
        let written = match step {
            Step::Record(input) => pipe(&mut driver, input),
            Step::Advance { advance } => {
                let ms = u64::try_from(*advance).unwrap_or(0);
                Ok(driver.advance(Duration::from_millis(ms))?)
            }
        };
        match written {
            Ok(written) => answer.steps.push(outputs(case, &written)),
            Err(error) => {
                answer.error = Some(format!("{error:#}"));
                return Ok((answer, driver));
            }
        }
    }
    answer.stores = stores(case, &mut driver)?;
    Ok((answer, driver))
}

fn driver(
    case: &Case,
    app: &str,
    options: StepOptions,
    change: impl FnOnce(&mut Plan),
) -> anyhow::Result<StepDriver> {
    let documents = read_documents(app, "case").map_err(|problems| refused(&problems))?;
    let document = documents.first().context("there is no StreamApp")?;
    let mut plan = document.plan().map_err(|problems| refused(&problems))?;
    change(&mut plan);
    let processors = processors(case);
    Ok(StepDriver::of_plan_with(
        &document.app,
        &plan,
        &processors,
        options,
    )?)
}

fn refused(problems: &[Problem]) -> anyhow::Error {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", texts.join("\n"))
}

fn pipe(driver: &mut StepDriver, input: &Input) -> anyhow::Result<Vec<CapturedRecord>> {
    let mut headers = HeadersBuf::new();
    for (name, value) in &input.headers {
        headers.push(name, Some(value.as_bytes()));
    }
    let (key, value) = (input.key.as_deref(), input.value.as_deref());
    Ok(driver.pipe(
        &input.topic,
        key.map(str::as_bytes),
        value.map(str::as_bytes),
        input.ts,
        &headers,
    )?)
}

/// What was written to the case's output topics and to repartition topics (and to the dead-letter topic,
/// which the judge does not have: such a record is a difference), by topic.
fn outputs(case: &Case, written: &[CapturedRecord]) -> Vec<Output> {
    let looked_at = |topic: &str| {
        topic.ends_with("-dead-letter")
            || is_repartition(topic)
            || case
                .nodes
                .iter()
                .any(|node| matches!(&node.op, Op::To { topic: to, routes, .. } if goes(topic, to, *routes)))
    };
    let mut outputs: Vec<Output> = written
        .iter()
        .filter(|record| looked_at(&record.topic))
        .map(|record| {
            let headers: Vec<String> = record
                .headers
                .as_headers()
                .iter()
                .map(|(name, value)| format!("{name}={};", text(value.unwrap_or_default())))
                .collect();
            Output(
                record.topic.to_string(),
                record.key.as_deref().map(text),
                record.value.as_deref().map(text),
                record.timestamp,
                headers.concat(),
            )
        })
        .collect();
    outputs.sort_by(|one, two| one.0.cmp(&two.0));
    outputs
}

/// Whether Kafka Streams writes the same bytes to it: a join by foreign key has topics with bytes of our own.
fn is_repartition(topic: &str) -> bool {
    let own = ["-subscription-repartition", "-response-repartition"];
    topic.ends_with("-repartition") && !own.iter().any(|own| topic.ends_with(own))
}

/// Whether a topic is the one of a sink, or one of those that its records name.
fn goes(topic: &str, to: &str, routes: Option<i64>) -> bool {
    match routes {
        None => topic == to,
        Some(_) => topic.starts_with(&format!("{to}-")),
    }
}

fn stores(case: &Case, driver: &mut StepDriver) -> anyhow::Result<BTreeMap<String, Vec<Row>>> {
    let mut stores = BTreeMap::new();
    for store in &case.stores {
        let rows = driver.rows(&store.name)?;
        let rows = rows
            .iter()
            .map(|(key, (timestamp, value))| row(store, key, value, *timestamp))
            // The judge's store of versions lists no keys: it is asked for some.
            .filter(|Row(key, ..)| store.kind != StoreKind::Versioned || case.keys.contains(key))
            .collect();
        stores.insert(store.name.clone(), rows);
    }
    Ok(stores)
}

fn row(store: &StoreRows, key: &[u8], value: &[u8], timestamp: i64) -> Row {
    let value = match <[u8; 8]>::try_from(value) {
        // A table computed from counts keeps their format.
        Ok(bytes) if store.long || matches!(bytes[0], 0 | 0xff) => {
            i64::from_be_bytes(bytes).to_string()
        }
        _ => text(value),
    };
    match store.kind {
        StoreKind::KeyValue | StoreKind::Versioned => Row(text(key), value, timestamp),
        StoreKind::Window => Row(window_key(key, store.size.unwrap_or(0)), value, timestamp),
        StoreKind::Session => Row(session_key(key), value, -1),
    }
}

/// `key@start/end` of `key ‖ start, 8 bytes ‖ number, 4 bytes`.
fn window_key(bytes: &[u8], size: i64) -> String {
    let parts = bytes
        .split_last_chunk::<4>()
        .and_then(|(rest, _)| rest.split_last_chunk::<8>());
    parts.map_or_else(
        || text(bytes),
        |(key, start)| {
            let start = i64::from_be_bytes(*start);
            format!("{}@{start}/{}", text(key), start + size)
        },
    )
}

/// `key@start/end` of `key ‖ end, 8 bytes ‖ start, 8 bytes`.
fn session_key(bytes: &[u8]) -> String {
    let parts = bytes.split_last_chunk::<8>().and_then(|(rest, start)| {
        let (key, end) = rest.split_last_chunk::<8>()?;
        Some((key, i64::from_be_bytes(*end), i64::from_be_bytes(*start)))
    });
    parts.map_or_else(
        || text(bytes),
        |(key, end, start)| format!("{}@{start}/{end}", text(key)),
    )
}

/// Bytes as text: ASCII as it is, everything else as backslash, x, two digits.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

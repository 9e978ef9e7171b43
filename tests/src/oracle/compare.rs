//! Two answers side by side.

use std::fmt::Write;

use super::case::{Answer, Case, Output, Row, Step};

/// Errors that Kafka Streams 4.3 has of its own, and ours has not: a left join with a grace period
/// fails at a record without a key (its buffer takes none).
const JUDGE_FAILS: [&str; 1] = ["java.lang.NullPointerException: key cannot be null"];

/// What differs, for people; `None` where nothing does. Answers that both ended early are equal if
/// they ended at the same step; after an error of its own the judge's answer counts up to there.
pub fn difference(case: &Case, judge: &Answer, ours: &Answer) -> Option<String> {
    for (number, (wanted, got)) in judge.steps.iter().zip(&ours.steps).enumerate() {
        if wanted != got {
            return Some(step_difference(case, number, wanted, got));
        }
    }
    let error = judge.error.as_deref().unwrap_or_default();
    if JUDGE_FAILS.iter().any(|own| error.contains(own)) {
        return None;
    }
    let failed = judge.error.is_some() && ours.error.is_some();
    if judge.steps.len() != ours.steps.len() || judge.error.is_some() != ours.error.is_some() {
        let end = |answer: &Answer| match &answer.error {
            Some(error) => format!("fails after {} steps: {error}", answer.steps.len()),
            None => "goes through".to_owned(),
        };
        return Some(format!("Kafka Streams {}\nours {}", end(judge), end(ours)));
    }
    if failed {
        return None;
    }
    case.stores.iter().find_map(|store| {
        let rows = |answer: &Answer| {
            let mut rows = answer.stores.get(&store.name).cloned().unwrap_or_default();
            rows.sort();
            rows
        };
        let (wanted, got) = (rows(judge), rows(ours));
        (wanted != got).then(|| store_difference(&store.name, &wanted, &got))
    })
}

fn step_difference(case: &Case, number: usize, wanted: &[Output], got: &[Output]) -> String {
    let mut text = format!("after step {} ", number + 1);
    match case.steps.get(number) {
        Some(Step::Record(input)) => {
            let (key, value) = (shown(&input.key), shown(&input.value));
            let _infallible = write!(text, "({} {key}:{value}@{}):", input.topic, input.ts);
        }
        Some(Step::Advance { advance }) => {
            let _infallible = write!(text, "(wall clock + {advance}):");
        }
        None => {}
    }
    let line = |output: &Output| {
        let Output(topic, key, value, timestamp, headers) = output;
        let (key, value) = (shown(key), shown(value));
        format!("{topic} {key}:{value}@{timestamp} {headers}")
    };
    side_by_side(&mut text, wanted.iter().map(line), got.iter().map(line));
    text
}

fn store_difference(name: &str, wanted: &[Row], got: &[Row]) -> String {
    let mut text = format!("rows of store {name} in the end:");
    let line = |Row(key, value, timestamp): &Row| format!("{key}:{value}@{timestamp}");
    side_by_side(&mut text, wanted.iter().map(line), got.iter().map(line));
    text
}

/// Common lines once, the others under the name of their side.
fn side_by_side(
    text: &mut String,
    wanted: impl Iterator<Item = String>,
    got: impl Iterator<Item = String>,
) {
    let (wanted, got): (Vec<_>, Vec<_>) = (wanted.collect(), got.collect());
    let same = wanted.iter().zip(&got).take_while(|(w, g)| w == g).count();
    let mut add = |side: &str, lines: &[String]| {
        for line in lines {
            let _infallible = write!(text, "\n  {side:>13}  {}", line.trim_end());
        }
    };
    add("both", &wanted[..same]);
    add("Kafka Streams", &wanted[same..]);
    add("ours", &got[same..]);
}

fn shown(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("null")
}

//! Expected and got, side by side.

use std::cmp::Ordering;

use millrace_crds::duration;
use millrace_crds::test_file::{ExpectedWindow, Moment};
use millrace_expr::Value;

use super::seen::Seen;

/// Stands where there is nothing to show.
const NOTHING: &str = "—";

/// What is expected of a record or a row; what is `None` is not looked at.
pub(super) struct Wanted<'r> {
    pub(super) key: Option<Value<'r>>,
    pub(super) window: Option<ExpectedWindow>,
    pub(super) value: Option<Value<'r>>,
    pub(super) at: Option<Moment>,
    pub(super) headers: &'r [(String, String)],
}

/// How times are shown and counted.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When the case began, ms since the epoch.
    pub(super) start: i64,
}

/// Expected and got, side by side.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Index of the first expected record that is not as expected; `None` where all of them are, and
    /// there are more.
    pub first: Option<usize>,
    /// All records: one line for what is as expected, a line per field for what is not.
    pub lines: Vec<Line>,
}

/// A line of a [`Difference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the record, from 1, in the order expected.
    pub record: usize,
    /// Field, such as `value.status`; empty for the whole record.
    pub field: String,
    /// What is expected; a dash where nothing is.
    pub expected: String,
    /// What came; a dash where nothing did.
    pub got: String,
    /// Whether they differ.
    pub differs: bool,
}

/// Compares records by their order; `None` where all is as expected.
pub(super) fn records(
    wanted: &[Wanted<'_>],
    got: &[Seen<'_>],
    times: Times,
) -> Option<(String, Difference)> {
    let pairs = (0..wanted.len().max(got.len()))
        .map(|index| (wanted.get(index), got.get(index)))
        .collect::<Vec<_>>();
    compared(&pairs, (wanted.len(), got.len(), "record"), times)
}

/// Compares rows by key and window; `None` where all is as expected.
pub(super) fn rows(
    wanted: &[Wanted<'_>],
    got: &[Seen<'_>],
    times: Times,
) -> Option<(String, Difference)> {
    let mut left: Vec<Option<&Seen<'_>>> = got.iter().map(Some).collect();
    let mut pairs = Vec::new();
    for row in wanted {
        let same = left
            .iter_mut()
            .find(|seen| seen.is_some_and(|seen| is_row(row, seen, times)));
        pairs.push((Some(row), same.and_then(Option::take)));
    }
    pairs.extend(left.into_iter().flatten().map(|seen| (None, Some(seen))));
    compared(&pairs, (wanted.len(), got.len(), "row"), times)
}

/// Whether a row is the one that is meant.
fn is_row(wanted: &Wanted<'_>, seen: &Seen<'_>, times: Times) -> bool {
    let key = wanted.key.is_none_or(|key| key == seen.key);
    let window = wanted.window.is_none_or(|window| {
        seen.window.is_some_and(|seen| {
            seen.start == window.start.ms(times.start)
                && window.end.is_none_or(|end| seen.end == end.ms(times.start))
        })
    });
    key && window
}

type Pair<'a, 'r> = (Option<&'a Wanted<'r>>, Option<&'a Seen<'r>>);

fn compared(
    pairs: &[Pair<'_, '_>],
    (wanted, got, what): (usize, usize, &str),
    times: Times,
) -> Option<(String, Difference)> {
    let mut difference = Difference::default();
    let mut first_field: Option<(usize, String)> = None;
    for (index, (expected, seen)) in pairs.iter().enumerate() {
        let mut lines = Lines {
            record: index + 1,
            times,
            lines: Vec::new(),
        };
        lines.pair(*expected, *seen);
        let differing = lines.lines.iter().find(|line| line.differs);
        if let (None, Some(line)) = (&first_field, differing) {
            first_field = Some((index, line.field.clone()));
            difference.first = expected.is_some().then_some(index);
        }
        difference.lines.append(&mut lines.lines);
    }
    let (index, field) = first_field?;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let message = match wanted.cmp(&got) {
        Ordering::Equal => String::new(),
        Ordering::Less | Ordering::Greater => {
            let (s, were) = (plural(got), if wanted == 1 { "was" } else { "were" });
            format!("{got} {what}{s} where {wanted} {were} expected; ")
        }
    };
    let message = match pairs.get(index) {
        Some((Some(_), Some(_))) => format!("{message}{what} {} differs in {field}", index + 1),
        Some((Some(_), None)) => format!("{message}{what} {} is missing", index + 1),
        _ => format!("{message}{what} {} is not expected", index + 1),
    };
    Some((message, difference))
}

/// The lines of one record.
struct Lines {
    record: usize,
    times: Times,
    lines: Vec<Line>,
}

impl Lines {
    fn pair(&mut self, expected: Option<&Wanted<'_>>, got: Option<&Seen<'_>>) {
        match (expected, got) {
            (Some(expected), Some(got)) => {
                self.both(expected, got);
                if !self.lines.iter().any(|line| line.differs) {
                    let whole = self.seen(got);
                    self.lines.clear();
                    self.add("", whole.clone(), whole, false);
                }
            }
            (Some(expected), None) => {
                let text = self.wanted(expected);
                self.add("", text, NOTHING.to_owned(), true);
            }
            (None, Some(got)) => {
                let text = self.seen(got);
                self.add("", NOTHING.to_owned(), text, true);
            }
            (None, None) => {}
        }
    }

    fn add(&mut self, field: &str, expected: String, got: String, differs: bool) {
        self.lines.push(Line {
            record: self.record,
            field: field.to_owned(),
            expected,
            got,
            differs,
        });
    }

    fn both(&mut self, expected: &Wanted<'_>, got: &Seen<'_>) {
        if let Some(key) = &expected.key {
            self.values("key", Some(key), Some(&got.key));
        }
        if let Some(window) = &expected.window {
            let times = [
                (
                    "window.start",
                    Some(window.start),
                    got.window.map(|seen| seen.start),
                ),
                ("window.end", window.end, got.window.map(|seen| seen.end)),
            ];
            for (field, wanted, seen) in times {
                if let Some(wanted) = wanted {
                    self.time(field, wanted, seen);
                }
            }
        }
        if let Some(value) = &expected.value {
            self.values("value", Some(value), Some(&got.value));
        }
        if let Some(at) = expected.at {
            self.time("at", at, Some(got.at));
        }
        for (name, wanted) in expected.headers {
            let found: Vec<String> = got
                .headers
                .iter()
                .filter(|(seen, _)| seen == name)
                .map(|(_, value)| text(value))
                .collect();
            let differs = !found.contains(wanted);
            let got = if found.is_empty() {
                NOTHING.to_owned()
            } else {
                found.join(", ")
            };
            self.add(&format!("headers.{name}"), wanted.clone(), got, differs);
        }
    }

    /// Two values; where both are maps or lists that differ, part by part.
    fn values(&mut self, field: &str, expected: Option<&Value<'_>>, got: Option<&Value<'_>>) {
        let same = match (expected, got) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        };
        match (expected, got) {
            (Some(Value::Map(wanted)), Some(Value::Map(seen))) if !same => {
                for (name, value) in *wanted {
                    let other = seen.iter().find(|(other, _)| other == name);
                    let other = other.map(|(_, value)| value);
                    self.values(&format!("{field}.{name}"), Some(value), other);
                }
                for (name, value) in *seen {
                    if wanted.iter().all(|(other, _)| other != name) {
                        self.values(&format!("{field}.{name}"), None, Some(value));
                    }
                }
            }
            (Some(Value::List(wanted)), Some(Value::List(seen))) if !same => {
                for index in 0..wanted.len().max(seen.len()) {
                    let field = format!("{field}[{index}]");
                    self.values(&field, wanted.get(index), seen.get(index));
                }
            }
            _ => {
                let show = |value: Option<&Value<'_>>| {
                    value.map_or_else(|| NOTHING.to_owned(), ToString::to_string)
                };
                self.add(field, show(expected), show(got), !same);
            }
        }
    }

    fn time(&mut self, field: &str, expected: Moment, got: Option<i64>) {
        let differs = got != Some(expected.ms(self.times.start));
        let show = |ms: i64| match expected {
            Moment::Epoch(_) => ms.to_string(),
            Moment::AfterStart(_) => self.after_start(ms),
        };
        let got = got.map_or_else(|| NOTHING.to_owned(), show);
        let wanted = show(expected.ms(self.times.start));
        self.add(field, wanted, got, differs);
    }

    fn after_start(&self, ms: i64) -> String {
        match ms.saturating_sub(self.times.start) {
            before if before < 0 => format!("-{}", duration(before.saturating_neg())),
            after => duration(after),
        }
    }

    /// A record that came, in one line.
    fn seen(&self, got: &Seen<'_>) -> String {
        let window = got.window.map_or_else(String::new, |window| {
            let (start, end) = (self.after_start(window.start), self.after_start(window.end));
            format!(" [{start}, {end}]")
        });
        let at = self.after_start(got.at);
        format!("{}{window}: {} @{at}", got.key, got.value)
    }

    /// A record that is expected, in one line.
    fn wanted(&self, expected: &Wanted<'_>) -> String {
        let show = |value: &Option<Value<'_>>| {
            value.map_or_else(|| "any".to_owned(), |value| value.to_string())
        };
        let start = self.times.start;
        let window = expected.window.map_or_else(String::new, |window| {
            let at = |moment: Moment| self.after_start(moment.ms(start));
            let end = window.end.map_or_else(|| "any".to_owned(), at);
            format!(" [{}, {end}]", at(window.start))
        });
        let at = expected.at.map_or_else(String::new, |at| {
            format!(" @{}", self.after_start(at.ms(start)))
        });
        format!(
            "{}{window}: {}{at}",
            show(&expected.key),
            show(&expected.value)
        )
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

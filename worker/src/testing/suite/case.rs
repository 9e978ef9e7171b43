//! One case: its steps against a driver of its own.

use std::collections::HashMap;
use std::time::Duration;

use millrace_crds::test_file::{CaseStep, Data, Expected, Input, RecordFormat};
use millrace_expr::{Bump, Value};
use millrace_kafka::HeadersBuf;

use super::compare::{self, Difference, Times, Wanted};
use super::seen::Seen;
use super::{CaseResult, Failure, TestSuite};
use crate::serde::serde;
use crate::testing::{CapturedRecord, DriverError, StepDriver, StepOptions};

/// Runs a case up to its first failure.
pub(super) fn run(suite: &TestSuite, case: usize) -> Result<CaseResult, DriverError> {
    let file = &suite.document.file;
    let options = StepOptions {
        now_ms: file.start,
        ..StepOptions::default()
    };
    let mut running = Running {
        suite,
        driver: StepDriver::of_plan_with(&suite.app, &suite.plan, &suite.processors, options)?,
        now_ms: file.start,
        written: HashMap::new(),
    };
    let steps = &file.cases[case].steps;
    let failure = steps.iter().enumerate().find_map(|(index, step)| {
        let failed = running.step(step).err()?;
        let (entry, record) = (failed.entry.as_deref(), failed.record);
        Some(Failure {
            location: suite.document.place(case, index, entry, record),
            message: failed.message,
            difference: failed.difference,
        })
    });
    Ok(CaseResult {
        name: file.cases[case].name.clone(),
        failure,
    })
}

/// A step that failed, and which part of it.
struct Failed {
    /// Topic or store.
    entry: Option<String>,
    /// Record of its list.
    record: Option<usize>,
    message: String,
    difference: Option<Difference>,
}

impl Failed {
    fn at(entry: &str, record: Option<usize>, message: String) -> Self {
        Self {
            entry: Some(entry.to_owned()),
            record,
            message,
            difference: None,
        }
    }
}

struct Running<'s> {
    suite: &'s TestSuite,
    driver: StepDriver,
    now_ms: i64,
    /// By topic, what was written since it was last looked at.
    written: HashMap<String, Vec<CapturedRecord>>,
}

impl Running<'_> {
    fn step(&mut self, step: &CaseStep) -> Result<(), Failed> {
        match step {
            CaseStep::Pipe(topics) => {
                for (topic, records) in &topics.0 {
                    for (index, record) in records.iter().enumerate() {
                        self.pipe(topic, record)
                            .map_err(|message| Failed::at(topic, Some(index), message))?;
                    }
                }
            }
            CaseStep::Advance(span) => {
                self.now_ms = self.now_ms.saturating_add(span.ms);
                let time = Duration::from_millis(u64::try_from(span.ms).unwrap_or_default());
                let written = self.driver.advance(time).map_err(|error| Failed {
                    entry: None,
                    record: None,
                    message: stopped(&error),
                    difference: None,
                })?;
                self.keep(written);
            }
            CaseStep::Expect(topics) => {
                for (topic, expected) in &topics.0 {
                    let format = self.suite.formats.output(topic);
                    let got = self.written.remove(topic).unwrap_or_default();
                    self.expect(topic, format, expected, &got)?;
                }
            }
            CaseStep::ExpectStores(stores) => {
                for (store, rows) in &stores.0 {
                    self.expect_rows(store, rows)?;
                }
            }
        }
        Ok(())
    }

    fn pipe(&mut self, topic: &str, record: &Input) -> Result<(), String> {
        let format = self.suite.formats.inputs.get(topic);
        let format = *format.ok_or_else(|| format!("no topic {topic} is read"))?;
        let bytes = |kind, data: Option<&Data>| -> Result<Option<Vec<u8>>, String> {
            let arena = Bump::new();
            let value = data.map(|data| data.to_value(kind, self.suite.document.text(), &arena));
            match value.transpose()? {
                None | Some(Value::Null) => Ok(None),
                Some(value) => {
                    let mut bytes = Vec::new();
                    let written = serde(kind).serialize(&value, &mut bytes);
                    written.map_err(|error| error.to_string())?;
                    Ok(Some(bytes))
                }
            }
        };
        let key = bytes(format.key, record.key.as_ref())?;
        let value = match &record.raw_value {
            Some(raw) => Some(raw.as_bytes().to_vec()),
            None => bytes(format.value, record.value.as_ref())?,
        };
        let mut headers = HeadersBuf::new();
        for (name, value) in &record.headers.0 {
            headers.push(name, Some(value.as_bytes()));
        }
        let start = self.suite.document.file.start;
        let time = record.at.map_or(self.now_ms, |at| at.ms(start));
        let written = self
            .driver
            .pipe(topic, key.as_deref(), value.as_deref(), time, &headers)
            .map_err(|error| stopped(&error))?;
        self.keep(written);
        Ok(())
    }

    fn keep(&mut self, written: Vec<CapturedRecord>) {
        for record in written {
            let topic = record.topic.to_string();
            self.written.entry(topic).or_default().push(record);
        }
    }

    fn expect(
        &self,
        topic: &str,
        format: Option<RecordFormat>,
        expected: &[Expected],
        got: &[CapturedRecord],
    ) -> Result<(), Failed> {
        let failed = |message| Failed::at(topic, None, message);
        let format = format.ok_or_else(|| failed(format!("no topic {topic} is written")))?;
        let arena = Bump::new();
        let wanted = self.wanted(expected, format, &arena).map_err(failed)?;
        let got: Vec<Seen<'_>> = got
            .iter()
            .map(|record| Seen::record(record, format, &arena))
            .collect();
        match compare::records(&wanted, &got, self.times()) {
            None => Ok(()),
            Some((message, difference)) => Err(Failed {
                record: difference.first,
                difference: Some(difference),
                ..failed(format!("topic {topic}: {message}"))
            }),
        }
    }

    fn expect_rows(&mut self, store: &str, expected: &[Expected]) -> Result<(), Failed> {
        let failed = |message| Failed::at(store, None, message);
        let format = self.suite.formats.stores.get(store);
        let format = *format.ok_or_else(|| failed(format!("there is no store {store}")))?;
        let rows = self.driver.rows(store);
        let rows = rows.map_err(|error| failed(stopped(&error)))?;
        let arena = Bump::new();
        let wanted = self.wanted(expected, format, &arena).map_err(failed)?;
        let got: Vec<Seen<'_>> = rows
            .iter()
            .map(|(key, (time, value))| Seen::row(key, value, *time, format, &arena))
            .collect();
        match compare::rows(&wanted, &got, self.times()) {
            None => Ok(()),
            Some((message, difference)) => Err(Failed {
                record: difference.first,
                difference: Some(difference),
                ..failed(format!("store {store}: {message}"))
            }),
        }
    }

    fn wanted<'r>(
        &self,
        expected: &'r [Expected],
        format: RecordFormat,
        arena: &'r Bump,
    ) -> Result<Vec<Wanted<'r>>, String> {
        let text = self.suite.document.text();
        let value = |kind, data: &Option<Data>| match data {
            Some(data) => data.to_value(kind, text, arena).map(Some),
            None => Ok(None),
        };
        expected
            .iter()
            .map(|record| {
                Ok(Wanted {
                    key: value(format.key, &record.key)?,
                    window: record.window,
                    value: value(format.value, &record.value)?,
                    at: record.at,
                    headers: &record.headers.0,
                })
            })
            .collect()
    }

    fn times(&self) -> Times {
        Times {
            start: self.suite.document.file.start,
        }
    }
}

fn stopped(error: &DriverError) -> String {
    format!("the application stopped: {error}")
}

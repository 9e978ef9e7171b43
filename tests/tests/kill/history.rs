//! What the workers' logs tell about restores.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// A task whose state was brought up to date.
#[derive(Clone, Debug)]
pub(crate) struct Restore {
    /// When, as in the log: text that sorts as time does.
    pub(crate) at: String,
    /// Worker, by ordinal.
    pub(crate) worker: u32,
    /// Task id.
    pub(crate) task: String,
    /// Changelog records applied.
    pub(crate) records: u64,
    /// Whether the task had run on this very worker before: then only the tail was missing. A task
    /// that came from another worker (the group moves it after the session timeout) has older state
    /// here, or none.
    pub(crate) stayed: bool,
}

enum Event {
    Running,
    Restored(u64),
}

/// Reads all logs of an application's workers; each log is that of one process.
pub(crate) fn restores<'l>(logs: impl IntoIterator<Item = (u32, &'l str)>) -> Result<Vec<Restore>> {
    let mut events = Vec::new();
    for (worker, log) in logs {
        // A process that was killed may leave half a line.
        for line in log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let event = if line.contains(" task running ") {
                Event::Running
            } else if line.contains(" state restored ") {
                let records = field(line, "records=")?;
                Event::Restored(records.parse().with_context(|| line.to_owned())?)
            } else {
                continue;
            };
            let at = line.split_whitespace().next().unwrap_or_default();
            events.push((
                at.to_owned(),
                worker,
                field(line, "task=")?.to_owned(),
                event,
            ));
        }
    }
    events.sort_by(|one, other| one.0.cmp(&other.0));
    let mut runner: HashMap<String, u32> = HashMap::new();
    let mut restores = Vec::new();
    for (at, worker, task, event) in events {
        match event {
            Event::Running => {
                runner.insert(task, worker);
            }
            Event::Restored(records) => {
                let stayed = runner.get(&task) == Some(&worker);
                restores.push(Restore {
                    at,
                    worker,
                    task,
                    records,
                    stayed,
                });
            }
        }
    }
    Ok(restores)
}

fn field<'l>(line: &'l str, name: &str) -> Result<&'l str> {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(name))
        .with_context(|| format!("no {name} in the log line {line}"))
}

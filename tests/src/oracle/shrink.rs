//! From a case that differs to a small one that still does.

use super::case::{Case, Op};
use super::compare::difference;
use super::{Judge, generate, ours};

/// Smaller cases tried at most.
const TRIES_MAX: usize = 600;

/// A smaller case with a difference, and that difference. `None` where the case itself has none.
///
/// # Errors
/// The judge has ended.
pub fn shrink(judge: &mut Judge, case: &Case) -> anyhow::Result<Option<(Case, String)>> {
    let mut best = case.clone();
    let Some(mut found) = differs(judge, &best)? else {
        return Ok(None);
    };
    let mut tries = 0;
    loop {
        let before = (best.steps.len(), best.nodes.len(), best.stores.len());
        for smaller in [without_steps, without_nodes, without_stores, simpler] {
            let mut size = best.steps.len().max(best.nodes.len());
            while size > 0 {
                let mut place = 0;
                while let Some(candidate) = smaller(&best, place, size) {
                    tries += 1;
                    if tries > TRIES_MAX {
                        return Ok(Some((best, found)));
                    }
                    match differs(judge, &candidate)? {
                        Some(difference) => (best, found) = (candidate, difference),
                        None => place += size,
                    }
                }
                size /= 2;
            }
        }
        if before == (best.steps.len(), best.nodes.len(), best.stores.len()) {
            return Ok(Some((best, found)));
        }
    }
}

/// How the two sides differ on a case; a StreamApp that is refused is no difference here.
fn differs(judge: &mut Judge, case: &Case) -> anyhow::Result<Option<String>> {
    if !generate::is_comparable(case) {
        return Ok(None);
    }
    let Ok(ours) = ours::run(case) else {
        return Ok(None);
    };
    let answer = judge.ask(case)?;
    Ok(difference(case, &answer, &ours))
}

/// Without some steps; `None` past the last.
fn without_steps(case: &Case, from: usize, count: usize) -> Option<Case> {
    let to = (from + count).min(case.steps.len());
    let mut smaller = case.clone();
    (from < to).then(|| {
        smaller.steps.drain(from..to);
        smaller
    })
}

/// Without some nodes and everything below them.
fn without_nodes(case: &Case, from: usize, count: usize) -> Option<Case> {
    let to = (from + count).min(case.nodes.len());
    if from >= to {
        return None;
    }
    let mut smaller = case.clone();
    let mut gone: Vec<String> = Vec::new();
    for node in smaller.nodes.drain(from..to) {
        gone.extend(names(&node.name, &node.op));
    }
    smaller.nodes.retain(|node| {
        let below = node
            .op
            .inputs()
            .iter()
            .any(|input| gone.iter().any(|name| name == input));
        if below {
            gone.extend(names(&node.name, &node.op));
        }
        !below
    });
    let topics: Vec<&str> = smaller.nodes.iter().flat_map(|n| topics(&n.op)).collect();
    smaller.steps.retain(|step| match step {
        super::case::Step::Record(input) => topics.contains(&input.topic.as_str()),
        super::case::Step::Advance { .. } => true,
    });
    let stores: Vec<&str> = smaller.nodes.iter().filter_map(|n| store(&n.op)).collect();
    smaller.stores.retain(|s| stores.contains(&s.name.as_str()));
    Some(smaller)
}

fn without_stores(case: &Case, from: usize, count: usize) -> Option<Case> {
    let to = (from + count).min(case.stores.len());
    let mut smaller = case.clone();
    (from < to).then(|| {
        smaller.stores.drain(from..to);
        smaller
    })
}

/// In memory, with a commit after each record, without headers; one after the other.
fn simpler(case: &Case, place: usize, size: usize) -> Option<Case> {
    let mut smaller = case.clone();
    match place / size.max(1) {
        0 => smaller.on_disk = false,
        1 => smaller.commit_every = 1,
        2 => {
            for step in &mut smaller.steps {
                if let super::case::Step::Record(input) = step {
                    input.headers.clear();
                }
            }
        }
        _ => return None,
    }
    (smaller != *case).then_some(smaller)
}

/// The names that a node makes.
fn names(name: &str, op: &Op) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Op::Split {
        branches, default, ..
    } = op
    {
        names.extend(branches.iter().map(|branch| branch.name.clone()));
        names.extend(default.clone());
    }
    names
}

fn topics(op: &Op) -> Vec<&str> {
    match op {
        Op::Stream { topics, .. } => topics.iter().map(String::as_str).collect(),
        Op::Table { topic, .. } | Op::GlobalTable { topic, .. } => vec![topic],
        _ => Vec::new(),
    }
}

fn store(op: &Op) -> Option<&str> {
    match op {
        Op::Table { store, .. }
        | Op::GlobalTable { store, .. }
        | Op::ToTable { store, .. }
        | Op::Process { store, .. }
        | Op::Aggregate { store, .. }
        | Op::Cogroup { store, .. }
        | Op::ForeignKeyJoin { store, .. } => Some(store),
        Op::Filter { store, .. } | Op::MapValues { store, .. } | Op::TableJoin { store, .. } => {
            store.as_deref()
        }
        _ => None,
    }
}

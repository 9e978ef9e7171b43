//! Cases at random: the same case for the same seed and number, on every machine.

mod functions;
mod input;
mod joins;
mod operators;
mod windows;

use millrace_crds::plan::{NodeKind, Plan};
use millrace_crds::read::read_documents;

use super::app::stream_app;
use super::case::{Case, Emit, Node, Op, StoreKind, StoreRows, Window, WindowedKey};
use super::random::Random;

/// Nodes between sources and sinks, at least and at most.
const OPERATORS: (i64, i64) = (3, 7);
/// Sizes of the unit of time of a case, ms: with the larger ones stores get several segments.
const UNITS_MS: [i64; 3] = [1, 1_000, 20_000];

/// Builds one case.
struct Generator {
    random: Random,
    nodes: Vec<Node>,
    stores: Vec<StoreRows>,
    streams: Vec<String>,
    tables: Vec<TableFlow>,
    /// Names of global tables.
    globals: Vec<String>,
    /// Unit of windows and of the steps between timestamps, ms.
    unit: i64,
    /// Whether it is to be a case for punctuation by stream time: one task, with a processor.
    punctual: bool,
}

/// A table so far.
#[derive(Clone, Debug)]
struct TableFlow {
    name: String,
    /// Windows of its keys.
    windowed: Option<WindowedKey>,
    /// Whether its rows are in a store, so that others can join it.
    stored: bool,
    /// History of a versioned table, ms.
    versioned: Option<i64>,
    /// Whether its windows close at some time, so that results can be held back until then.
    closes: bool,
}

/// Repartition topics of a case at most. Records of equal time on three and more have an order that is
/// an accident of Java's priority queue and of the order in which topics were made.
const REPARTITION_TOPICS_MAX: usize = 2;
/// Attempts at a case with few enough of them.
const ATTEMPTS_MAX: u64 = 20;
/// So many cases of a hundred are made for punctuation by stream time, which others seldom can have.
const PUNCTUAL_PERCENT: u64 = 12;

/// The case with a number, of a seed.
pub fn case(seed: u64, number: u64) -> Case {
    // Not by the numbers that the case is made of: attempts would choose.
    let punctual = Random::new(!seed, number).percent(PUNCTUAL_PERCENT);
    let mut attempt = 0;
    loop {
        let mut case = attempt_at(seed.wrapping_add(attempt << 32), number, punctual);
        let plan = plan(&case);
        let one_task = plan.as_ref().is_none_or(has_one_task);
        if !one_task {
            never_by_stream_time(&mut case);
        }
        let few = plan.as_ref().map_or(0, repartition_topics) <= REPARTITION_TOPICS_MAX;
        attempt += 1;
        if (few && (one_task || !punctual)) || attempt == ATTEMPTS_MAX {
            return case;
        }
    }
}

/// Whether a case can be compared: the judge has one stream time for all tasks, so that processors can
/// be called by it only where there is one task.
pub(super) fn is_comparable(case: &Case) -> bool {
    let by_stream_time = |node: &Node| match node.op {
        Op::Process {
            every_stream_time, ..
        } => every_stream_time.is_some(),
        _ => false,
    };
    !case.nodes.iter().any(by_stream_time) || plan(case).as_ref().is_none_or(has_one_task)
}

fn has_one_task(plan: &Plan) -> bool {
    plan.subtopologies.len() <= 1
}

/// The plan of a case; `None` for one that is refused.
fn plan(case: &Case) -> Option<Plan> {
    let documents = read_documents(&stream_app(case).ok()?, "case").ok()?;
    documents.first()?.plan().ok()
}

fn repartition_topics(plan: &Plan) -> usize {
    let sinks = plan.nodes.iter();
    sinks
        .filter(|node| matches!(node.kind, NodeKind::RepartitionSink { .. }))
        .count()
}

/// Takes punctuation by stream time out of a case, see [`is_comparable`].
fn never_by_stream_time(case: &mut Case) {
    for node in &mut case.nodes {
        if let Op::Process {
            every_stream_time, ..
        } = &mut node.op
        {
            *every_stream_time = None;
        }
    }
}

fn attempt_at(seed: u64, number: u64, punctual: bool) -> Case {
    let mut random = Random::new(seed, number);
    let unit = *random.pick(&UNITS_MS).unwrap_or(&1);
    let mut generator = Generator {
        random,
        nodes: Vec::new(),
        stores: Vec::new(),
        streams: Vec::new(),
        tables: Vec::new(),
        globals: Vec::new(),
        unit,
        punctual,
    };
    generator.sources();
    for _ in 0..generator.random.between(OPERATORS.0, OPERATORS.1) {
        generator.operator();
    }
    if punctual {
        generator.process();
    }
    generator.sinks();
    generator.finish(number)
}

impl Generator {
    /// Adds a node and returns its name. Names sort in the order of the nodes.
    fn add(&mut self, op: Op) -> String {
        let name = format!("n{:02}", self.nodes.len());
        self.nodes.push(Node {
            name: name.clone(),
            op,
        });
        name
    }

    /// The name of a store for the next node, whose rows are compared.
    fn store(&mut self, kind: StoreKind, long: bool) -> String {
        let name = format!("s{:02}", self.nodes.len());
        self.stores.push(StoreRows {
            name: name.clone(),
            kind,
            long,
            size: None,
        });
        name
    }

    fn stream(&mut self, op: Op) {
        let name = self.add(op);
        self.streams.push(name);
    }

    /// Adds a table whose keys have windows, kept in a store.
    fn windowed_table(&mut self, op: Op, window: Window, closes: bool) {
        let name = self.add(op);
        let windowed = match window {
            Window::Session { .. } => WindowedKey::Session,
            _ => WindowedKey::Time,
        };
        self.tables.push(TableFlow {
            name,
            windowed: Some(windowed),
            stored: true,
            versioned: None,
            closes,
        });
    }

    /// Adds a table that is kept in a store, without windows.
    fn stored_table(&mut self, op: Op) {
        let name = self.add(op);
        self.tables.push(TableFlow {
            name,
            windowed: None,
            stored: true,
            versioned: None,
            closes: false,
        });
    }

    /// A stream; the newest is as likely as all others together, so that chains get long.
    fn any_stream(&mut self) -> String {
        let newest = self.random.percent(50);
        let last = self.streams.last().filter(|_| newest);
        last.or_else(|| self.random.pick(&self.streams))
            .cloned()
            .unwrap_or_default()
    }

    /// A table of which this is true.
    fn table_where(&mut self, fits: impl Fn(&TableFlow) -> bool) -> Option<TableFlow> {
        let fitting: Vec<TableFlow> = self.tables.iter().filter(|t| fits(t)).cloned().collect();
        let newest = self.random.percent(50);
        let last = fitting.last().filter(|_| newest);
        last.or_else(|| self.random.pick(&fitting)).cloned()
    }

    fn sources(&mut self) {
        // Each source that nothing brings together with the others is a task of its own.
        let (streams, tables) = match self.punctual {
            true => (1, 1),
            false => (2, 2),
        };
        for _ in 0..self.random.between(1, streams) {
            let mut topics = vec![format!("in{}", self.nodes.len())];
            if self.random.percent(10) {
                topics.push(format!("also{}", self.nodes.len()));
            }
            let time = self.source_time();
            self.stream(Op::Stream { topics, time });
        }
        for _ in 0..self.random.between(0, tables) {
            self.source_table();
        }
        if self.random.percent(26) {
            let topic = format!("global{}", self.nodes.len());
            let store = format!("s{:02}", self.nodes.len());
            let name = self.add(Op::GlobalTable { topic, store });
            self.globals.push(name);
        }
    }

    fn source_table(&mut self) {
        let topic = format!("table{}", self.nodes.len());
        let (kind, versioned) = self.versions(30);
        let time = self.source_time();
        let store = self.store(kind, false);
        self.stored_table(Op::Table {
            topic,
            store,
            versioned,
            time,
        });
        if let Some(table) = self.tables.last_mut() {
            table.versioned = versioned;
        }
    }

    /// The kind of a table's store: so many times out of a hundred one of versions, and how long these
    /// are kept.
    fn versions(&mut self, chance: u64) -> (StoreKind, Option<i64>) {
        let history = self.random.between(5, 60) * self.unit;
        match self.random.percent(chance) {
            true => (StoreKind::Versioned, Some(history)),
            false => (StoreKind::KeyValue, None),
        }
    }

    /// Writes every flow that nobody takes from to a topic, and now and then another one.
    fn sinks(&mut self) {
        let taken: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| !matches!(node.op, Op::Foreach { .. }))
            .flat_map(|node| node.op.inputs())
            .map(str::to_owned)
            .collect();
        let flows: Vec<(String, Option<WindowedKey>)> = self
            .streams
            .iter()
            .map(|name| (name.clone(), None))
            .chain(self.tables.iter().map(|t| (t.name.clone(), t.windowed)))
            .collect();
        for (from, windowed) in flows {
            if taken.contains(&from) && !self.random.percent(15) {
                continue;
            }
            let topic = format!("out-{from}");
            let routed = self.random.percent(5);
            let routes = routed.then(|| self.random.between(2, 3));
            self.add(Op::To {
                from,
                topic,
                windowed,
                routes,
            });
        }
    }

    fn finish(mut self, number: u64) -> Case {
        let steps = self.input();
        let commit_every = match self.random.percent(70) {
            true => 1,
            false => usize::try_from(self.random.between(2, 9)).unwrap_or(2),
        };
        // In memory lists of records by time expire another way, and sessions before they are forwarded.
        let as_on_disk = self.nodes.iter().any(|node| match node.op {
            Op::StreamJoin { .. } => true,
            Op::Aggregate { window, emit, .. } => {
                emit == Some(Emit::Close) && matches!(window, Some(Window::Session { .. }))
            }
            _ => false,
        });
        Case {
            id: number,
            now: input::START_UNITS * self.unit,
            rocksdb: as_on_disk || self.random.percent(5),
            on_disk: self.random.percent(5),
            commit_every,
            nodes: self.nodes,
            steps,
            stores: self.stores,
            keys: input::all_keys(),
            changelog: Vec::new(),
        }
    }
}

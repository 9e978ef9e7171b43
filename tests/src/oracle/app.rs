//! A case as a StreamApp: one named stream or table per node.

mod join;

use anyhow::{Context, bail};
use millrace_crds::read::read_documents;
use serde_json::{Map, Value, json};

use super::case::{Branch, Case, Cogrouped, Emit, Node, Op, StoreKind, Window};
use super::function::{Aggregation, KeyFn, SourceTime, ValueFn, route};

/// The StreamApp of a case, as JSON text (which is YAML).
///
/// # Errors
/// The case asks for something the topology language cannot say.
pub fn stream_app(case: &Case) -> anyhow::Result<String> {
    let mut sections = Sections::default();
    for node in &case.nodes {
        sections
            .add(case, node)
            .with_context(|| format!("node {}", node.name))?;
    }
    let app = json!({
        "apiVersion": "millrace.dev/v1alpha1",
        "kind": "StreamApp",
        "metadata": {"name": "case"},
        "spec": {
            "kafka": {"bootstrapServers": "none:9092"},
            "defaults": {"key": "string", "value": "json"},
            "topology": {
                "streams": sections.streams,
                "tables": sections.tables,
                "globalTables": sections.globals,
            },
        },
    });
    Ok(app.to_string())
}

/// The same case with its nodes in the order of ours. Which of a node's children gets a record first
/// follows from the order in which they were made: in Java that of the program's lines; here, where
/// declarations have none, tables before streams, then by name.
pub fn in_plan_order(case: &Case) -> Case {
    let mut ordered = case.clone();
    let plan = stream_app(case).ok().and_then(|app| {
        let documents = read_documents(&app, "case").ok()?;
        documents.first()?.plan().ok()
    });
    if let Some(plan) = plan {
        let owners = plan.nodes.iter().map(|node| node.name.split('.').next());
        let owners: Vec<Option<&str>> = owners.collect();
        // What has no node of its own, such as a global table, is nobody's child.
        ordered.nodes.sort_by_key(|node| {
            let own = |owner: &Option<&str>| *owner == Some(&*node.name);
            owners.iter().position(own).map_or(0, |place| place + 1)
        });
    }
    ordered
}

/// The topology's sections, by name.
#[derive(Default)]
struct Sections {
    streams: Map<String, Value>,
    tables: Map<String, Value>,
    globals: Map<String, Value>,
}

impl Sections {
    fn add(&mut self, case: &Case, node: &Node) -> anyhow::Result<()> {
        let name = &node.name;
        match &node.op {
            Op::Stream { topics, time } => {
                let mut source = match &topics[..] {
                    [topic] => json!({"topic": topic}),
                    topics => json!({"topics": topics}),
                };
                event_time(&mut source, time.as_ref());
                self.streams.insert(name.clone(), source);
            }
            Op::Table {
                topic,
                store,
                versioned,
                time,
            } => {
                let mut table = json!({"topic": topic, "store": store});
                keep_versions(&mut table, *versioned);
                event_time(&mut table, time.as_ref());
                self.tables.insert(name.clone(), table);
            }
            Op::GlobalTable { topic, store } => {
                let table = json!({"topic": topic, "store": store});
                self.globals.insert(name.clone(), table);
            }
            Op::Merge { inputs } => {
                self.streams.insert(name.clone(), json!({"merge": inputs}));
            }
            Op::To {
                from,
                topic,
                routes,
                ..
            } => self.to(case, name, from, (topic, *routes)),
            Op::Filter {
                from,
                predicate,
                negate,
                store,
            } => {
                let tag = if *negate { "filterNot" } else { "filter" };
                let step = json!({tag: predicate.cel()});
                self.either(case, name, from, step, store.as_deref());
            }
            Op::MapValues { from, value, store } => {
                let step = json!({"mapValues": value.cel()});
                self.either(case, name, from, step, store.as_deref());
            }
            op => {
                let (from, steps) = match stateless(name, op) {
                    Some((from, step)) => (from, vec![step]),
                    None => stateful(case, name, op)?,
                };
                let derived = json!({"from": from, "steps": steps});
                let section = match case.is_table(name) {
                    true => &mut self.tables,
                    false => &mut self.streams,
                };
                section.insert(name.clone(), derived);
            }
        }
        Ok(())
    }

    fn to(&mut self, case: &Case, name: &str, from: &str, (topic, routes): (&str, Option<i64>)) {
        let steps = match case.is_table(from) {
            true => vec![json!({"toStream": {}})],
            false => Vec::new(),
        };
        let mut to = json!({"key": "string", "value": "json"});
        match routes {
            None => to["topic"] = json!(topic),
            Some(routes) => {
                to["topicFrom"] = json!(format!("\"{topic}-\" + {}", route(routes)));
            }
        }
        let stream = json!({"from": from, "steps": steps, "to": to});
        self.streams.insert(name.to_owned(), stream);
    }

    /// A step that streams and tables both have.
    fn either(&mut self, case: &Case, name: &str, from: &str, step: Value, store: Option<&str>) {
        let steps = vec![step];
        let mut derived = json!({"from": from, "steps": steps});
        if !case.is_table(from) {
            self.streams.insert(name.to_owned(), derived);
            return;
        }
        if let Some(store) = store {
            derived["store"] = json!(store);
        }
        self.tables.insert(name.to_owned(), derived);
    }
}

/// Where a source's records have their times from. A record that has none stops the application, as
/// it does Kafka Streams.
fn event_time(source: &mut Value, time: Option<&SourceTime>) {
    match time {
        None => {}
        Some(SourceTime::WallClock) => source["timestamp"] = json!("wallClock"),
        Some(SourceTime::Value(time)) => {
            source["timestamp"] = json!(time.cel());
            source["invalidTimestamp"] = json!(time.invalid);
            source["deserializationErrors"] = json!("stop");
        }
    }
}

fn keep_versions(table: &mut Value, history: Option<i64>) {
    if let Some(history) = history {
        table["versioned"] = json!({"retention": millis(history)});
    }
}

/// Formats of keys and values everywhere in a case.
fn serdes() -> Value {
    json!({"key": "string", "value": "json"})
}

/// A duration.
fn millis(ms: i64) -> String {
    format!("{ms}ms")
}

/// Name of a node's repartition topic, where it needs one. The judge gives the same: a buffer bounded
/// by bytes counts the names of topics in.
fn topic_name(name: &str) -> String {
    format!("{name}-by-key")
}

/// Where a stream comes from, and its step, of steps without state.
fn stateless<'c>(name: &str, op: &'c Op) -> Option<(&'c str, Value)> {
    Some(match op {
        Op::Map { from, key, value } => {
            let map = json!({"key": key.cel(), "value": value.cel()});
            (from, json!({"map": map}))
        }
        Op::SelectKey { from, key } => (from, json!({"selectKey": key.cel()})),
        Op::FlatMap { from, values, key } => {
            let map = json!({"elements": values.cel(), "key": key.cel_of("element")});
            (from, json!({"flatMap": map}))
        }
        Op::FlatMapValues { from, values } => (from, json!({"flatMapValues": values.cel()})),
        Op::Peek { from } => (from, json!({"peek": {}})),
        Op::Foreach { from } => (from, json!({"foreach": {}})),
        Op::ToStream { from } => (from, json!({"toStream": {}})),
        Op::Repartition { from } => {
            let repartition = json!({"name": topic_name(name), "serdes": serdes()});
            (from, json!({"repartition": repartition}))
        }
        Op::Split {
            from,
            branches,
            default,
        } => {
            let branches: Vec<Value> = branches.iter().map(branch).collect();
            let mut split = json!({"branches": branches});
            if let Some(default) = default {
                split["default"] = json!(default);
            }
            (from, json!({"split": split}))
        }
        _ => return None,
    })
}

fn branch(branch: &Branch) -> Value {
    json!({"name": branch.name, "when": branch.predicate.cel()})
}

/// Where a flow comes from, and its steps, of steps with state.
fn stateful<'c>(case: &Case, name: &str, op: &'c Op) -> anyhow::Result<(&'c str, Vec<Value>)> {
    Ok(match op {
        Op::WindowKey { from } => {
            let key = "key + \"@\" + string(window.start) + \"/\" + string(window.end)";
            (
                from,
                vec![json!({"toStream": {}}), json!({"selectKey": key})],
            )
        }
        Op::ToTable {
            from,
            store,
            versioned,
        } => {
            let mut table = json!({"name": store, "serdes": serdes()});
            keep_versions(&mut table, *versioned);
            (from, vec![json!({"toTable": table})])
        }
        Op::Process {
            from,
            store,
            fixed_key,
            ..
        } => {
            let mut process = json!({"processor": name, "serdes": {"value": "json"}});
            process["stores"][store] = serdes();
            let tag = if *fixed_key {
                "processValues"
            } else {
                "process"
            };
            (from, vec![json!({tag: process})])
        }
        Op::Remember {
            from,
            store,
            kind,
            span,
            retention,
        } => (
            from,
            vec![remember(name, store, (*kind, *span, *retention))],
        ),
        Op::Aggregate {
            from,
            group_by,
            group_value,
            window,
            emit,
            retention,
            with,
            store,
        } => {
            let mut steps = vec![group(name, group_by.as_ref(), group_value.as_ref())];
            steps.extend(window.map(|window| windowed_by(window, *emit, *retention)));
            let session = matches!(window, Some(Window::Session { .. }));
            steps.push(aggregation(with, store, case.is_table(from), session));
            (from, steps)
        }
        Op::Cogroup {
            inputs,
            window,
            store,
        } => cogroup(name, inputs, *window, store)?,
        Op::Suppress {
            from,
            limit,
            records,
            bytes,
        } => {
            let mut suppress = json!({"name": format!("{name}-held"), "serdes": serdes()});
            if case.is_count(from) {
                // As the judge has them: a buffer counts their bytes.
                suppress["serdes"]["value"] = json!("long");
            }
            match limit {
                None => suppress["untilWindowCloses"] = json!({}),
                Some(limit) => suppress["untilTimeLimit"] = json!(millis(*limit)),
            }
            for (field, bound) in [("maxRecords", records), ("maxBytes", bytes)] {
                if let Some(bound) = bound {
                    suppress[field] = json!(bound);
                    suppress["whenFull"] = json!("emitEarly");
                }
            }
            (from, vec![json!({"suppress": suppress})])
        }
        op => join::join(name, op)?,
    })
}

/// The processor with a store of rows in time.
fn remember(name: &str, store: &str, (kind, span, retention): (StoreKind, i64, i64)) -> Value {
    let retention = millis(retention);
    let mut kept = serdes();
    match kind {
        StoreKind::KeyValue => {}
        StoreKind::Window => {
            kept["window"] = json!({"size": millis(span), "retention": retention});
        }
        StoreKind::Session => kept["session"] = json!({"retention": retention}),
        StoreKind::Versioned => kept["versioned"] = json!({"retention": retention}),
    }
    let mut process = json!({"processor": name, "serdes": {"value": "json"}});
    process["stores"][store] = kept;
    json!({"process": process})
}

/// The step that groups.
fn group(name: &str, by: Option<&KeyFn>, value: Option<&ValueFn>) -> Value {
    let mut group = json!({"name": topic_name(name), "serdes": serdes()});
    let Some(key) = by else {
        return json!({"groupByKey": group});
    };
    group["key"] = json!(key.cel());
    if let Some(value) = value {
        group["value"] = json!(value.cel());
    }
    json!({"groupBy": group})
}

fn windowed_by(window: Window, emit: Option<Emit>, retention: Option<i64>) -> Value {
    let (mut by, grace) = match window {
        Window::Tumbling { size, grace } => (json!({"tumbling": {"size": millis(size)}}), grace),
        Window::Hopping {
            size,
            advance,
            grace,
        } => {
            let hopping = json!({"size": millis(size), "advance": millis(advance)});
            (json!({"hopping": hopping}), grace)
        }
        Window::Sliding { size, grace } => {
            (json!({"sliding": {"difference": millis(size)}}), grace)
        }
        Window::Session { gap, grace } => (json!({"session": {"gap": millis(gap)}}), grace),
    };
    by["grace"] = json!(millis(grace));
    if emit == Some(Emit::Close) {
        by["emit"] = json!("onWindowClose");
    }
    if let Some(retention) = retention {
        by["retention"] = json!(millis(retention));
    }
    json!({"windowedBy": by})
}

/// The step that aggregates.
fn aggregation(with: &Aggregation, store: &str, table: bool, session: bool) -> Value {
    let mut step = match with {
        Aggregation::Count => return json!({"count": {"name": store}}),
        Aggregation::Reduce => json!({"name": store, "value": with.adder(), "serdes": serdes()}),
        _ => json!({
            "name": store,
            "initial": with.initial(),
            "value": with.adder(),
            "serdes": serdes(),
        }),
    };
    if table {
        step["subtract"] = json!(with.subtractor());
    }
    if *with == Aggregation::Reduce {
        return json!({"reduce": step});
    }
    if session {
        step["merge"] = json!(with.merger());
    }
    json!({"aggregate": step})
}

fn cogroup<'c>(
    name: &str,
    inputs: &'c [Cogrouped],
    window: Option<Window>,
    store: &str,
) -> anyhow::Result<(&'c str, Vec<Value>)> {
    let Some((first, others)) = inputs.split_first() else {
        bail!("a cogroup of nothing");
    };
    let with = others.iter().enumerate().map(|(number, other)| {
        let mut with = json!({
            "stream": other.from,
            "value": other.with.adder(),
            "name": format!("{}-{number}", topic_name(name)),
        });
        if let Some(key) = &other.group_by {
            with["key"] = json!(key.cel());
        }
        with
    });
    let mut step = json!({
        "name": store,
        "initial": first.with.initial(),
        "value": first.with.adder(),
        "with": with.collect::<Vec<_>>(),
        "serdes": serdes(),
    });
    if matches!(window, Some(Window::Session { .. })) {
        step["merge"] = json!(first.with.merger());
    }
    let mut steps = vec![group(name, first.group_by.as_ref(), None)];
    steps.extend(window.map(|window| windowed_by(window, None, None)));
    steps.push(json!({"cogroup": step}));
    Ok((&first.from, steps))
}

//! Sources by pattern: what they read of a cluster's topics, and what they leave.

use std::collections::{BTreeMap, BTreeSet};

use millrace_crds::plan::{Plan, describe, plan, spelled_out};
use millrace_crds::{StreamApp, read};

fn app(topology: &str) -> StreamApp {
    let text = format!(
        "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: app}}\nspec:\n  kafka: \
         {{bootstrapServers: 'kafka:9092'}}\n  defaults: {{key: string, value: json}}\n  topology:\n{topology}"
    );
    read(&text, "test").unwrap().remove(0)
}

const COUNTED: &str = "    streams:
      orders: {topicPattern: '(app-)?orders.*|.*-copies|__.*'}
      named: {topic: orders-named, }
      copies: {from: named, to: {topic: orders-copies}}
    tables:
      counts: {from: orders, steps: [groupByKey: {}, count: {name: counts}], to: {topic: results}}
";

fn sources(plan: &Plan) -> Vec<&str> {
    plan.source_topics().into_iter().map(|(t, _)| t).collect()
}

fn counts(topics: &[(&str, i32)]) -> BTreeMap<String, i32> {
    let all = topics.iter();
    all.map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn a_pattern_reads_whole_names_and_nothing_that_the_application_has_otherwise() {
    let app = app(COUNTED);
    let unresolved = plan(&app).unwrap();
    assert_eq!(sources(&unresolved), ["orders-named"]);
    let nothing = unresolved.unmatched().unwrap();
    assert!(
        nothing.contains("spec.topology.streams.orders"),
        "{nothing}"
    );
    let all = [
        "__orders",
        "app-orders-changelog",
        "app-tasks",
        "my-orders",
        "orders-copies",
        "orders-de",
        "orders-fr",
        "orders-named",
        "results",
    ];
    let resolved = unresolved.resolve(all);
    assert_eq!(
        sources(&resolved),
        ["orders-de", "orders-fr", "orders-named"]
    );
    assert_eq!(resolved.unmatched(), None);
    assert!(describe(&unresolved).contains("topics matching `(app-)?orders.*"));
    assert!(describe(&resolved).contains("orders-de, orders-fr (matching"));

    // A StreamApp that names them is the same application.
    let named = spelled_out(&app, &resolved);
    assert_eq!(named.spec.topology.streams["orders"].topic_pattern, None);
    let named = plan(&named).unwrap();
    assert_eq!(named.hash, resolved.hash);
    assert_ne!(named.hash, unresolved.hash);
    assert_eq!(
        spelled_out(&app, &unresolved).spec,
        app.spec,
        "nothing to spell out"
    );
}

#[test]
fn a_topic_that_two_patterns_match_is_read_by_the_first() {
    let app = app("    streams:
      a: {topicPattern: 'orders-.*'}
      b: {topicPattern: '.*-de'}
      all: {merge: [a, b], to: {topic: out}}
");
    let resolved = plan(&app).unwrap().resolve(["orders-de", "sales-de"]);
    let read: Vec<_> = resolved
        .nodes
        .iter()
        .map(|node| node.kind.inputs().len())
        .collect();
    assert_eq!(sources(&resolved), ["orders-de", "sales-de"]);
    assert_eq!(read[..2], [1, 1]);
}

#[test]
fn a_topic_that_does_not_fit_is_held_back_and_the_others_are_read() {
    let unresolved = plan(&app(COUNTED)).unwrap();
    let all = counts(&[
        ("app-counts-changelog", 3),
        ("orders-de", 3),
        ("orders-named", 1),
        ("orders-wide", 6),
        ("orders-fr", 3),
    ]);
    let found = unresolved.resolve_fitting(&all, &BTreeSet::from(["orders-de"]));
    assert_eq!(
        sources(&found.plan),
        ["orders-de", "orders-fr", "orders-named"]
    );
    let words = found.held_back_words().unwrap();
    assert!(
        words.contains("orders-wide matches") && words.contains("(6 partitions)"),
        "{words}"
    );
    // Without state and without a join counts may differ: the most partitions are the tasks.
    let unresolved = plan(&app("    streams:
      orders: {topicPattern: 'orders-.*'}
      copies: {from: orders, to: {topic: copies}}
"))
    .unwrap();
    let found = unresolved.resolve_fitting(&all, &BTreeSet::new());
    assert!(found.held_back.is_empty());
    assert_eq!(found.plan.layout(&all).unwrap().partitions, [6]);
}

#[test]
fn a_pattern_reads_a_bounded_number_of_topics_and_tells_of_the_rest() {
    let unresolved = plan(&app("    streams:
      orders: {topicPattern: 'orders-.*'}
      copies: {from: orders, to: {topic: copies}}
"))
    .unwrap();
    let names: Vec<String> = (0..201).map(|n| format!("orders-{n:03}")).collect();
    let all: BTreeMap<String, i32> = names.iter().map(|name| (name.clone(), 1)).collect();
    let found = unresolved.resolve_fitting(&all, &BTreeSet::new());
    assert_eq!(sources(&found.plan).len(), 200);
    assert_eq!(found.held_back.len(), 1);
    assert!(found.held_back["orders-200"].contains("at most 200"));
}

//! Partition counts, the plan's hash, and the difference of two plans.

use std::collections::BTreeMap;

use millrace_crds::plan::{Layout, Plan, TaskId, diff};
use millrace_crds::read::read_documents;

fn plan_of(topology: &str) -> Plan {
    plan_with("shop", topology)
}

/// The plan of a topology, indented by two, with keys `string` and values `json`.
fn plan_with(name: &str, topology: &str) -> Plan {
    let text = format!(
        "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: {name}}}\nspec:\n  \
         kafka: {{bootstrapServers: 'kafka:9092'}}\n  defaults: {{key: string, value: json}}\n  \
         topology:\n{topology}"
    );
    let documents = read_documents(&text, "test.yaml").unwrap_or_else(|p| panic!("{}", p[0]));
    documents[0]
        .plan()
        .unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn counts(of: &[(&str, i32)]) -> BTreeMap<String, i32> {
    of.iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn layout_of(plan: &Plan, of: &[(&str, i32)]) -> Layout {
    plan.layout(&counts(of))
        .unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// The problems of a layout, as text.
fn refusal(plan: &Plan, of: &[(&str, i32)]) -> String {
    let problems = plan.layout(&counts(of)).unwrap_err();
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

const JOIN: &str = "
    tables:
      customers: {topic: customers}
    streams:
      orders: {topic: orders}
      joined:
        from: orders
        steps:
        - leftJoin: {table: customers, value: right}
";

const REKEYED: &str = "
    tables:
      customers: {topic: customers}
      counted:
        from: orders
        steps:
        - groupBy: {key: value.product}
        - count: {name: counted}
    streams:
      orders: {topic: orders}
      joined:
        from: orders
        steps:
        - selectKey: value.customer
        - leftJoin: {table: customers, value: right, name: by-customer}
";

#[test]
fn a_subtopology_has_as_many_tasks_as_its_widest_source_has_partitions() {
    let plan = plan_of(JOIN);
    let layout = layout_of(&plan, &[("orders", 3), ("customers", 3), ("unrelated", 9)]);
    assert_eq!(layout.partitions, [3]);
    assert_eq!(
        layout.internal_partitions,
        counts(&[
            ("shop-customers-changelog", 3),
            ("shop-dead-letter", 1),
            ("shop-tasks", 3)
        ])
    );
}

#[test]
fn a_repartition_topic_has_the_count_of_what_it_is_joined_with_or_else_of_where_it_comes_from() {
    let plan = plan_of(REKEYED);
    let layout = layout_of(&plan, &[("orders", 4), ("customers", 6)]);
    assert_eq!(
        layout.internal_partitions["shop-by-customer-repartition"],
        6
    );
    assert_eq!(layout.internal_partitions["shop-counted-repartition"], 4);
    assert_eq!(layout.internal_partitions["shop-customers-changelog"], 6);
    assert_eq!(layout.internal_partitions["shop-counted-changelog"], 4);
    assert_eq!(layout.partitions.len(), 3);
    assert_eq!(layout.internal_partitions["shop-tasks"], 3 * 6);
    let tasks: Vec<TaskId> = layout.tasks().collect();
    assert_eq!(tasks.len() as i32, layout.partitions.iter().sum::<i32>());
    let numbered: Vec<TaskId> = (0..18).filter_map(|number| layout.task(number)).collect();
    assert_eq!(
        tasks, numbered,
        "a task's number is partition × subtopologies + subtopology"
    );
}

#[test]
fn counts_reach_through_a_chain_of_repartition_topics() {
    let plan = plan_of(
        "
    tables:
      first:
        from: events
        steps:
        - groupBy: {key: value.a}
        - count: {name: first}
      second:
        from: of-first
        steps:
        - groupBy: {key: string(value)}
        - count: {name: second}
    streams:
      events: {topic: events}
      of-first: {from: first, steps: [{toStream: {}}]}
      again:
        from: of-first
        steps:
        - selectKey: key
        - join: {table: second, value: right, name: again}
",
    );
    let layout = layout_of(&plan, &[("events", 5)]);
    for topic in ["first", "second", "again"] {
        assert_eq!(
            layout.internal_partitions[&format!("shop-{topic}-repartition")],
            5
        );
    }
}

#[test]
fn unequal_counts_of_joined_topics_are_refused_with_both_counts_and_the_ways_out() {
    let text = refusal(&plan_of(JOIN), &[("orders", 3), ("customers", 6)]);
    assert_eq!(
        text,
        "spec.topology.streams.joined.steps[0].leftJoin: the topics `customers` (6 partitions) and \
         `orders` (3 partitions) are joined here, but equal keys are on equal partitions only where \
         the counts are equal\n  help: give both topics the same number of partitions, or put \
         `- selectKey: key` before the join and give the join a `name`, and the stream goes through a \
         repartition topic of the table's count\n"
    );
}

#[test]
fn the_way_out_of_unequal_counts_works() {
    let plan = plan_of(&JOIN.replace(
        "- leftJoin: {table: customers,",
        "- selectKey: key\n        - leftJoin: {name: rekeyed, table: customers,",
    ));
    let layout = layout_of(&plan, &[("orders", 3), ("customers", 6)]);
    assert_eq!(layout.internal_partitions["shop-rekeyed-repartition"], 6);
}

#[test]
fn merged_topics_of_unequal_counts_are_not_aggregated_in_two_places() {
    let plan = plan_of(
        "
    tables:
      counted:
        from: both
        steps:
        - groupByKey: {}
        - count: {name: counted}
    streams:
      a: {topic: a}
      b: {topic: b}
      both: {merge: [a, b]}
",
    );
    let text = refusal(&plan, &[("a", 1), ("b", 2)]);
    assert!(
        text.contains("`a` (1 partitions) and `b` (2 partitions) are kept in one table"),
        "{text}"
    );
    assert_eq!(layout_of(&plan, &[("a", 2), ("b", 2)]).partitions, [2]);
}

#[test]
fn each_missing_topic_is_named_with_the_field_that_reads_it() {
    let text = refusal(&plan_of(JOIN), &[("orders", 0)]);
    assert!(text.contains("spec.topology.tables.customers: the topic `customers` does not exist"));
    assert!(text.contains("spec.topology.streams.orders: the topic `orders` does not exist"));
}

#[test]
fn the_hash_is_the_same_in_each_run_and_whatever_the_order_of_fields() {
    let plan = plan_of(JOIN);
    assert_eq!(plan.hash, "17ef5d1719605f39");
    let reordered = "
    streams:
      joined:
        steps:
        - leftJoin: {value: right, table: customers}
        from: orders
      orders: {topic: orders}
    tables:
      customers: {topic: customers}
";
    assert_eq!(plan_of(reordered).hash, plan.hash);
}

#[test]
fn expressions_are_not_in_the_hash_but_stores_sources_and_formats_are() {
    let plan = plan_of(JOIN);
    let hash = |from: &str, to: &str| {
        let changed = JOIN.replace(from, to);
        assert_ne!(changed, JOIN);
        plan_of(&changed).hash
    };
    assert_eq!(hash("value: right", "value: left"), plan.hash);
    assert_ne!(hash("topic: orders", "topic: orders-2"), plan.hash);
    assert_ne!(
        hash("topic: customers", "topic: customers, store: c"),
        plan.hash
    );
    assert_ne!(
        hash("topic: customers", "topic: customers, value: string"),
        plan.hash
    );
    assert_ne!(plan_with("other", JOIN).hash, plan.hash);
}

#[test]
fn a_change_of_expressions_alone_needs_no_restart_of_all() {
    let change = diff(
        &plan_of(JOIN),
        &plan_of(&JOIN.replace("value: right", "value: left")),
    );
    assert!(change.is_empty() && change.compatible());
    assert_eq!(
        change.to_string(),
        "compatible: pods can be replaced one after the other"
    );
}

#[test]
fn a_new_store_and_source_are_compatible_but_all_restart() {
    let change = diff(&plan_of(JOIN), &plan_of(REKEYED));
    assert!(!change.is_empty() && change.compatible());
    assert_eq!(
        change.to_string(),
        "+ store counted (starts empty)\n\
         ~ subtopology 0: [customers, orders, store customers] → [orders]\n\
         ~ subtopology 1: none → [shop-counted-repartition, store counted]\n\
         ~ subtopology 2: none → [customers, shop-by-customer-repartition, store customers]\n\
         compatible: all pods stop, then all start; state and offsets are kept"
    );
}

#[test]
fn a_store_in_another_format_is_incompatible() {
    let string = JOIN.replace("topic: customers", "topic: customers, value: string");
    let change = diff(&plan_of(JOIN), &plan_of(&string));
    assert!(!change.compatible());
    let text = change.to_string();
    assert!(
        text.starts_with("! store customers: (string, json) → (string, string)\n"),
        "{text}"
    );
    let renamed = diff(&plan_of(JOIN), &plan_with("other", JOIN));
    assert!(!renamed.compatible());
    assert!(
        renamed
            .to_string()
            .starts_with("application id: shop → other"),
        "{renamed}"
    );
}

#[test]
fn a_store_that_is_gone_is_named() {
    let change = diff(&plan_of(REKEYED), &plan_of(JOIN));
    assert_eq!(change.stores_removed, ["counted"]);
    assert!(
        change
            .to_string()
            .contains("- store counted (its changelog topic stays)")
    );
    assert!(
        change.to_string().contains("gives up the state"),
        "{change}"
    );
}

//! What types cannot say is said before any record, and what a closure does not get is said of its
//! record.

use millrace_crds::Problem;
use millrace_worker::dsl::{Grouped, Joined, StreamsBuilder};

fn refusal(builder: &StreamsBuilder) -> String {
    let problems: Vec<Problem> = builder.build().plan("app").unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_joined_table_must_be_kept() {
    let builder = StreamsBuilder::new();
    let table = builder
        .table::<String, i64>("numbers")
        .map_values(|n| n + 1);
    let stream = builder.stream::<String, i64>("stream");
    stream
        .join_table(&table, |a, b| a + b, Joined::new())
        .to("out");
    let refusal = refusal(&builder);
    assert!(refusal.contains("kept in no store"), "{refusal}");
}

#[test]
fn a_join_behind_a_new_key_needs_a_name() {
    let builder = StreamsBuilder::new();
    let table = builder.table::<String, i64>("numbers");
    let stream = builder.stream::<String, i64>("stream");
    let rekeyed = stream.select_key(|_, n| n.to_string());
    rekeyed
        .join_table(&table, |a, b| a + b, Joined::new())
        .to("out");
    let refusal = refusal(&builder);
    assert!(refusal.contains("that topic has no name"), "{refusal}");
}

#[test]
fn names_that_are_given_twice_are_refused() {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, i64>("stream");
    stream.filter(|_, _| true).named("same").to("one");
    stream.filter(|_, _| true).named("same").to("two");
    assert!(refusal(&builder).contains("the name `same` was given twice"));

    let builder = StreamsBuilder::new();
    let groups = builder
        .stream::<String, i64>("stream")
        .group_by_key(Grouped::new());
    groups.count("counts");
    groups.count("counts");
    assert!(refusal(&builder).contains("the store name `counts` is taken"));
}

#[test]
fn names_that_were_made_up_give_way() {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, i64>("filter");
    stream.filter(|_, _| true).named("filter").to("one");
    let topology = builder.build();
    topology.plan("app").unwrap();
    let names: Vec<&String> = topology.data().streams.keys().collect();
    assert!(names.iter().any(|name| *name == "filter-2"), "{names:?}");
}

#[test]
fn a_chain_is_one_declaration_and_a_fork_is_named() {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, i64>("numbers");
    let next = stream.filter(|_, n| *n > 0).map_values(|n| n + 1);
    next.to("one");
    next.map_values(|n| n * 2).to("two");
    let topology = builder.build();
    let data = topology.data();
    let steps = |name: &str| data.streams[name].steps.len();
    assert_eq!(data.streams.len(), 4);
    assert_eq!((steps("mapValues"), steps("to"), steps("to-2")), (2, 1, 2));
}

#[test]
fn a_long_chain_becomes_several_declarations() {
    let builder = StreamsBuilder::new();
    let mut stream = builder.stream::<String, i64>("numbers");
    for _ in 0..120 {
        stream = stream.map_values(|n| n + 1);
    }
    stream.to("out");
    let topology = builder.build();
    topology.plan("app").unwrap();
    assert_eq!(topology.data().streams.len(), 4);
}

#[test]
fn parts_of_two_builders_are_refused() {
    let (one, two) = (StreamsBuilder::new(), StreamsBuilder::new());
    let stream = one.stream::<String, i64>("stream");
    for _ in 0..3 {
        two.stream::<String, i64>("another");
    }
    stream.merge(&two.stream("last")).to("out");
    assert!(refusal(&one).contains("parts of two builders"));
}

//! Groups, windows, tables.

use std::time::Duration;

use millrace_worker::dsl::{
    BufferConfig, CogroupedKStream, EmitStrategy, Grouped, KStream, KTable, Materialized,
    SessionWindows, SlidingWindows, StreamsBuilder, Suppressed, TimeWindows, Windowed,
};

use crate::support::Driven;

const TEN: Duration = Duration::from_millis(10);

fn numbers(builder: &StreamsBuilder) -> KStream<String, i64> {
    builder.stream("numbers")
}

/// A windowed key as text.
fn key<V>(windowed: &Windowed<String>, _: &V) -> String {
    format!("{}[{},{}]", windowed.key, windowed.start, windowed.end)
}

#[test]
fn records_of_a_key_are_counted_reduced_and_aggregated() {
    let builder = StreamsBuilder::new();
    let groups = numbers(&builder).group_by_key(Grouped::new());
    groups.count("counts").to_stream().to("counted");
    groups
        .reduce(
            |before, n| before.max(n).to_owned(),
            Materialized::named("largest").in_memory(),
        )
        .to_stream()
        .to("reduced");
    groups
        .aggregate(
            String::new,
            |key, n, text| format!("{text}{key}{n}"),
            "texts",
        )
        .to_stream()
        .to("aggregated");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "k", 7, 0);
    assert_eq!(
        driven.long("numbers", "k", 3, 1),
        ["counted k:2@1", "reduced k:7@1", "aggregated k:k7k3@1"]
    );
}

#[test]
fn an_aggregate_that_becomes_none_is_deleted() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by_key(Grouped::new())
        .aggregate(
            || None,
            |_, n, sum: Option<i64>| Some(sum.unwrap_or(0) + n).filter(|sum| *sum != 0),
            "sums",
        )
        .to_stream()
        .to("sums");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 5, 0), ["sums k:5@0"]);
    assert_eq!(driven.long("numbers", "k", -5, 1), ["sums k:null@1"]);
    assert_eq!(driven.long("numbers", "k", 2, 2), ["sums k:2@2"]);
}

#[test]
fn a_new_key_goes_through_a_topic_named_after_the_aggregation() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by(|_, n| n % 2, Grouped::new())
        .count("by-parity")
        .to_stream()
        .to("counted");
    let plan = builder.build().plan("app").unwrap();
    let topics: Vec<&str> = plan
        .internal_topics
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert!(topics.contains(&"app-by-parity-repartition"), "{topics:?}");
    assert!(topics.contains(&"app-by-parity-changelog"), "{topics:?}");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "a", 3, 0);
    assert_eq!(driven.long("numbers", "b", 5, 1), ["counted 1:2@1"]);
}

#[test]
fn windows_are_counted_at_each_record_or_when_they_close() {
    let builder = StreamsBuilder::new();
    let groups = numbers(&builder).group_by_key(Grouped::new());
    let windows = TimeWindows::of_size_with_no_grace(TEN);
    let tumbling = groups.windowed_by(windows);
    tumbling
        .count("each")
        .to_stream()
        .select_key(key)
        .to("each");
    let closing = tumbling.emit_strategy(EmitStrategy::OnWindowClose);
    closing
        .count("closed")
        .to_stream()
        .select_key(key)
        .to("closed");
    let hopping = TimeWindows::of_size_with_no_grace(TEN).advance_by(TEN / 2);
    groups
        .windowed_by(hopping)
        .reduce(|sum, n| sum + n, "hops")
        .to_stream()
        .select_key(key)
        .to("hops");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "k", 1, 5);
    assert_eq!(
        driven.long("numbers", "k", 2, 6),
        ["each k[0,10]:2@6", "hops k[0,10]:3@6", "hops k[5,15]:3@6"]
    );
    assert_eq!(
        driven.long("numbers", "k", 4, 12),
        [
            "each k[10,20]:1@12",
            "closed k[0,10]:2@6",
            "hops k[5,15]:7@12",
            "hops k[10,20]:4@12"
        ]
    );
}

#[test]
fn records_near_each_other_share_a_sliding_window() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by_key(Grouped::new())
        .windowed_by(SlidingWindows::of_time_difference_with_no_grace(TEN))
        .aggregate(|| 0, |_, n, sum| sum + n, "sums")
        .to_stream()
        .select_key(key)
        .to("sums");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "k", 1, 20);
    assert_eq!(
        driven.long("numbers", "k", 2, 25),
        ["sums k[21,31]:2@25", "sums k[15,25]:3@25"]
    );
}

#[test]
fn two_sessions_that_a_record_joins_become_one() {
    let builder = StreamsBuilder::new();
    let table = numbers(&builder)
        .group_by_key(Grouped::new())
        .windowed_by_sessions(SessionWindows::of_inactivity_gap_and_grace(TEN, 10 * TEN))
        .aggregate(
            || 0,
            |_, n, sum| sum + n,
            |_, one, other| one + other,
            "sums",
        );
    table.to_stream().select_key(key).to("sums");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "k", 1, 20);
    driven.long("numbers", "k", 2, 35);
    let out = driven.long("numbers", "k", 4, 28);
    assert_eq!(out.last().unwrap(), "sums k[20,35]:7@35");
    assert!(out.contains(&"sums k[20,20]:null@20".to_owned()), "{out:?}");
}

#[test]
fn a_window_gives_one_result_where_it_is_held_back_until_it_closes() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by_key(Grouped::new())
        .windowed_by(TimeWindows::of_size_with_no_grace(TEN))
        .count("counts")
        .suppress(Suppressed::until_window_closes(
            "held",
            BufferConfig::unbounded(),
        ))
        .to_stream()
        .select_key(key)
        .to("closed");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 1, 5), [""; 0]);
    assert_eq!(driven.long("numbers", "k", 2, 11), ["closed k[0,10]:1@5"]);
}

#[test]
fn changes_are_held_back_for_a_time() {
    let builder = StreamsBuilder::new();
    let buffer = BufferConfig::unbounded().with_max_records(10);
    builder
        .table::<String, i64>("numbers")
        .suppress(Suppressed::until_time_limit("held", TEN, buffer))
        .to_stream()
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 1, 0), [""; 0]);
    assert_eq!(driven.long("numbers", "k", 2, 5), [""; 0]);
    assert_eq!(driven.long("numbers", "other", 3, 20), ["out k:2@5"]);
}

#[test]
fn several_streams_make_one_table() {
    let builder = StreamsBuilder::new();
    let orders = numbers(&builder).group_by_key(Grouped::new());
    let payments = builder
        .stream::<i64, f64>("payments")
        .group_by(|customer, _| customer.to_string(), "payments-by-customer");
    orders
        .cogroup(|_, n, open: String| format!("{open}+{n}"))
        .cogroup(&payments, |_, paid, open| format!("{open}-{paid}"))
        .aggregate(String::new, "open")
        .to_stream()
        .to("open");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "1", 7, 0), ["open 1:+7@0"]);
    let (customer, paid) = (1_i64.to_be_bytes(), 2.5_f64.to_be_bytes());
    let out = driven.feed_bytes("payments", Some(&customer), Some(&paid), 1);
    assert_eq!(out, ["open 1:+7-2.5@1"]);
}

#[test]
fn a_cogroup_of_one_stream_is_its_aggregate() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by_key(Grouped::new())
        .cogroup(|_, n, sum: i64| sum + n)
        .aggregate(|| 0, "sum")
        .to_stream()
        .map_values(|sum| format!("{sum:?}"))
        .to("sums");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "1", 7, 0), ["sums 1:Some(7)@0"]);
    assert_eq!(driven.long("numbers", "1", 5, 1), ["sums 1:Some(12)@1"]);
}

/// The cogroup of `numbers` and `payments` over windows, in YAML.
fn cogrouped_yaml(windows: &str, merge: &str) -> Driven {
    Driven::yaml(&format!(
        r#"apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {{name: app}}
spec:
  kafka: {{bootstrapServers: "none:9092"}}
  topology:
    streams:
      numbers: {{topic: numbers, key: string, value: long}}
      payments: {{topic: payments, key: long, value: double}}
      out:
        from: open
        steps:
        - toStream: {{}}
        - selectKey: 'key + "[" + string(window.start) + "," + string(window.end) + "]"'
        to: {{topic: open}}
    tables:
      open:
        from: numbers
        steps:
        - groupByKey: {{}}
        - windowedBy: {windows}
        - cogroup:
            name: open
            initial: '""'
            value: aggregate + "+" + string(value)
            with:
            - stream: payments
              key: string(key)
              name: payments-by-customer
              value: aggregate + "-" + string(value)
            {merge}
            serdes: {{value: string}}
"#
    ))
}

/// The same in Rust, before its windows.
fn cogrouped(builder: &StreamsBuilder) -> CogroupedKStream<String, String> {
    let orders = numbers(builder).group_by_key(Grouped::new());
    let payments = builder
        .stream::<i64, f64>("payments")
        .group_by(|customer, _| customer.to_string(), "payments-by-customer");
    orders
        .cogroup(|_, n, open: String| format!("{open}+{n}"))
        .cogroup(&payments, |_, paid, open| format!("{open}-{paid:?}"))
}

/// Feeds both the same numbers and payments of customer 1; what comes out of both.
fn same_cogroup(rust: &StreamsBuilder, mut yaml: Driven) -> Vec<String> {
    let mut rust = Driven::of(rust);
    let customer = 1_i64.to_be_bytes();
    let mut all = Vec::new();
    for (n, paid, time) in [(7, 2.5, 3), (8, 0.5, 18), (9, 1.5, 10), (6, 3.5, 150)] {
        let paid = f64::to_be_bytes(paid);
        let [one, other] = [&mut rust, &mut yaml].map(|driven| {
            let mut out = driven.long("numbers", "1", n, time);
            out.extend(driven.feed_bytes("payments", Some(&customer), Some(&paid), time + 1));
            out
        });
        assert_eq!(one, other);
        all.extend(one);
    }
    all
}

/// The table as a stream with its windows in the keys.
fn to_open(table: &KTable<Windowed<String>, String>) {
    table.to_stream().select_key(key).to("open");
}

#[test]
fn several_streams_make_one_table_of_windows_as_in_yaml() {
    let retention = Duration::from_secs(3600);
    let builder = StreamsBuilder::new();
    let windows = TimeWindows::of_size_and_grace(TEN, 10 * TEN);
    let windowed = cogrouped(&builder).windowed_by(windows);
    to_open(
        &windowed
            .with_retention(retention)
            .aggregate(String::new, "open"),
    );
    let yaml = cogrouped_yaml("{tumbling: {size: 10ms}, grace: 100ms, retention: 1h}", "");
    let out = same_cogroup(&builder, yaml);
    assert!(
        out.contains(&"open 1[10,20]:+8-0.5+9-1.5@19".to_owned()),
        "{out:?}"
    );

    let builder = StreamsBuilder::new();
    let windows = SlidingWindows::of_time_difference_and_grace(TEN, 10 * TEN);
    let windowed = cogrouped(&builder).windowed_by(windows);
    to_open(&windowed.aggregate(String::new, Materialized::named("open").in_memory()));
    let yaml = cogrouped_yaml("{sliding: {difference: 10ms}, grace: 100ms}", "");
    let out = same_cogroup(&builder, yaml);
    assert!(
        out.contains(&"open 1[9,19]:+8-0.5+9-1.5@19".to_owned()),
        "{out:?}"
    );
}

#[test]
fn several_streams_make_sessions_as_in_yaml() {
    let builder = StreamsBuilder::new();
    let windows = SessionWindows::of_inactivity_gap_and_grace(TEN, 10 * TEN);
    let table = cogrouped(&builder)
        .windowed_by_sessions(windows)
        .with_retention(Duration::from_secs(3600))
        .aggregate(
            String::new,
            |key, one, other| format!("{one}|{key}|{other}"),
            "open",
        );
    to_open(&table);
    let yaml = cogrouped_yaml(
        "{session: {gap: 10ms}, grace: 100ms, retention: 1h}",
        "merge: left + \"|\" + key + \"|\" + right",
    );
    let out = same_cogroup(&builder, yaml);
    assert!(out.iter().any(|line| line.contains("|1|")), "{out:?}");
}

#[test]
fn a_tables_changed_row_leaves_its_old_group() {
    let builder = StreamsBuilder::new();
    let groups = builder
        .table::<String, i64>("numbers")
        .group_by(|_, n| (n % 2, *n), Grouped::new());
    groups
        .reduce(|sum, n| sum + n, |sum, n| sum - n, "sums")
        .to_stream()
        .to("sums");
    groups
        .aggregate(
            || 0,
            |_, n, sum| sum + n,
            |_, n, sum| Some(sum - n).filter(|sum| *sum != 0).unwrap_or(-1),
            "aggregates",
        )
        .to_stream()
        .to("aggregates");
    groups.count("counts").to_stream().to("counts");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "a", 1, 0);
    driven.long("numbers", "b", 3, 1);
    let out = driven.long("numbers", "a", 4, 2);
    for expected in [
        "sums 1:3@2",
        "sums 0:4@2",
        "aggregates 1:3@2",
        "counts 1:1@2",
    ] {
        assert!(out.contains(&expected.to_owned()), "{expected} in {out:?}");
    }
}

#[test]
fn a_table_of_windows_can_be_grouped_by_a_new_key() {
    let builder = StreamsBuilder::new();
    numbers(&builder)
        .group_by_key(Grouped::new())
        .windowed_by(TimeWindows::of_size_with_no_grace(TEN))
        .count("of-each")
        .group_by(|at, count| (at.start, *count), Grouped::new())
        .reduce(|sum, n| sum + n, |sum, n| sum - n, "of-all")
        .to_stream()
        .select_key(|start, _| format!("from {start}"))
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "a", 7, 1), ["out from 0:1@1"]);
    assert_eq!(driven.long("numbers", "b", 7, 2), ["out from 0:2@2"]);
    assert_eq!(driven.long("numbers", "a", 7, 3), ["out from 0:3@3"]);
    assert_eq!(driven.long("numbers", "a", 7, 11), ["out from 10:1@11"]);
}

#[test]
fn a_table_is_filtered_mapped_and_read_as_a_stream() {
    let builder = StreamsBuilder::new();
    let table = builder.table::<String, i64>("numbers");
    table
        .filter(|_, n| *n > 1)
        .map_values(|n| n * 2)
        .to_stream()
        .to("doubled");
    table
        .filter_not(|_, n| *n > 1)
        .map_values_with_key(|key, n| format!("{key}{n}"))
        .to_stream()
        .map_values(|text| text.clone().unwrap_or("gone".to_owned()))
        .to("small");
    let mut driven = Driven::of(&builder);
    driven.long("numbers", "k", 3, 0);
    let out = driven.long("numbers", "k", 1, 1);
    assert_eq!(out, ["doubled k:null@1", "small k:k1@1"]);
    assert!(
        driven
            .delete("numbers", "k", 2)
            .contains(&"small k:gone@2".to_owned())
    );
}

#[test]
fn a_stream_with_tombstones_becomes_a_table_of_what_is_there() {
    let builder = StreamsBuilder::new();
    let table = builder
        .stream::<String, Option<i64>>("numbers")
        .to_table("kept");
    table.map_values(|n: &i64| n + 1).to_stream().to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 1, 0), ["out k:2@0"]);
    assert_eq!(driven.delete("numbers", "k", 1), ["out k:null@1"]);
}

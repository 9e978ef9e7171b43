//! Joins whose closure sees the key, and keys to look up that may not be there.

use std::time::Duration;

use millrace_worker::dsl::{JoinWindows, Joined, KStream, KTable, StreamsBuilder};

use crate::support::Driven;

const TEN: Duration = Duration::from_millis(10);

/// `key:left,right`, with `-` for what is not there.
fn line(key: &str, left: Option<&i64>, right: Option<&String>) -> String {
    let left = left.map_or("-".to_owned(), i64::to_string);
    format!("{key}:{left},{}", right.map_or("-", String::as_str))
}

/// A join with everything on either side, as YAML has it.
fn yaml(streams: &str) -> Driven {
    Driven::yaml(&format!(
        r#"apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {{name: app}}
spec:
  kafka: {{bootstrapServers: "none:9092"}}
  topology:
{streams}
"#
    ))
}

#[test]
fn a_joiner_of_two_streams_sees_the_key_as_an_expression_does() {
    let builder = StreamsBuilder::new();
    let left = builder.stream::<String, i64>("left");
    let right = builder.stream::<String, String>("right");
    let windows = JoinWindows::of_time_difference_with_no_grace(TEN);
    let both = |key: &String, l: &i64, r: &String| line(key, Some(l), Some(r));
    left.join_with_key(&right, both, windows, "inner")
        .to("inner");
    left.left_join_with_key(&right, |key, l, r| line(key, Some(l), r), windows, "left")
        .to("left-join");
    left.outer_join_with_key(&right, |key, l, r| line(key, l, r), windows, "outer")
        .to("outer-join");
    let joins = [
        ("inner", "join"),
        ("left", "leftJoin"),
        ("outer", "outerJoin"),
    ];
    let derived = joins.map(|(name, step)| {
        let topic = if name == "inner" { "" } else { "-join" };
        format!(
            "      {name}: {{from: l, steps: [{step}: {{stream: r, before: 10ms, after: 10ms, \
             name: {name}, value: 'key + \":\" + (left == null ? \"-\" : string(left)) + \",\" + \
             (right == null ? \"-\" : right)'}}], to: {{topic: {name}{topic}, value: string}}}}\n"
        )
    });
    let mut yaml = yaml(&format!(
        "    streams:\n      l: {{topic: left, key: string, value: long}}\n      r: {{topic: right, \
         key: string, value: string}}\n{}",
        derived.concat()
    ));
    let mut rust = Driven::of(&builder);
    let mut all = Vec::new();
    let mut same = |mut rust: Vec<String>, mut yaml: Vec<String>| {
        rust.sort();
        yaml.sort();
        assert_eq!(rust, yaml);
        all.extend(rust);
    };
    for (key, value, time) in [("k", 1, 0), ("a", 2, 100), ("b", 3, 200)] {
        same(
            rust.long("left", key, value, time),
            yaml.long("left", key, value, time),
        );
        same(
            rust.feed("right", "k", "x", time + 1),
            yaml.feed("right", "k", "x", time + 1),
        );
    }
    for expected in [
        "inner k:k:1,x@1",
        "left-join k:k:1,x@1",
        "left-join a:a:2,-@100",
        "outer-join a:a:2,-@100",
        "outer-join k:k:-,x@101",
    ] {
        assert!(all.contains(&expected.to_owned()), "{expected}: {all:?}");
    }
}

#[test]
fn a_joiner_with_a_table_sees_the_key() {
    let builder = StreamsBuilder::new();
    let table = builder.table::<String, String>("names");
    let numbers = builder.stream::<String, i64>("numbers");
    numbers
        .join_table_with_key(
            &table,
            |key, n, name| line(key, Some(n), Some(name)),
            Joined::new(),
        )
        .to("inner");
    // Behind a repartition topic it is the new key.
    numbers
        .select_key(|key, n| format!("{key}{n}"))
        .left_join_table_with_key(&table, |key, n, name| line(key, Some(n), name), "rekeyed")
        .to("left");
    let mut driven = Driven::of(&builder);
    driven.feed("names", "k", "K", 0);
    assert_eq!(
        driven.long("numbers", "k", 1, 1),
        ["inner k:k:1,K@1", "left k1:k1:1,-@1"]
    );
    assert_eq!(driven.long("numbers", "x", 2, 2), ["left x2:x2:2,-@2"]);
}

#[test]
fn a_left_joiner_sees_that_there_is_no_key() {
    let builder = StreamsBuilder::new();
    let table = builder.table::<Option<String>, String>("names");
    let shown = |key: &Option<String>| key.clone().unwrap_or("none".to_owned());
    builder
        .stream::<Option<String>, i64>("numbers")
        .left_join_table_with_key(
            &table,
            move |key, n, name| line(&shown(key), Some(n), name),
            Joined::new(),
        )
        .to("out");
    let mut driven = Driven::of(&builder);
    let one = 1_i64.to_be_bytes();
    assert_eq!(
        driven.feed_bytes("numbers", None, Some(&one), 5),
        ["out null:none:1,-@5"]
    );
}

/// The key in a text such as `name=7`.
fn number(text: &str) -> Option<i64> {
    text.split_once('=')?.1.parse().ok()
}

#[test]
fn a_joiner_with_a_global_table_sees_the_streams_key_and_may_have_nothing_to_look_up() {
    let builder = StreamsBuilder::new();
    let names = builder.global_table::<i64, String>("names");
    let texts: KStream<String, String> = builder.stream("texts");
    texts
        .join_global_table_with_key(
            &names,
            |_, text| number(text),
            |key, text, name| format!("{key} {text} {name}"),
        )
        .to("inner");
    texts
        .left_join_global_table_with_key(
            &names,
            |_, text| number(text),
            |key, text, name| format!("{key} {text} {name:?}"),
        )
        .to("left");
    texts
        .join_global_table(&names, |_, text| number(text), |_, name| name.clone())
        .to("names");
    let mut driven = Driven::of(&builder);
    driven.feed_bytes("names", Some(&7_i64.to_be_bytes()), Some(b"seven"), 0);
    assert_eq!(
        driven.feed("texts", "k", "n=7", 1),
        [
            "inner k:k n=7 seven@1",
            r#"left k:k n=7 Some("seven")@1"#,
            "names k:seven@1"
        ]
    );
    assert_eq!(
        driven.feed("texts", "k", "none", 2),
        ["left k:k none None@2"]
    );
}

#[test]
fn a_foreign_key_is_made_of_key_and_value_and_may_not_be_there() {
    let builder = StreamsBuilder::new();
    let artists: KTable<i64, String> = builder.table("artists");
    let albums: KTable<String, String> = builder.table("albums");
    let title = |title: &String, artist: &String| format!("{title} by {artist}");
    let or_nobody = |title: &String, artist: Option<&String>| {
        format!("{title} by {}", artist.map_or("nobody", String::as_str))
    };
    albums
        .join_foreign_key_with_key(&artists, |album, _| number(album), title, "by-key")
        .to_stream()
        .to("inner");
    albums
        .left_join_foreign_key_with_key(
            &artists,
            |album, _| number(album),
            or_nobody,
            "left-by-key",
        )
        .to_stream()
        .to("left");
    albums
        .left_join_foreign_key(&artists, |title| number(title), or_nobody, "by-value")
        .to_stream()
        .to("by-value");
    let mut driven = Driven::of(&builder);
    driven.feed_bytes("artists", Some(&7_i64.to_be_bytes()), Some(b"Nina"), 0);
    let mut known = driven.feed("albums", "blues=7", "Blues", 1);
    known.sort();
    assert_eq!(
        known,
        [
            "by-value blues=7:Blues by nobody@1",
            "inner blues=7:Blues by Nina@1",
            "left blues=7:Blues by Nina@1"
        ]
    );
    let mut unknown = driven.feed("albums", "various", "Best", 2);
    unknown.sort();
    assert_eq!(
        unknown,
        [
            "by-value various:Best by nobody@2",
            "left various:Best by nobody@2"
        ]
    );
}

//! Joins.

use std::time::Duration;

use millrace_worker::data::Json;
use millrace_worker::dsl::{
    Consumed, JoinWindows, Joined, Materialized, StreamJoined, StreamsBuilder,
};

use crate::support::Driven;

const TEN: Duration = Duration::from_millis(10);

fn both(left: Option<&i64>, right: Option<&String>) -> String {
    let left = left.map_or("-".to_owned(), i64::to_string);
    format!("{left},{}", right.map_or("-", String::as_str))
}

#[test]
fn two_streams_are_joined_within_a_window() {
    let builder = StreamsBuilder::new();
    let left = builder.stream::<String, i64>("left");
    let right = builder.stream::<String, String>("right");
    let windows = JoinWindows::of_time_difference_with_no_grace(TEN);
    left.join(&right, |l, r| both(Some(l), Some(r)), windows, "inner")
        .to("inner");
    let stores = StreamJoined::named("left-join").in_memory();
    left.left_join(&right, |l, r| both(Some(l), r), windows, stores)
        .to("left-join");
    left.outer_join(&right, both, windows.before(Duration::ZERO), "outer")
        .to("outer-join");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("left", "k", 1, 0), [""; 0]);
    assert_eq!(
        driven.feed("right", "k", "a", 5),
        ["inner k:1,a@5", "left-join k:1,a@5", "outer-join k:1,a@5"]
    );
    driven.long("left", "k", 2, 100);
    let out = driven.long("left", "other", 3, 200);
    assert!(out.contains(&"left-join k:2,-@100".to_owned()), "{out:?}");
    assert!(out.contains(&"outer-join k:2,-@100".to_owned()), "{out:?}");
}

#[test]
fn the_value_formats_of_both_sides_are_those_of_their_types() {
    // The right side was read as text and is JSON when it is kept.
    let builder = StreamsBuilder::new();
    let left = builder.stream::<String, i64>("left");
    let right = builder
        .stream::<String, String>("right")
        .map_values(|text| Json(vec![text.clone()]));
    let windows = JoinWindows::of_time_difference_with_no_grace(TEN);
    left.join(
        &right,
        |n, texts| format!("{n}{}", texts.join(",")),
        windows,
        "pairs",
    )
    .to("pairs");
    let mut driven = Driven::of(&builder);
    driven.feed("right", "k", "a", 0);
    assert_eq!(driven.long("left", "k", 1, 1), ["pairs k:1a@1"]);
}

#[test]
fn a_stream_looks_rows_of_a_table_up() {
    let builder = StreamsBuilder::new();
    let table = builder.table::<String, String>("names");
    let numbers = builder.stream::<String, i64>("numbers");
    numbers
        .join_table(&table, |n, name| both(Some(n), Some(name)), Joined::new())
        .to("inner");
    numbers
        .select_key(|_, n| format!("key-{n}"))
        .left_join_table(&table, |n, name| both(Some(n), name), "by-number")
        .to("rekeyed");
    let mut driven = Driven::of(&builder);
    driven.feed("names", "k", "K", 0);
    driven.feed("names", "key-2", "Two", 0);
    assert_eq!(
        driven.long("numbers", "k", 1, 1),
        ["inner k:1,K@1", "rekeyed key-1:1,-@1"]
    );
    assert_eq!(driven.long("numbers", "x", 2, 2), ["rekeyed key-2:2,Two@2"]);
}

#[test]
fn a_stream_is_joined_with_a_tables_version_of_its_own_time() {
    let builder = StreamsBuilder::new();
    let store = Materialized::named("names").versioned(100 * TEN);
    let table = builder.table_with::<String, String>("names", Consumed::new(), store);
    builder
        .stream::<String, i64>("numbers")
        .left_join_table(&table, |n, name| both(Some(n), name), Joined::new())
        .to("joined");
    let mut driven = Driven::of(&builder);
    driven.feed("names", "k", "old", 0);
    driven.feed("names", "k", "new", 50);
    assert_eq!(driven.long("numbers", "k", 1, 20), ["joined k:1,old@20"]);
}

#[test]
fn records_are_held_back_for_the_versions_of_their_time() {
    let join = |joined: Joined| {
        let builder = StreamsBuilder::new();
        let store = Materialized::named("names").versioned(100 * TEN);
        let table = builder.table_with::<String, String>("names", Consumed::new(), store);
        builder
            .stream::<String, i64>("numbers")
            .left_join_table(&table, |n, name| both(Some(n), name), joined)
            .to("joined");
        let mut driven = Driven::of(&builder);
        let at_once = driven.long("numbers", "k", 1, 20);
        driven.feed("names", "k", "late", 10);
        [at_once, driven.long("numbers", "k", 2, 30)]
    };
    let [at_once, later] = join(Joined::named("held").with_grace_period(TEN));
    assert_eq!(at_once, [""; 0]);
    assert_eq!(later, ["joined k:1,late@20"]);
    let [at_once, later] = join(Joined::new());
    assert_eq!(at_once, ["joined k:1,-@20"]);
    assert_eq!(later, ["joined k:2,late@30"]);
}

#[test]
fn a_stream_looks_any_key_of_a_global_table_up() {
    let builder = StreamsBuilder::new();
    let names = builder.global_table::<i64, String>("names");
    let numbers = builder.stream::<String, i64>("numbers");
    numbers
        .join_global_table(&names, |_, n| *n, |n, name| both(Some(n), Some(name)))
        .to("inner");
    numbers
        .left_join_global_table(&names, |_, n| n + 1, |n, name| both(Some(n), name))
        .to("left");
    let mut driven = Driven::of(&builder);
    driven.feed_bytes("names", Some(&7_i64.to_be_bytes()), Some(b"seven"), 0);
    assert_eq!(
        driven.long("numbers", "k", 7, 1),
        ["inner k:7,seven@1", "left k:7,-@1"]
    );
}

#[test]
fn two_tables_are_joined_row_by_row() {
    let builder = StreamsBuilder::new();
    let left = builder.table::<String, i64>("left");
    let right = builder
        .table::<String, String>("right")
        .filter(|_, text| text != "hidden")
        .materialized("shown");
    left.join(&right, |l, r| both(Some(l), Some(r)))
        .to_stream()
        .to("inner");
    let kept = left
        .left_join(&right, |l, r| both(Some(l), r))
        .materialized("kept");
    kept.to_stream().to("left-join");
    kept.outer_join(&right, |l, r| format!("{l:?} {r:?}"))
        .to_stream()
        .to("outer-join");
    let mut driven = Driven::of(&builder);
    assert_eq!(
        driven.long("left", "k", 1, 0),
        ["left-join k:1,-@0", r#"outer-join k:Some("1,-") None@0"#]
    );
    let out = driven.feed("right", "k", "a", 1);
    assert!(out.contains(&"inner k:1,a@1".to_owned()), "{out:?}");
    assert!(out.contains(&"left-join k:1,a@1".to_owned()), "{out:?}");
    let out = driven.feed("right", "k", "hidden", 2);
    assert!(out.contains(&"inner k:null@2".to_owned()), "{out:?}");
}

#[test]
fn rows_are_joined_by_a_foreign_key() {
    let builder = StreamsBuilder::new();
    let artists = builder.table::<i64, String>("artists");
    let albums = builder.table::<String, i64>("albums");
    albums
        .join_foreign_key(
            &artists,
            |artist| *artist,
            |id, name| format!("{id} {name}"),
            "fk",
        )
        .to_stream()
        .to("inner");
    albums
        .left_join_foreign_key(
            &artists,
            |artist| *artist,
            |id, name| both(Some(id), name),
            "left-fk",
        )
        .to_stream()
        .to("left");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("albums", "a", 7, 0), ["left a:7,-@0"]);
    let out = driven.feed_bytes("artists", Some(&7_i64.to_be_bytes()), Some(b"X"), 1);
    assert!(out.contains(&"inner a:7 X@1".to_owned()), "{out:?}");
    assert!(out.contains(&"left a:7,X@1".to_owned()), "{out:?}");
}

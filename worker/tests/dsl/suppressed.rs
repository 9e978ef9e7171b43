//! What is held back, and what becomes of it where there is no more room.

use std::time::Duration;

use millrace_crds::plan::{BufferBounds, NodeKind};
use millrace_worker::dsl::{
    BufferConfig, Grouped, StreamsBuilder, Suppressed, TimeWindows, Windowed,
};
use millrace_worker::testing::TopologyTestDriver;

const MINUTE: Duration = Duration::from_secs(60);

/// A table held back for a minute.
fn held<F>(buffer: BufferConfig<F>) -> StreamsBuilder {
    let builder = StreamsBuilder::new();
    builder
        .table::<String, i64>("numbers")
        .suppress(Suppressed::until_time_limit("held", MINUTE, buffer))
        .to_stream()
        .to("out");
    builder
}

/// The bounds in the plan.
fn bounds(builder: &StreamsBuilder) -> BufferBounds {
    let plan = builder.build().plan("app").unwrap();
    let mut kinds = plan.nodes.iter().map(|node| &node.kind);
    let bounds = kinds.find_map(|kind| match kind {
        NodeKind::Suppress { bounds, .. } => Some(*bounds),
        _ => None,
    });
    bounds.unwrap()
}

/// Feeds a key each, all within the minute; what came out until it failed, and whether it did.
fn fed(builder: &StreamsBuilder, keys: &[&str]) -> (Vec<String>, bool) {
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    let failed = keys
        .iter()
        .zip(0..)
        .any(|(key, time)| numbers.pipe_at(*key, 1, time).is_err());
    let out = driver.output_topic::<String, i64>("out").unwrap();
    let early = out.read_all().unwrap().into_iter().map(|(key, _)| key);
    (early.collect(), failed)
}

#[test]
fn a_full_buffer_lets_the_oldest_go_early_where_it_is_told_to() {
    let eager = held(
        BufferConfig::unbounded()
            .with_max_records(2)
            .emit_early_when_full(),
    );
    assert_eq!(bounds(&eager).records, Some(2));
    assert!(bounds(&eager).emit_early);
    let (early, failed) = fed(&eager, &["a", "b", "c", "d"]);
    assert_eq!(early, ["a", "b"]);
    assert!(!failed);
}

#[test]
fn a_full_buffer_stops_the_application_by_default() {
    let strict = held(BufferConfig::unbounded().with_max_records(2));
    assert!(!bounds(&strict).emit_early);
    let (early, failed) = fed(&strict, &["a", "b", "c"]);
    assert_eq!(early, [""; 0]);
    assert!(failed);
}

#[test]
fn a_buffer_is_bounded_in_bytes_too() {
    // One change of a long fits into 100 bytes, and two do not.
    let small = held(
        BufferConfig::unbounded()
            .emit_early_when_full()
            .with_max_bytes(100),
    );
    assert_eq!(bounds(&small).bytes, Some(100));
    let (early, failed) = fed(&small, &["a", "b", "c", "d"]);
    assert!(early.starts_with(&["a".to_owned()]), "{early:?}");
    assert!(!failed);
    let large = held(BufferConfig::default().with_max_bytes(1_000_000));
    assert_eq!(fed(&large, &["a", "b", "c", "d"]), (Vec::new(), false));
}

#[test]
fn a_bounded_buffer_holds_windows_until_they_close() {
    let builder = StreamsBuilder::new();
    let buffer = BufferConfig::unbounded().with_max_records(100);
    builder
        .stream::<String, i64>("numbers")
        .group_by_key(Grouped::new())
        .windowed_by(TimeWindows::of_size_with_no_grace(MINUTE))
        .count("counts")
        .suppress(Suppressed::until_window_closes("held", buffer))
        .to_stream()
        .to("out");
    assert_eq!(bounds(&builder).records, Some(100));
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    for time in [0, 1, 60_000] {
        numbers.pipe_at("a", 1, time).unwrap();
    }
    let out = driver.output_topic::<Windowed<String>, i64>("out").unwrap();
    let counts: Vec<i64> = out
        .read_all()
        .unwrap()
        .into_iter()
        .map(|(_, n)| n)
        .collect();
    assert_eq!(counts, [2]);
}

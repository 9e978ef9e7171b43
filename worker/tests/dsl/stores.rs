//! How stores are kept.

use std::time::Duration;

use millrace_crds::plan::InternalTopicKind;
use millrace_worker::api::ProcessorResult;
use millrace_worker::dsl::{
    BufferConfig, Consumed, Grouped, Materialized, Processed, Processor, ProcessorContext, Record,
    SessionWindows, StoreBuilder, StreamsBuilder, Suppressed, TimeWindows,
};

const MINUTE: Duration = Duration::from_secs(60);

fn unlogged(name: &str) -> Materialized {
    Materialized::named(name).with_logging_disabled()
}

struct Through;

impl Processor<String, i64, String, i64> for Through {
    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, i64>,
    ) -> ProcessorResult {
        context.forward(record)
    }
}

#[test]
fn stores_without_logging_have_no_changelog() {
    let builder = StreamsBuilder::new();
    let table = builder.table_with::<String, i64>("table", Consumed::new(), unlogged("table"));
    table
        .map_values(|n| n + 1)
        .materialized(unlogged("computed"))
        .suppress(
            Suppressed::until_time_limit("held", MINUTE, BufferConfig::unbounded())
                .with_logging_disabled(),
        )
        .group_by(|key, n| (key.clone(), *n), Grouped::new())
        .reduce(|sum, n| sum + n, |sum, n| sum - n, unlogged("of-table"));
    let stream = builder.stream::<String, i64>("stream");
    stream.to_table(unlogged("to-table"));
    let groups = stream.group_by_key(Grouped::new());
    groups.count(unlogged("count"));
    groups.reduce(|sum, n| sum + n, unlogged("reduce"));
    groups.aggregate(|| 0, |_, n, sum: i64| sum + n, unlogged("aggregate"));
    let windows = TimeWindows::of_size_with_no_grace(MINUTE);
    groups.windowed_by(windows).count(unlogged("windows"));
    let sessions = SessionWindows::of_inactivity_gap_with_no_grace(MINUTE);
    groups
        .windowed_by_sessions(sessions)
        .count(unlogged("sessions"));
    groups
        .cogroup(|_, n, sum: i64| sum + n)
        .aggregate(|| 0, unlogged("cogroup"));
    let own = StoreBuilder::key_value::<String, i64>("own").with_logging_disabled();
    stream
        .process(|| Through, Processed::named("through").with_store(own))
        .to("out");

    let plan = builder.build().plan("app").unwrap();
    let mut names: Vec<&str> = plan.stores.iter().map(|store| &*store.name).collect();
    names.sort_unstable();
    let expected = [
        "aggregate",
        "cogroup",
        "computed",
        "count",
        "held",
        "of-table",
        "own",
        "reduce",
        "sessions",
        "table",
        "to-table",
        "windows",
    ];
    assert_eq!(names, expected);
    let logged = plan.stores.iter().filter(|store| store.changelog.is_some());
    assert_eq!(logged.count(), 0);
    let topics = plan.internal_topics.iter();
    let changelogs = topics.filter(|topic| topic.kind == InternalTopicKind::Changelog);
    assert_eq!(changelogs.count(), 0);
}

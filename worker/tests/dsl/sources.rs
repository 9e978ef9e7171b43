//! Patterns of topics, caches, policies of a source: what Rust says is what the plan has.

use millrace_crds::stream_app::ErrorPolicy;
use millrace_worker::dsl::{Consumed, Grouped, KStream, Materialized, StreamsBuilder};

#[test]
fn a_stream_by_pattern_reads_what_matches_and_its_count_is_cached() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new()
        .with_processing_errors(ErrorPolicy::Retry)
        .with_production_errors(ErrorPolicy::Stop);
    let orders: KStream<String, i64> = builder.stream_pattern("orders-.*", consumed);
    orders
        .group_by_key(Grouped::new())
        .count(Materialized::named("counts").with_caching_enabled())
        .to_stream()
        .to("counted");
    let topology = builder.build();
    let app = topology.stream_app("app");
    let streams = &app.spec.topology.streams;
    let source = streams.values().find(|stream| stream.from.is_none());
    let source = source.unwrap();
    assert_eq!(source.topic_pattern.as_deref(), Some("orders-.*"));
    assert_eq!(source.processing_errors, Some(ErrorPolicy::Retry));
    assert_eq!(source.production_errors, Some(ErrorPolicy::Stop));
    let plan = topology
        .plan_of(&app)
        .unwrap_or_else(|problems| panic!("{}", problems[0]));
    assert!(plan.stores[0].caching);
    let resolved = plan.resolve(["orders-a", "other", "orders-b"]);
    let read: Vec<&str> = resolved
        .source_topics()
        .into_iter()
        .map(|(t, _)| t)
        .collect();
    assert_eq!(read, ["orders-a", "orders-b"]);
}

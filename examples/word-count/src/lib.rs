//! Word count: lines in, the number of each word out.

use millrace_worker::dsl::{Grouped, StreamsBuilder, Topology};

/// The topology.
pub fn word_count() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("lines")
        .flat_map_values(|line| {
            line.split_whitespace()
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
        })
        .group_by(|_, word| word.clone(), Grouped::new())
        .count("counts")
        .to_stream()
        .map_values(|count| count.map(|count| count.to_string()))
        .to("word-counts");
    builder.build()
}

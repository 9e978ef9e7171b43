//! Word count: a topology in Rust, described and tried out without Kafka.
//!
//! ```text
//! cargo run --release --example word_count
//! ```

use std::error::Error;

use millrace_kafka::HeadersBuf;
use millrace_worker::dsl::{Grouped, StreamsBuilder, Topology};
use millrace_worker::testing::{StepDriver, StepOptions};

/// Lines in, the number of each word out.
fn word_count() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("lines")
        .flat_map_values(|line| {
            let words = line.split_whitespace().map(str::to_lowercase);
            words.collect::<Vec<_>>()
        })
        .group_by(|_, word| word.clone(), Grouped::new())
        .count("counts")
        .to_stream()
        .map_values(|count| count.map(|count| count.to_string()))
        .to("word-counts");
    builder.build()
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let topology = word_count();
    let app = topology.stream_app("word-count");
    let plan = topology.plan_of(&app).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    println!("{}", millrace_crds::plan::describe(&plan));
    let mut driver = StepDriver::of_plan(&app, &plan, StepOptions::default())?;
    for (line, time) in ["the mill", "the race", "the end"].into_iter().zip(0..) {
        let written = driver.pipe(
            "lines",
            None,
            Some(line.as_bytes()),
            time,
            &HeadersBuf::new(),
        )?;
        for record in written
            .iter()
            .filter(|record| &*record.topic == "word-counts")
        {
            let text = |bytes: &Option<Box<[u8]>>| {
                String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
            };
            println!("{}: {}", text(&record.key), text(&record.value));
        }
    }
    Ok(())
}

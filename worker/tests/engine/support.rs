//! What the tests of this folder share.

use millrace_embedded::StoredRecord;
use millrace_worker::testing::{DriverOptions, TopologyDriver};

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True so many times out of a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A StreamApp named `app` with string keys and JSON values; `spec` has further settings and
/// `topology`, indented by two.
pub(crate) fn app(spec: &str) -> String {
    format!(
        "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: app}}\nspec:\n  \
         kafka: {{bootstrapServers: \"none:9092\"}}\n  defaults: {{key: string, value: json}}\n{spec}"
    )
}

/// Drives [`app`] with default options.
pub(crate) fn drive(spec: &str) -> TopologyDriver {
    TopologyDriver::new(&app(spec)).unwrap()
}

/// Drives [`app`].
pub(crate) fn drive_with(spec: &str, options: &DriverOptions) -> TopologyDriver {
    TopologyDriver::with_options(&app(spec), options).unwrap()
}

/// `key:value@timestamp`, null as `null`, as join-expectations.md writes records.
pub(crate) fn show(record: &StoredRecord) -> String {
    let text = |bytes: &Option<Vec<u8>>| {
        bytes.as_ref().map_or("null".to_owned(), |bytes| {
            String::from_utf8_lossy(bytes).into_owned()
        })
    };
    format!(
        "{}:{}@{}",
        text(&record.key),
        text(&record.value),
        record.timestamp
    )
}

/// All committed records of a topic, shown.
pub(crate) fn shown(driver: &TopologyDriver, topic: &str) -> Vec<String> {
    driver.read(topic).unwrap().iter().map(show).collect()
}

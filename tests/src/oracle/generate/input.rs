//! Input at random: out of order, late, with null keys, tombstones and headers.

use super::Generator;
use super::functions::LETTERS;
use crate::oracle::case::{Input, Op, Step};
use crate::oracle::function::SourceTime;

/// Steps of a case, at least and at most.
const STEPS: (i64, i64) = (8, 40);
/// Keys of records.
const KEYS: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];
/// Time of the first record, and of the wall clock then, in units.
pub(super) const START_UNITS: i64 = 1_000;
/// Times out of a hundred that the wall clock moves on before a record: seldom, and where it is the
/// time of records.
const ADVANCES: (u64, u64) = (3, 40);

/// Keys that stores are asked for which cannot list theirs: those of input, and those that functions
/// make of them.
pub(super) fn all_keys() -> Vec<String> {
    let plain = KEYS.iter().map(|key| (*key).to_owned());
    let longer = KEYS
        .iter()
        .flat_map(|key| [format!("{key}0"), format!("{key}1")]);
    plain.chain(longer).collect()
}

impl Generator {
    pub(super) fn key(&mut self) -> String {
        (*self.random.pick(&KEYS).unwrap_or(&"k0")).to_owned()
    }

    pub(super) fn input(&mut self) -> Vec<Step> {
        let topics = self.topics();
        let mut now = START_UNITS * self.unit;
        let count = self.random.between(STEPS.0, STEPS.1);
        let by_clock = self.times_are_the_clocks();
        let mut steps = Vec::new();
        for _ in 0..count {
            if self.random.percent(ADVANCES.0) {
                let advance = self.random.between(1, 20) * self.unit;
                steps.push(Step::Advance { advance });
            } else if by_clock && self.random.percent(ADVANCES.1) {
                let jitter = self.random.between(0, self.unit - 1);
                let advance = self.random.between(1, 6) * self.unit - jitter;
                steps.push(Step::Advance { advance });
            }
            let Some(topic) = self.random.pick(&topics).cloned() else {
                break;
            };
            let ts = self.timestamp(&mut now);
            steps.push(Step::Record(self.record(topic, ts)));
        }
        steps
    }

    fn times_are_the_clocks(&self) -> bool {
        self.nodes.iter().any(|node| {
            let (Op::Stream { time, .. } | Op::Table { time, .. }) = &node.op else {
                return false;
            };
            *time == Some(SourceTime::WallClock)
        })
    }

    fn topics(&self) -> Vec<String> {
        let mut topics = Vec::new();
        for node in &self.nodes {
            match &node.op {
                Op::Stream { topics: read, .. } => topics.extend(read.iter().cloned()),
                Op::Table { topic, .. } | Op::GlobalTable { topic, .. } => {
                    topics.push(topic.clone());
                }
                _ => {}
            }
        }
        topics
    }

    /// Mostly a little later than the last; sometimes the same, out of order, late, or far ahead.
    fn timestamp(&mut self, now: &mut i64) -> i64 {
        let jitter = self.random.between(0, self.unit - 1);
        match self.random.below(100) {
            0..8 => *now,
            8..28 => (*now - self.random.between(0, 12) * self.unit - jitter).max(0),
            28..34 => (*now - self.random.between(12, 60) * self.unit).max(0),
            34..37 => {
                *now += self.random.between(15, 80) * self.unit;
                *now
            }
            _ => {
                *now += self.random.between(0, 3) * self.unit + jitter;
                *now
            }
        }
    }

    fn record(&mut self, topic: String, ts: i64) -> Input {
        let key = (!self.random.percent(7)).then(|| self.key());
        let value = match self.random.below(100) {
            0..10 => None,
            10..18 => Some(self.random.below(300).to_string()),
            _ => Some(format!("\"{}\"", self.word())),
        };
        let mut headers = Vec::new();
        if self.random.percent(15) {
            for _ in 0..self.random.between(1, 2) {
                // A name of one character and two bytes.
                let name = if self.random.percent(20) { "ü" } else { "h" };
                headers.push((name.to_owned(), self.random.below(10).to_string()));
            }
        }
        Input {
            topic,
            key,
            value,
            ts,
            headers,
        }
    }

    fn word(&mut self) -> String {
        let length = self.random.between(1, 4);
        (0..length)
            .filter_map(|_| self.random.pick(&LETTERS))
            .copied()
            .collect()
    }
}

//! Functions at random.

use super::Generator;
use crate::oracle::function::{
    Aggregation, EventTime, InvalidTime, KeyFn, ListFn, Predicate, SourceTime, ValueFn,
};

/// Letters of values; functions look for them.
pub(super) const LETTERS: [&str; 6] = ["a", "b", "c", "d", "e", "z"];

impl Generator {
    pub(super) fn letter(&mut self) -> String {
        (*self.random.pick(&LETTERS).unwrap_or(&"a")).to_owned()
    }

    pub(super) fn predicate(&mut self) -> Predicate {
        match self.random.below(4) {
            0 => Predicate::Contains { s: self.letter() },
            1 => Predicate::KeyIs { s: self.key() },
            _ => {
                let n = self.random.between(2, 3);
                let is = self.random.between(0, n - 1);
                Predicate::SizeMod { n, is }
            }
        }
    }

    /// Times of a source's records: mostly those they come with.
    pub(super) fn source_time(&mut self) -> Option<SourceTime> {
        match self.random.below(100) {
            0..10 => Some(SourceTime::Value(self.event_time())),
            10..15 => Some(SourceTime::WallClock),
            _ => None,
        }
    }

    fn event_time(&mut self) -> EventTime {
        let invalid = match self.random.below(3) {
            0 => InvalidTime::Fail,
            1 => InvalidTime::Skip,
            _ => InvalidTime::UsePartitionTime,
        };
        // What fails ends the case: a letter that values seldom have.
        let s = match invalid {
            InvalidTime::Fail => "bb".to_owned(),
            InvalidTime::Skip | InvalidTime::UsePartitionTime => self.letter(),
        };
        let by = self.random.between(0, 3) * self.unit;
        EventTime { by, s, invalid }
    }

    pub(super) fn value_fn(&mut self) -> ValueFn {
        match self.random.below(6) {
            0 => ValueFn::Same,
            1 => ValueFn::Size,
            2 => ValueFn::WithKey,
            3 => ValueFn::NullIf { s: self.letter() },
            _ => ValueFn::Append { s: self.letter() },
        }
    }

    pub(super) fn key_fn(&mut self) -> KeyFn {
        match self.random.below(6) {
            0 => KeyFn::Const { s: self.key() },
            1 => KeyFn::NullIf { s: self.letter() },
            2 => KeyFn::Append {
                s: self.random.between(0, 1).to_string(),
            },
            _ => KeyFn::SizeKey {
                n: self.random.between(2, 4),
            },
        }
    }

    pub(super) fn list_fn(&mut self) -> ListFn {
        match self.random.percent(60) {
            true => ListFn::Twice,
            false => ListFn::SomeOrNone { s: self.letter() },
        }
    }

    pub(super) fn aggregation(&mut self) -> Aggregation {
        match self.random.below(6) {
            0 => Aggregation::Count,
            1 => Aggregation::Reduce,
            2 => Aggregation::Sum,
            3 => Aggregation::ConcatOrNull { s: self.letter() },
            _ => Aggregation::Concat,
        }
    }
}

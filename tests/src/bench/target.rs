//! What a ratio between two sides should be.

use std::fmt;

use super::Measurement;
use super::sides::Side;

/// What is divided: ours by another side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ratio {
    /// Records per second.
    Records,
    /// CPU per record.
    Cpu,
    /// Peak memory.
    Memory,
}

/// A bound of a ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// Of what.
    pub(super) ratio: Ratio,
    /// Whose numbers ours are divided by.
    pub(super) to: Side,
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    pub(super) const fn at_least(ratio: Ratio, to: Side, bound: f64) -> Self {
        let bound = Bound::AtLeast(bound);
        Self { ratio, to, bound }
    }

    pub(super) const fn at_most(ratio: Ratio, to: Side, bound: f64) -> Self {
        let bound = Bound::AtMost(bound);
        Self { ratio, to, bound }
    }

    /// Whether a ratio is as wanted.
    pub(super) fn met(&self, ratio: f64) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => ratio >= bound,
            Bound::AtMost(bound) => ratio <= bound,
        }
    }

    /// The bound, for people.
    pub(super) fn bound(&self) -> String {
        match self.bound {
            Bound::AtLeast(bound) => format!(">= {bound}"),
            Bound::AtMost(bound) => format!("<= {bound}"),
        }
    }
}

impl Ratio {
    /// Ours divided by another side's.
    pub(super) fn of(self, ours: &Measurement, other: &Measurement) -> f64 {
        match self {
            Self::Records => ours.records_per_s / other.records_per_s,
            Self::Cpu => ours.cpu_us_per_record / other.cpu_us_per_record,
            Self::Memory => ours.peak_rss_bytes / other.peak_rss_bytes,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = match self.ratio {
            Ratio::Records => "records/s",
            Ratio::Cpu => "CPU per record",
            Ratio::Memory => "peak RSS",
        };
        write!(f, "{ratio}, ours : {}", self.to)
    }
}

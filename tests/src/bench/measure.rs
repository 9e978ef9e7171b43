//! One measurement, and the medians of several.

use serde::{Deserialize, Serialize};

/// What one side did in the measured window, or the medians of several such windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Input records committed per second of wall time.
    pub records_per_s: f64,
    /// Microseconds of CPU, of the whole process, per input record.
    pub cpu_us_per_record: f64,
    /// Most memory the process held from its start to the window's end, in bytes.
    pub peak_rss_bytes: f64,
    /// Milliseconds from the start of the process to the first result a read_committed reader sees.
    pub first_result_ms: f64,
}

impl Measurement {
    /// The median of each number by itself; `None` of nothing.
    pub fn median(all: &[Self]) -> Option<Self> {
        let of = |number: fn(&Self) -> f64| median(all.iter().map(number).collect());
        Some(Self {
            records_per_s: of(|one| one.records_per_s)?,
            cpu_us_per_record: of(|one| one.cpu_us_per_record)?,
            peak_rss_bytes: of(|one| one.peak_rss_bytes)?,
            first_result_ms: of(|one| one.first_result_ms)?,
        })
    }
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = *numbers.get(numbers.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }
}

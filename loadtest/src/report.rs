//! Results: percentiles, medians, a JSON file.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{fmt, fs, path::Path};

use crate::{
    Outcome,
    process::{self, Machine},
};

/// A histogram of nanoseconds, from a microsecond to an hour, good to 3 digits.
///
/// # Panics
/// Never: the bounds are fixed.
#[must_use]
pub fn nanos() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3)
        .expect("these bounds are ones that the library takes")
}

/// What a histogram says, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Half are below.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// 999 of 1000 are below.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    /// Of a histogram of nanoseconds.
    #[must_use]
    pub fn of_nanos(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e6,
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p99,
            p999,
            max,
        } = self;
        write!(f, "p50 {p50:.2} p99 {p99:.2} p99.9 {p999:.2} max {max:.1}")
    }
}

/// The middle one; of an even number the lower of the two.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// A whole result, as it is written to a file.
#[derive(Debug, Serialize)]
pub struct Report<T> {
    /// What was run.
    pub scenario: &'static str,
    /// With what arguments.
    pub arguments: Vec<String>,
    /// The harness's version.
    pub version: &'static str,
    /// On what, and how busy it was before.
    pub machine: Machine,
    /// How busy it was after.
    pub load_after: String,
    /// What came of it.
    pub results: T,
}

impl<T: Serialize> Report<T> {
    /// Of results that just came.
    #[must_use]
    pub fn new(scenario: &'static str, machine: Machine, results: T) -> Self {
        // The secret of a server is nobody else's business.
        let mut arguments: Vec<_> = std::env::args().skip(1).collect();
        for i in 1..arguments.len() {
            if arguments[i - 1] == "--secret" {
                arguments[i] = "***".to_owned();
            }
        }
        Self {
            scenario,
            arguments,
            version: env!("CARGO_PKG_VERSION"),
            machine,
            load_after: process::load(),
            results,
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When it cannot.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        fs::write(path, serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.0));
    }

    #[test]
    fn percentiles_are_milliseconds() {
        let mut histogram = nanos();
        for ms in 1..=100_u64 {
            histogram.saturating_record(ms * 1_000_000);
        }
        let p = Percentiles::of_nanos(&histogram);
        assert!(
            (49.0..51.0).contains(&p.p50) && (98.0..101.0).contains(&p.p99),
            "{p}"
        );
    }
}

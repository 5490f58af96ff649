//! Metrics that are functions: the number is kept elsewhere, as a plain atomic, and read when
//! somebody looks.

use prometheus::{
    core::{Collector, Desc},
    proto::{self, MetricFamily, MetricType},
};
use std::collections::HashMap;

/// A histogram as it stands: counts per bucket (not cumulative, the last one above every
/// bound), and the sum of all values.
pub type HistogramSnapshot = (Vec<u64>, f64);

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) enum Reading {
    Number(f64),
    Histogram(&'static [f64], HistogramSnapshot),
}

struct FnCollector<F> {
    desc: Desc,
    kind: Kind,
    read: F,
}

/// A metric without labels that `read` tells.
pub(super) fn collector<F: Fn() -> Reading + Send + Sync + 'static>(
    name: &str,
    help: &str,
    kind: Kind,
    read: F,
) -> impl Collector + use<F> {
    let desc = Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new())
        .expect("describes, because the name and help are written in the wiring");
    FnCollector { desc, kind, read }
}

impl<F: Fn() -> Reading + Send + Sync> Collector for FnCollector<F> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut metric = proto::Metric::default();
        match ((self.read)(), self.kind) {
            (Reading::Number(value), Kind::Counter) => {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            (Reading::Number(value), _) => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            (Reading::Histogram(bounds, snapshot), _) => {
                metric.set_histogram(histogram(bounds, &snapshot));
            }
        }
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(vec![metric]);
        vec![family]
    }
}

fn histogram(bounds: &[f64], (counts, sum): &HistogramSnapshot) -> proto::Histogram {
    let mut below = 0;
    let buckets = bounds
        .iter()
        .zip(counts)
        .map(|(bound, count)| {
            below += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        })
        .collect();
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets);
    // Counted here rather than taken from a total of its own, which could be ahead of the
    // buckets by an observation in flight.
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(*sum);
    histogram
}

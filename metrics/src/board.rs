//! The values of all metrics now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::catalogue::{BOUNDS_S, Kind, METRICS, Metric};

/// Names and values of a sample's labels.
type Labels = Vec<(String, String)>;

/// A value of any kind.
#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Buckets { counts: [u64; BOUNDS_S.len() + 1], sum_s: f64 },
}

/// Shared by whoever feeds it and whoever answers scrapes; both hold it for microseconds.
#[derive(Debug, Clone, Default)]
pub struct Board {
    values: Arc<Mutex<BTreeMap<&'static str, BTreeMap<Labels, Value>>>>,
}

impl Board {
    fn values(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeMap<Labels, Value>>> {
        // A feeder that panicked leaves whole values: each is set in one step.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to a counter.
    pub(crate) fn add(&self, name: &'static str, labels: &[(&str, &str)], more: f64) {
        let mut values = self.values();
        let place = values.entry(name).or_default().entry(owned(labels));
        if let Value::Number(value) = place.or_insert(Value::Number(0.0)) {
            *value += more;
        }
    }

    /// Sets a gauge, or a counter that somebody else keeps.
    pub(crate) fn set(&self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.values().entry(name).or_default().insert(owned(labels), Value::Number(value));
    }

    /// Forgets all samples of a metric.
    pub(crate) fn clear(&self, name: &'static str) {
        self.values().remove(name);
    }

    /// Adds a histogram of nanoseconds.
    pub(crate) fn observe(&self, name: &'static str, histogram: &Histogram<u64>) {
        let mut values = self.values();
        let empty = Value::Buckets { counts: [0; BOUNDS_S.len() + 1], sum_s: 0.0 };
        let place = values.entry(name).or_default().entry(Vec::new()).or_insert(empty);
        let Value::Buckets { counts, sum_s } = place else { return };
        for step in histogram.iter_recorded() {
            let seconds = step.value_iterated_to() as f64 / 1e9;
            let bucket = BOUNDS_S.partition_point(|bound| *bound < seconds);
            counts[bucket] += step.count_since_last_iteration();
            *sum_s += seconds * step.count_since_last_iteration() as f64;
        }
    }

    /// Everything in OpenMetrics' text.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Collector for Board {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let values = self.values();
        for metric in &METRICS {
            if let Some(samples) = values.get(metric.name) {
                family(metric, samples, &mut encoder)?;
            }
        }
        Ok(())
    }
}

fn family(
    metric: &Metric,
    samples: &BTreeMap<Labels, Value>,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    // The library ends each help with a full stop of its own.
    let help = metric.help.trim_end_matches('.');
    let mut encoder = encoder.encode_descriptor(metric.name, help, None, kind)?;
    for (labels, value) in samples {
        let mut sample = encoder.encode_family(labels)?;
        match (value, metric.kind) {
            (Value::Number(number), Kind::Counter) => {
                sample.encode_counter::<NoLabelSet, _, f64>(number, None)?;
            }
            (Value::Number(number), _) => sample.encode_gauge(number)?,
            (Value::Buckets { counts, sum_s }, _) => {
                let bounds = BOUNDS_S.into_iter().chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
                sample.encode_histogram::<NoLabelSet>(
                    *sum_s,
                    counts.iter().sum(),
                    &buckets,
                    None,
                )?;
            }
        }
    }
    Ok(())
}

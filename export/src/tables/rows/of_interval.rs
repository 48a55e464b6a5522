//! The tables that intervals become: totals, commands, errors, histograms, nodes and slots.

use hdrhistogram::Histogram;
use stallion_timeline::histogram::decode;
use stallion_timeline::{ClientLate, Interval, NodeShare, OpCounts, SlotShare};

use super::super::Table;
use super::super::parquet::{Cell, table};
use super::{Row, Times, with_times};
use crate::source::ExportError;

/// An interval and what its histograms say.
#[derive(Debug)]
struct Decoded {
    interval: Interval,
    warmup: bool,
    errors: u64,
    response: Histogram<u64>,
    service: Histogram<u64>,
    lag: Histogram<u64>,
}

/// A bucket of a histogram.
#[derive(Debug)]
struct Bucket {
    kind: &'static str,
    value_ns: u64,
    count: u64,
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct IntervalRows {
    intervals: Vec<Row<Decoded>>,
    commands: Vec<Row<(String, OpCounts)>>,
    errors: Vec<Row<(String, u64)>>,
    buckets: Vec<Row<Bucket>>,
    nodes: Vec<Row<NodeShare>>,
    slots: Vec<Row<SlotShare>>,
    late: Vec<Row<ClientLate>>,
}

impl IntervalRows {
    pub(super) fn add(&mut self, interval: &Interval, times: &Times) -> Result<(), ExportError> {
        let (start_ns, end_ns) = (interval.start_ns, interval.end_ns);
        for (name, counts) in &interval.ops {
            self.commands.push(times.row(start_ns, end_ns, (name.clone(), counts.clone())));
        }
        for (name, count) in &interval.errors {
            self.errors.push(times.row(start_ns, end_ns, (name.clone(), *count)));
        }
        let decoded = Decoded {
            warmup: start_ns.saturating_add_signed(times.shift_ns) < times.origin_ns,
            errors: interval.ops.values().map(|counts| counts.errors).sum(),
            response: decode(&interval.response_hdr)?,
            service: decode(&interval.service_hdr)?,
            lag: decode(&interval.lag_hdr)?,
            interval: interval.clone(),
        };
        for (kind, histogram) in
            [("response", &decoded.response), ("service", &decoded.service), ("lag", &decoded.lag)]
        {
            for step in histogram.iter_recorded() {
                let (value_ns, count) =
                    (step.value_iterated_to(), step.count_since_last_iteration());
                let bucket = Bucket { kind, value_ns, count };
                self.buckets.push(times.row(start_ns, end_ns, bucket));
            }
        }
        if let Some(cluster) = &interval.cluster {
            let nodes = cluster.nodes.iter().cloned();
            self.nodes.extend(nodes.map(|node| times.row(start_ns, end_ns, node)));
            let slots = cluster.hot_slots.iter().cloned();
            self.slots.extend(slots.map(|slot| times.row(start_ns, end_ns, slot)));
        }
        self.intervals.push(times.row(start_ns, end_ns, decoded));
        Ok(())
    }

    pub(super) fn late(&mut self, late: &ClientLate, times: &Times) {
        self.late.push(times.row(late.start_ns, late.end_ns, late.clone()));
    }

    pub(super) fn tables(&self) -> Result<Vec<Table>, ExportError> {
        Ok(vec![
            table("intervals", &interval_columns(), &self.intervals)?,
            table(
                "commands",
                &with_times(vec![
                    ("command", Cell::Text(|row: &Row<(String, OpCounts)>| row.of.0.clone())),
                    ("ok", Cell::Count(|row| row.of.1.ok)),
                    ("hits", Cell::Count(|row| row.of.1.hits)),
                    ("misses", Cell::Count(|row| row.of.1.misses)),
                    ("errors", Cell::Count(|row| row.of.1.errors)),
                ]),
                &self.commands,
            )?,
            table(
                "errors",
                &with_times(vec![
                    ("kind", Cell::Text(|row: &Row<(String, u64)>| row.of.0.clone())),
                    ("count", Cell::Count(|row| row.of.1)),
                ]),
                &self.errors,
            )?,
            table(
                "histograms",
                &with_times(vec![
                    ("kind", Cell::Text(|row: &Row<Bucket>| row.of.kind.to_owned())),
                    ("value_ns", Cell::Count(|row| row.of.value_ns)),
                    ("count", Cell::Count(|row| row.of.count)),
                ]),
                &self.buckets,
            )?,
            table(
                "nodes",
                &with_times(vec![
                    ("node", Cell::Text(|row: &Row<NodeShare>| row.of.node.clone())),
                    ("ops", Cell::Count(|row| row.of.ops)),
                    ("bytes", Cell::Count(|row| row.of.bytes)),
                    ("errors", Cell::Count(|row| row.of.errors.values().sum())),
                ]),
                &self.nodes,
            )?,
            table(
                "slots",
                &with_times(vec![
                    ("slot", Cell::Count(|row: &Row<SlotShare>| u64::from(row.of.slot))),
                    ("ops", Cell::Count(|row| row.of.ops)),
                    ("bytes", Cell::Count(|row| row.of.bytes)),
                    ("redirects", Cell::Count(|row| row.of.redirects)),
                    ("errors", Cell::Count(|row| row.of.errors)),
                ]),
                &self.slots,
            )?,
            table(
                "client_late",
                &with_times(vec![(
                    "ring",
                    Cell::Count(|row: &Row<ClientLate>| u64::from(row.of.ring)),
                )]),
                &self.late,
            )?,
        ])
    }
}

fn interval_columns() -> Vec<(&'static str, Cell<Row<Decoded>>)> {
    with_times(vec![
        ("warmup", Cell::Count(|row: &Row<Decoded>| u64::from(row.of.warmup))),
        ("due", Cell::Count(|row| row.of.interval.due)),
        ("sent", Cell::Count(|row| row.of.interval.sent)),
        ("answered", Cell::Count(|row| row.of.interval.answered)),
        ("errors", Cell::Count(|row| row.of.errors)),
        ("timeouts", Cell::Count(|row| row.of.interval.timeouts)),
        ("lost", Cell::Count(|row| row.of.interval.lost)),
        ("in_flight", Cell::Count(|row| row.of.interval.in_flight)),
        ("backlog", Cell::Count(|row| row.of.interval.backlog)),
        ("response_p50_ns", Cell::Count(|row| row.of.response.value_at_quantile(0.5))),
        ("response_p99_ns", Cell::Count(|row| row.of.response.value_at_quantile(0.99))),
        ("response_p999_ns", Cell::Count(|row| row.of.response.value_at_quantile(0.999))),
        ("response_max_ns", Cell::Count(|row| row.of.response.max())),
        ("service_p50_ns", Cell::Count(|row| row.of.service.value_at_quantile(0.5))),
        ("service_p99_ns", Cell::Count(|row| row.of.service.value_at_quantile(0.99))),
        ("service_max_ns", Cell::Count(|row| row.of.service.max())),
        ("lag_p99_ns", Cell::Count(|row| row.of.lag.value_at_quantile(0.99))),
        ("bytes_sent", Cell::Count(|row| row.of.interval.bytes_sent)),
        ("bytes_received", Cell::Count(|row| row.of.interval.bytes_received)),
        ("client_cpu_ns", Cell::Count(|row| row.of.interval.client_cpu_ns)),
        ("client_busy_max", Cell::Real(|row| row.of.interval.client_busy_max)),
        ("client_runqueue_ns", Cell::Count(|row| row.of.interval.client_runqueue_ns)),
        ("client_syscalls", Cell::Count(|row| row.of.interval.client_syscalls)),
        ("reconnects", Cell::Count(|row| row.of.interval.reconnects)),
        ("slow_count", Cell::Count(|row| row.of.interval.slow_count)),
        ("slow_sum_ns", Cell::Count(|row| row.of.interval.slow_sum_ns)),
    ])
}

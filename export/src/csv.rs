//! A line for each interval, for spreadsheets and plotting programs.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use stallion_timeline::histogram::decode;
use stallion_timeline::{Interval, Timeline};

use crate::source::{ExportError, intervals, origin_ns};

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1.0)];

/// All intervals, the warm-up with times below zero, under one line of names with units.
///
/// # Errors
/// [`ExportError::Histogram`] when one is broken.
pub fn write(timeline: &Timeline) -> Result<String, ExportError> {
    let origin_ns = origin_ns(timeline);
    let mut text = String::from("start_s,length_s,phase,due,sent,answered,errors,timeouts,lost");
    text.push_str(",in_flight,backlog,hits,misses");
    for kind in ["response", "service", "lag"] {
        for (name, _) in QUANTILES {
            let _ = write!(text, ",{kind}_{name}_us");
        }
    }
    text.push_str(",bytes_sent,bytes_received,client_cpu_s,client_busy_max,reconnects,slow\n");
    for interval in intervals(timeline) {
        line(&mut text, interval, origin_ns)?;
    }
    Ok(text)
}

fn line(text: &mut String, interval: &Interval, origin_ns: u64) -> Result<(), ExportError> {
    let start_s = (interval.start_ns as f64 - origin_ns as f64) / 1e9;
    let length_s = (interval.end_ns - interval.start_ns) as f64 / 1e9;
    let phase = if interval.start_ns < origin_ns { "warmup" } else { "measure" };
    let Interval { due, sent, answered, timeouts, lost, in_flight, backlog, .. } = interval;
    let (hits, misses, errors) =
        interval.ops.values().fold((0, 0, 0), |(hits, misses, errors), counts| {
            (hits + counts.hits, misses + counts.misses, errors + counts.errors)
        });
    let _ = write!(
        text,
        "{start_s:.6},{length_s:.6},{phase},{due},{sent},{answered},{errors},{timeouts},{lost},\
         {in_flight},{backlog},{hits},{misses}"
    );
    for encoded in [&interval.response_hdr, &interval.service_hdr, &interval.lag_hdr] {
        percentiles(text, &decode(encoded)?);
    }
    let _ = writeln!(
        text,
        ",{},{},{:.6},{:.4},{},{}",
        interval.bytes_sent,
        interval.bytes_received,
        interval.client_cpu_ns as f64 / 1e9,
        interval.client_busy_max,
        interval.reconnects,
        interval.slow_count
    );
    Ok(())
}

/// An interval without answers has no percentiles: its fields stay empty.
fn percentiles(text: &mut String, histogram: &Histogram<u64>) {
    for (_, quantile) in QUANTILES {
        text.push(',');
        if !histogram.is_empty() {
            let _ = write!(text, "{:.3}", histogram.value_at_quantile(quantile) as f64 / 1e3);
        }
    }
}

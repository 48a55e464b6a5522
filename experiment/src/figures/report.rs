//! What the report found: phases, causes, and what only the probes saw.

use serde_json::Value;

use super::Sink;

const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p999", "max"];

pub(super) fn causes(sink: &mut Sink<'_>, report: &Value) {
    let probes = items(&report["probes"]);
    sink.0.probed = probes.iter().any(|probe| probe["status"] == "active");
    shares(sink, "share", &report["attribution"]);
    for phase in items(&report["phases"]) {
        let Some(label) = phase["label"].as_str().filter(|label| !label.is_empty()) else {
            continue;
        };
        for name in PERCENTILES {
            let ns = phase["response"][format!("{name}_ns")].as_f64();
            sink.maybe(format!("phase.{label}.{name}_us"), ns.map(|ns| ns / 1e3));
        }
        shares(sink, &format!("phase.{label}.share"), &phase["attribution"]);
    }
    for onset in items(&report["disturbances"]) {
        let Some(action) = onset["action"].as_str() else { continue };
        let slowest = onset["slowest_ns"].as_f64();
        sink.maybe(format!("onset.{action}.slowest_ms"), slowest.map(|ns| ns / 1e6));
        shares(sink, &format!("onset.{action}.share"), &onset["attribution"]);
    }
    for stalled in items(&report["stalled"]) {
        let Some(cause) = stalled["cause"].as_str() else { continue };
        sink.maybe(format!("stalled.{cause}.count"), stalled["count"].as_f64());
        for name in ["main", "longest", "background"] {
            let ns = stalled[format!("{name}_ns")].as_f64().filter(|ns| *ns > 0.0);
            sink.maybe(format!("stalled.{cause}.{name}_ms"), ns.map(|ns| ns / 1e6));
        }
    }
    for missed in items(&report["crosscheck"]["missed"]) {
        let Some(cause) = missed["cause"].as_str() else { continue };
        sink.maybe(format!("missed.{cause}.count"), missed["count"].as_f64());
        for name in ["total", "longest"] {
            let ns = missed[format!("{name}_ns")].as_f64();
            sink.maybe(format!("missed.{cause}.{name}_ms"), ns.map(|ns| ns / 1e6));
        }
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// Shares of slow requests' time as parts of 1.
fn shares(sink: &mut Sink<'_>, name: &str, attribution: &Value) {
    for share in items(&attribution["shares"]) {
        let percent = share["share_percent"].as_f64().filter(|percent| *percent >= 0.1);
        if let Some(cause) = share["cause"].as_str() {
            sink.maybe(format!("{name}.{cause}"), percent.map(|percent| percent / 100.0));
        }
    }
}

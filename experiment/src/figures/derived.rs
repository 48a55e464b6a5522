//! Figures that follow from others: what a law says of them, and what one side counted as a share of
//! what the other did.

use super::Sink;
use crate::data::PointData;
use crate::scenario::Scenario;

/// Quotients of two figures by name.
const SHARES: [(&str, &str, &str); 14] = [
    ("sets_by_store_reads", "cmdstat_set.calls", "store.counts.reads"),
    ("keys_kept", "chaos.restart.keys_after", "chaos.restart.keys_before"),
    ("reconnects_by_server", "total_connections_received", "reconnects"),
    ("invalidations_per_write", "mitigation.counts.invalidations", "mitigation.counts.writes"),
    ("server_bytes_per_read", "total_net_output_bytes", "mitigation.counts.reads"),
    ("harm_by_script", "during.long-script:left.max_us", "chaos.long-script:left.slowlog_us"),
    ("in_use_share", "connections_in_use", "in_flight_most"),
    ("waited_by_promotion", "longest_wait_ms", "chaos.kill-master.promoted_ms"),
    ("agreed_by_timeout", "chaos.kill-master.agreed_ms", "node_timeout_ms"),
    ("stopped_by_timeout", "chaos.partition.stopped_ms", "node_timeout_ms"),
    ("lost_of_alone", "chaos.partition.alone_lost", "chaos.partition.alone_acknowledged"),
    ("copied_by_moved", "db0.keys", "keys_moved_by_ring"),
    ("gets_by_sent_reads", "cmdstat_get.calls", "reads_sent"),
    ("commands_by_answers", "reads_and_writes_at_servers", "answers"),
];

/// The same, where a disturbance counted both.
const BY_OFFSET: [(&str, &str); 2] = [
    ("chaos.partition.alone_lost_bytes", "chaos.partition.alone_offset_bytes"),
    ("chaos.lose-primary.lost_bytes", "chaos.lose-primary.offset_behind_bytes"),
];

/// Adds them to what a run has; what they need and is not there makes none.
pub(crate) fn add(data: &mut PointData, scenario: &Scenario) {
    let drive = &scenario.drive;
    let mut sink = Sink(data);
    sink.put("connections", drive.conns as f64);
    sink.put("in_flight_most", (drive.conns * drive.pipeline.unwrap_or(1).max(1)) as f64);
    sink.put("keys", scenario.load.keys.get() as f64);
    let timeout = scenario.stack.config.get("cluster-node-timeout");
    sink.maybe("node_timeout_ms", timeout.and_then(|timeout| timeout.parse().ok()));
    little(&mut sink);
    counted(&mut sink);
    moved(&mut sink);
    for (name, part, whole) in SHARES {
        share(&mut sink, name, part, whole);
    }
    for (part, whole) in BY_OFFSET {
        share(&mut sink, "lost_by_offset", part, whole);
    }
}

fn share(sink: &mut Sink<'_>, name: &str, part: &str, whole: &str) {
    let whole = sink.0.figure(whole).filter(|whole| *whole > 0.0);
    let pair = sink.0.figure(part).zip(whole);
    sink.maybe(name, pair.map(|(part, whole)| part / whole));
}

/// Little's law: what is under way is what arrives in a second times how long each stays.
fn little(sink: &mut Sink<'_>) {
    let figure = |name: &str| sink.0.figure(name);
    let (Some(ops), Some(us)) =
        (figure("ops_per_sec"), figure("service_mean_us").filter(|us| *us > 0.0))
    else {
        return;
    };
    let possible = figure("in_flight_most").unwrap_or(0.0) * 1e6 / us;
    let asked = figure("rate_asked").filter(|rate| *rate > 0.0).unwrap_or(possible);
    sink.put("connections_in_use", ops * us / 1e6);
    sink.put("answered_by_law", ops / asked.min(possible));
}

/// What servers and client counted, of the same.
fn counted(sink: &mut Sink<'_>) {
    let figure = |name: &str| sink.0.figure(name);
    let counts = |name: &str| figure(&format!("mitigation.counts.{name}"));
    let kept = counts("from_memory").zip(counts("joined")).map(|(memory, joined)| memory + joined);
    let sent = counts("reads").zip(kept).map(|(reads, kept)| reads - kept);
    let calls = figure("cmdstat_get.calls").zip(figure("cmdstat_set.calls"));
    let answers = figure("ops_per_sec").zip(figure("duration_s")).map(|(ops, time)| ops * time);
    let before = figure("chaos.kill-master.epoch_before");
    let epochs = figure("chaos.kill-master.epoch_after").zip(before);
    let outage = figure("chaos.kill-master.outage_ms").zip(figure("node_timeout_ms"));
    let longest = figure("max_us");
    let lag = |depth: u32| figure(&format!("chaos.replica-lag.depth_{depth}.lag_p99_ms"));
    let deepest = (1..=8).rev().find_map(lag);
    sink.maybe("reads_sent", sent);
    sink.maybe("reads_and_writes_at_servers", calls.map(|(gets, sets)| gets + sets));
    sink.maybe("answers", answers);
    sink.maybe("epochs_of_failover", epochs.map(|(after, before)| after - before));
    sink.maybe("longest_wait_ms", longest.map(|us| us / 1e3));
    sink.maybe("after_timeout_ms", outage.map(|(outage, timeout)| outage - timeout));
    sink.maybe("lag_deepest_p99_ms", deepest);
}

/// What share of the keys is elsewhere, and how even servers are, by a ring or by slots.
fn moved(sink: &mut Sink<'_>) {
    let figure = |name: &str| sink.0.figure(name);
    let keys = figure("keys").unwrap_or(0.0);
    let ring = figure("moved_to_compared");
    let slots = figure("chaos.add-node.keys_moved").map(|moved| moved / keys.max(1.0));
    let fair = figure("hottest_master_share").zip(figure("masters"));
    let fair = fair.map(|(share, masters)| share * masters);
    let busiest = figure("hottest_server_by_fair").or(fair);
    sink.maybe("moved_share", ring.or(slots));
    sink.maybe("keys_moved_by_ring", ring.map(|share| share * keys));
    sink.maybe("busiest_by_fair", busiest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\nquestion = \"x\"\n[load]\nkeys = 100\nvalue_size = 1\n\
                        [drive]\nrate = 5000\nconns = 2\nduration = \"1s\"\n";

    #[test]
    fn a_pool_that_is_too_small_answers_what_littles_law_says() {
        let scenario = Scenario::parse("x.toml", TEXT).unwrap();
        let figures = [
            ("ops_per_sec", 990.0),
            ("service_mean_us", 2_000.0),
            ("rate_asked", 5_000.0),
            ("moved_to_compared", 0.25),
            ("db0.keys", 24.0),
        ];
        let figures = figures.map(|(name, value)| (name.to_owned(), value));
        let mut data = PointData { figures: figures.into(), ..PointData::default() };
        add(&mut data, &scenario);
        assert_eq!(data.figure("connections_in_use"), Some(1.98));
        assert_eq!(data.figure("answered_by_law"), Some(0.99));
        assert_eq!(data.figure("in_use_share"), Some(0.99));
        assert_eq!(data.figure("copied_by_moved"), Some(0.96));
        assert_eq!(data.figure("keys_kept"), None);
    }
}

//! What `drive` shows on a terminal: a line each second, and the summary at the end.

mod cluster;

mod mitigation;

mod store;

mod ring;

use std::path::Path;

use stallion_client::record::Progress;
use stallion_client::run::Finished;
use stallion_client::summary::Summary;

use crate::client::{self, human_count, human_us};

/// One line a second.
pub(super) struct ProgressLines {
    open: bool,
    rows: u64,
}

impl ProgressLines {
    pub(super) const fn new(open: bool) -> Self {
        Self { open, rows: 0 }
    }

    pub(super) fn print(&mut self, progress: &Progress) {
        if self.rows.is_multiple_of(20) {
            eprintln!(
                "{:>7} {:>11} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
                "time", "req/s", "err/s", "hit%", "p50", "p99", "p99.9", "max", "lag", "client%"
            );
        }
        self.rows += 1;
        let merged = &progress.merged;
        let seconds = (merged.end_ns - merged.start_ns) as f64 / 1e9;
        let failed = merged.counts.failed + merged.counts.timeouts + merged.counts.lost;
        let (hits, misses) = merged
            .commands
            .iter()
            .fold((0, 0), |(hits, misses), command| (hits + command.hits, misses + command.misses));
        let hit = if hits + misses == 0 {
            "-".to_owned()
        } else {
            format!("{:.1}", hits as f64 * 100.0 / (hits + misses) as f64)
        };
        let response = merged.response_of(self.open);
        let at = |quantile| human_us(response.value_at_quantile(quantile) as f64 / 1e3);
        let phase = if progress.at_ns < 0 { "warm" } else { "" };
        eprintln!(
            "{:>7} {:>11} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
            format!("{phase}{:.0}s", progress.at_ns.max(0) as f64 / 1e9),
            human_count(merged.counts.answered as f64 / seconds),
            human_count(failed as f64 / seconds),
            hit,
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            human_us(merged.lag.value_at_quantile(0.99) as f64 / 1e3),
            format!("{:.0}", merged.busy_max * 100.0),
        );
    }
}

pub(super) fn print_summary(finished: &Finished, out: Option<&Path>) {
    let summary = &finished.summary;
    println!("{} ({} model) from {}", summary.target, summary.model, summary.host);
    println!(
        "{} requests answered in {:.1} s: {} a second{}",
        human_count(summary.ops as f64),
        summary.duration_s,
        human_count(summary.ops_per_sec),
        if summary.rate_asked > 0.0 {
            format!(" of {} asked", human_count(summary.rate_asked))
        } else {
            String::new()
        }
    );
    print_percentiles(summary);
    print_costs(summary);
    if let Some(cluster) = &summary.cluster {
        cluster::print(summary, cluster);
    }
    if let Some(mitigation) = &summary.mitigation {
        mitigation::print(mitigation);
    }
    if let Some(ring) = &summary.ring {
        ring::print(ring);
    }
    if let Some(store) = &summary.store {
        store::print(store);
    }
    for line in client::error_lines(&summary.errors) {
        println!("  error    {line}");
    }
    for warning in &summary.verdict.warnings {
        println!("  note     {warning}");
    }
    if finished.interrupted {
        println!("  note     ended early by a signal; what was measured until then is whole");
    }
    if let Some(out) = out {
        println!("  timeline {}", out.join("drive.jsonl").display());
    }
    let word = if summary.verdict.valid { "valid" } else { "INVALID" };
    println!("\n  verdict  {word}, bounded by {}", bound_name(summary));
}

fn print_percentiles(summary: &Summary) {
    println!(
        "\n  {:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    );
    let found = [
        ("response (from due)", Some(summary.response_us)),
        ("service (from send)", Some(summary.service_us)),
        ("schedule lag", Some(summary.schedule_lag_us)),
        ("receive delay (sample)", summary.receive_delay_us),
    ];
    for (name, found) in found.into_iter().filter_map(|(name, found)| Some((name, found?))) {
        let [p50, p90, p99, p999, p9999, max] = found.figures().map(|(value_us, at_least)| {
            format!("{}{}", if at_least { "≥ " } else { "" }, human_us(value_us))
        });
        println!("  {name:<22} {p50:>9} {p90:>9} {p99:>9} {p999:>9} {p9999:>9} {max:>9}");
    }
    if summary.unanswered > 0 {
        println!(
            "  ≥: {} requests never got an answer, and count with what they had waited",
            human_count(summary.unanswered as f64)
        );
    }
}

/// What the run cost both sides, and where its requests are.
fn print_costs(summary: &Summary) {
    let Summary { client, accounting, .. } = summary;
    println!(
        "\n  client   {:.0} ns of CPU and {:.3} system calls a request; busiest core {:.0} % busy",
        client.cpu_ns_per_op,
        client.syscalls_per_op,
        client.busy_max * 100.0
    );
    if let Some(busy) = summary.server_busy {
        println!("  server   main thread {:.0} % busy", busy * 100.0);
    }
    if let Some(tls) = &summary.tls {
        println!("  tls      {}, {}; kernel TLS: {}", tls.version, tls.cipher, tls.kernel);
    }
    if let Some(link) = &summary.link {
        let share = link.share().map_or_else(String::new, |share| {
            format!(", {:.0} % of what it carries", share * 100.0)
        });
        println!(
            "  link     {}: {:.1} Mbit/s received, {:.1} sent{share}",
            link.interface,
            link.received_bits_per_s / 1e6,
            link.sent_bits_per_s / 1e6
        );
    }
    if let Some(connect) = summary.connect_us {
        println!(
            "  connect  {} opened again: p50 {}, p99 {}, max {} each, hand-shake included",
            human_count(summary.reconnects as f64),
            human_us(connect.p50),
            human_us(connect.p99),
            human_us(connect.max)
        );
    }
    print_commands(summary);
    if summary.hits + summary.misses > 0 {
        let share = summary.hits as f64 * 100.0 / (summary.hits + summary.misses) as f64;
        println!("  reads    {share:.2} % found their key");
    }
    println!(
        "  requests {} due = {} sent + {} never sent; sent = {} answered + {} errors + {} timed out \
         + {} lost",
        accounting.due,
        accounting.sent,
        accounting.unsent,
        accounting.answered,
        accounting.failed,
        accounting.timeouts,
        accounting.lost
    );
}

/// A line for each command of a mix.
fn print_commands(summary: &Summary) {
    if summary.ops_by_command.len() < 2 {
        return;
    }
    for (name, counts) in &summary.ops_by_command {
        let share = (counts.ok + counts.errors) as f64 * 100.0 / summary.ops.max(1) as f64;
        let errors = match counts.errors {
            0 => String::new(),
            errors => format!(", {} errors", human_count(errors as f64)),
        };
        println!("  {name:<10} {} ({share:.1} %){errors}", human_count(counts.ok as f64));
    }
}

fn bound_name(summary: &Summary) -> String {
    serde_json::to_value(summary.verdict.bound)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

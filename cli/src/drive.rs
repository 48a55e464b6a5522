//! `stallion drive`: the measured run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use stallion_gen::null::NullServer;
use stallion_gen::plan::{Label, Plan, Rate};
use stallion_gen::record::Progress;
use stallion_gen::run::{Finished, Outputs, run as run_plan};
use stallion_gen::slo::Slo;
use stallion_gen::summary::Summary;
use stallion_timeline::Role;

use crate::client::{self, human_count, human_us};
use crate::exit::{Failure, Outcome};
use crate::null;

const EXAMPLES: &str = "\
Examples:
  stallion drive --rate max --duration 10s                     the closed model: how fast can it go?
  stallion drive --rate 20000 --duration 30s --out results/a   the open model, with a timeline
  stallion drive --rate 20000 --arrivals poisson --dist zipfian --zipf-s 1.1 --rw-ratio 9:1
  stallion drive --target null --pipeline 16                   the client's own ceiling
  stallion drive --rate 1000..50000 --duration 60s             a ramp; also 1000,5000,20000 (steps)
                                                               and 10000+40000@100ms/1s (bursts)
Exit: 0 ok, 1 failed, 2 could not start, 3 the run is invalid (the client was the bottleneck, or the
rate was missed), 99 an objective given with --slo was broken.";

/// The flags of `drive`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    work: client::Work,
    #[command(flatten)]
    traffic: client::Traffic,
    /// Requests a second over all connections, or max for the closed model
    #[arg(long, value_name = "RATE", default_value = "max")]
    rate: Rate,
    /// Length of what is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Length of what comes before and does not count
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Write the timeline DIR/drive.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the summary as one JSON object to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Requests slower than this are kept one by one, for attribution
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = humantime::parse_duration)]
    slow_threshold: Duration,
    /// Name a stretch of the run, from this time on; may be given again
    #[arg(long, value_name = "TIME=TEXT", value_parser = label)]
    phase_label: Vec<Label>,
    /// Objective, for example p99<1ms; exit 99 when it is broken
    #[arg(long, value_name = "pNN<TIME")]
    slo: Option<Slo>,
    /// CPUs of the null server of --target null [default: one that is not among --cores]
    #[arg(long, value_name = "LIST", value_parser = client::cores)]
    null_cores: Option<client::CoreList>,
    /// Exit 0 even if the run is invalid
    #[arg(long)]
    allow_invalid: bool,
}

fn label(text: &str) -> Result<Label, String> {
    let wrong = || format!("{text:?}: give TIME=TEXT, for example 12s=\"appendfsync always\"");
    let (at, name) = text.split_once('=').ok_or_else(wrong)?;
    let at = humantime::parse_duration(at).map_err(|_| wrong())?;
    Ok(Label { at_ns: at.as_nanos() as u64, text: name.to_owned() })
}

impl Args {
    /// The null server that the flags ask for, if they do.
    fn null_server(&self) -> Result<Option<NullServer>, Failure> {
        if !self.server.is_null() {
            return Ok(None);
        }
        let cores = match &self.null_cores {
            Some(list) => list.0.clone(),
            None => null::spare_core(&self.work.cores()),
        };
        let settings = null::beside(cores, self.work.value_size, self.traffic.conns);
        let server = NullServer::start(&settings).map_err(Failure::usage)?;
        Ok(Some(server))
    }

    fn plan(&self, null: Option<&NullServer>) -> Result<Plan, Failure> {
        let server = match null {
            Some(null) => &self.server.at(null.address()),
            None => &self.server,
        };
        let plan = client::plan(server, &self.work, &self.traffic)?;
        let ns = |duration: Duration| duration.as_nanos() as u64;
        Ok(Plan {
            rate: self.rate.clone(),
            duration_ns: ns(self.duration),
            warmup_ns: ns(self.warmup),
            slow_threshold_ns: ns(self.slow_threshold),
            labels: self.phase_label.clone(),
            ..plan
        })
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let null = args.null_server()?;
    let plan = args.plan(null.as_ref())?;
    let stop = client::stop_flag()?;
    let mut lines = ProgressLines { open: plan.rate != Rate::Max, rows: 0 };
    let watched = client::on_terminal();
    let mut progress = |progress: &Progress| {
        if watched {
            lines.print(progress);
        }
    };
    let mut outputs = Outputs {
        timeline: args.out.as_ref().map(|folder| folder.join("drive.jsonl")),
        role: Role::Drive,
        progress: &mut progress,
        stop,
    };
    let finished = run_plan(&plan, &mut outputs).map_err(client::start_failure)?;
    if let Some(path) = &args.json {
        write_json(path, &finished.summary)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        print_summary(&finished, args.out.as_deref());
    }
    verdict(args, finished)
}

fn verdict(args: &Args, finished: Finished) -> Outcome {
    let summary = finished.summary;
    if let Some(error) = finished.timeline_error {
        let cause = anyhow::anyhow!("the timeline broke off: {error}; the figures above are whole");
        return Err(Failure::Failed(cause));
    }
    if !summary.verdict.valid && !args.allow_invalid {
        return Err(Failure::Invalid(summary.verdict.reasons.join("; ")));
    }
    if let Some(slo) = args.slo.as_ref().filter(|slo| !slo.is_met(&summary.response_us)) {
        let found_us = slo.measured_us(&summary.response_us);
        return Err(Failure::SloBroken(format!("{slo} and it was {}", human_us(found_us))));
    }
    Ok(())
}

fn write_json(path: &Path, summary: &Summary) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(summary)? + "\n";
    if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes()).context("standard output")
    } else {
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))
    }
}

/// One line a second.
struct ProgressLines {
    open: bool,
    rows: u64,
}

impl ProgressLines {
    fn print(&mut self, progress: &Progress) {
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

fn print_summary(finished: &Finished, out: Option<&Path>) {
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
    println!(
        "\n  {:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    );
    for (name, found) in [
        ("response (from due)", summary.response_us),
        ("service (from send)", summary.service_us),
        ("schedule lag", summary.schedule_lag_us),
    ] {
        println!(
            "  {:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            name,
            human_us(found.p50),
            human_us(found.p90),
            human_us(found.p99),
            human_us(found.p999),
            human_us(found.p9999),
            human_us(found.max)
        );
    }
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
    for (kind, count) in &summary.errors {
        println!("  error    {kind}: {count}");
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

fn bound_name(summary: &Summary) -> String {
    serde_json::to_value(summary.verdict.bound)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

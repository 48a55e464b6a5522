//! `stallion drive`: the measured run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use stallion_gen::null::{NullServer, Settings};
use stallion_gen::plan::{Credentials, Distribution, Label, Plan, Rate, Spread, Target, Work};
use stallion_gen::record::Progress;
use stallion_gen::run::{Finished, Outputs, run as run_plan};
use stallion_gen::summary::{Percentiles, Summary};
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
    /// Requests a second over all connections, or max for the closed model
    #[arg(long, value_name = "RATE", default_value = "max")]
    rate: Rate,
    /// How the arrivals of an open model are spread
    #[arg(long, value_enum, default_value_t = Arrivals::Constant)]
    arrivals: Arrivals,
    /// Law by which keys are drawn
    #[arg(long, value_enum, default_value_t = Dist::Uniform)]
    dist: Dist,
    /// Exponent of --dist zipfian
    #[arg(long, value_name = "S", default_value_t = 0.99)]
    zipf_s: f64,
    /// Reads to writes
    #[arg(long, value_name = "R:W", default_value = "1:0", value_parser = ratio)]
    rw_ratio: (u32, u32),
    /// Connections, over all cores
    #[arg(long, value_name = "N", default_value_t = 50)]
    conns: usize,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: usize,
    /// Length of what is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Length of what comes before and does not count
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Compare every value that comes back with what `load` or a write of this seed wrote
    #[arg(long)]
    verify: bool,
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
    #[arg(long, value_name = "pNN<TIME", value_parser = slo)]
    slo: Option<Slo>,
    /// CPUs of the null server of --target null [default: one that is not among --cores]
    #[arg(long, value_name = "LIST", value_parser = client::cores)]
    null_cores: Option<client::CoreList>,
    /// Exit 0 even if the run is invalid
    #[arg(long)]
    allow_invalid: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Arrivals {
    Constant,
    Poisson,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Dist {
    Uniform,
    Zipfian,
    Sequential,
}

/// An objective for one percentile of the response time.
#[derive(Debug, Clone)]
struct Slo {
    text: String,
    percentile: &'static str,
    limit_us: f64,
}

fn ratio(text: &str) -> Result<(u32, u32), String> {
    text.split_once(':')
        .and_then(|(reads, writes)| reads.parse().ok().zip(writes.parse().ok()))
        .ok_or_else(|| format!("{text:?} is no ratio: give reads:writes, for example 9:1"))
}

fn label(text: &str) -> Result<Label, String> {
    let wrong = || format!("{text:?}: give TIME=TEXT, for example 12s=\"appendfsync always\"");
    let (at, name) = text.split_once('=').ok_or_else(wrong)?;
    let at = humantime::parse_duration(at).map_err(|_| wrong())?;
    Ok(Label {
        at_ns: at.as_nanos() as u64,
        text: name.to_owned(),
    })
}

fn slo(text: &str) -> Result<Slo, String> {
    let wrong = || format!("{text:?}: give p50, p90, p99, p999, p9999 or max < a time: p99<1ms");
    let (name, limit) = text.split_once('<').ok_or_else(wrong)?;
    let percentile = ["p50", "p90", "p99", "p999", "p9999", "max"]
        .into_iter()
        .find(|known| {
            *known
                == name
                    .trim()
                    .replace("p99.9", "p999")
                    .replace("p999.9", "p9999")
        })
        .ok_or_else(wrong)?;
    let limit = humantime::parse_duration(limit.trim()).map_err(|_| wrong())?;
    Ok(Slo {
        text: text.to_owned(),
        percentile,
        limit_us: limit.as_nanos() as f64 / 1e3,
    })
}

impl Slo {
    fn measured_us(&self, found: &Percentiles) -> f64 {
        match self.percentile {
            "p50" => found.p50,
            "p90" => found.p90,
            "p99" => found.p99,
            "p999" => found.p999,
            "p9999" => found.p9999,
            _ => found.max,
        }
    }
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
        let settings = Settings {
            cores,
            value_bytes: self.work.value_size,
            ..null::settings(0)
        };
        let server = NullServer::start(&settings).map_err(Failure::usage)?;
        Ok(Some(server))
    }

    fn plan(&self, null: Option<&NullServer>) -> Result<Plan, Failure> {
        let (target, credentials) = match null {
            None => self.server.resolve()?,
            Some(server) => (
                Target::Tcp {
                    host: server.address().ip().to_string(),
                    port: server.address().port(),
                },
                Credentials::default(),
            ),
        };
        let (reads, writes) = self.rw_ratio;
        let distribution = match self.dist {
            Dist::Uniform => Distribution::Uniform,
            Dist::Zipfian => Distribution::Zipfian { s: self.zipf_s },
            Dist::Sequential => Distribution::Sequential,
        };
        let ns = |duration: Duration| duration.as_nanos() as u64;
        Ok(Plan {
            target,
            credentials,
            resp3: self.server.resp3,
            work: Work::Traffic {
                reads,
                writes,
                distribution,
            },
            keys: self.work.keys,
            key_prefix: self.work.key_prefix.clone(),
            value_size: self.work.value_size,
            ttl: self.work.ttl(),
            verify: self.verify,
            rate: self.rate.clone(),
            arrivals: match self.arrivals {
                Arrivals::Constant => Spread::Constant,
                Arrivals::Poisson => Spread::Poisson,
            },
            conns: self.conns,
            pipeline: self.pipeline,
            duration_ns: ns(self.duration),
            warmup_ns: ns(self.warmup),
            cores: self.work.cores(),
            io: self.work.io.into(),
            wait: self.work.wait.into(),
            timeout_ns: ns(self.work.timeout),
            slow_threshold_ns: ns(self.slow_threshold),
            interval_ns: ns(self.work.interval),
            seed: self.work.seed,
            labels: self.phase_label.clone(),
        })
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let null = args.null_server()?;
    let plan = args.plan(null.as_ref())?;
    let stop = client::stop_flag()?;
    let mut lines = ProgressLines {
        open: plan.rate != Rate::Max,
        rows: 0,
    };
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
    if let Some(slo) = &args.slo {
        let found_us = slo.measured_us(&summary.response_us);
        if found_us >= slo.limit_us {
            let text = format!("{} and it was {}", slo.text, human_us(found_us));
            return Err(Failure::SloBroken(text));
        }
    }
    Ok(())
}

fn write_json(path: &Path, summary: &Summary) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(summary)? + "\n";
    if path == Path::new("-") {
        std::io::stdout()
            .write_all(text.as_bytes())
            .context("standard output")
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
            .fold((0, 0), |(hits, misses), command| {
                (hits + command.hits, misses + command.misses)
            });
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
    println!(
        "{} ({} model) from {}",
        summary.target, summary.model, summary.host
    );
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
    let Summary {
        client, accounting, ..
    } = summary;
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
    let word = if summary.verdict.valid {
        "valid"
    } else {
        "INVALID"
    };
    println!("\n  verdict  {word}, bounded by {}", bound_name(summary));
}

fn bound_name(summary: &Summary) -> String {
    serde_json::to_value(summary.verdict.bound)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

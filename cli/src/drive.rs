//! `stallion drive`: the measured run.

mod terminal;

mod trace;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stallion_client::fill::copies;
use stallion_client::plan::{Label, Plan, Rate, Work};
use stallion_client::record::Progress;
use stallion_client::run::{Finished, Outputs, run as run_plan};
use stallion_client::slo::Slo;
use stallion_engine::measure::outcome::ErrorKind;
use stallion_null::NullServer;
use stallion_timeline::Role;

use terminal::{ProgressLines, print_summary};

use crate::client::{self, human_us};
use crate::compare::{Limits, check_baseline, with_baseline};
use crate::exit::{Failure, Outcome};
use crate::live::{self, Live};
use crate::null;

const EXAMPLES: &str = "\
Examples:
  stallion drive --rate max --duration 10s                     the closed model: how fast can it go?
  stallion drive --rate 20000 --duration 30s --out results/a   the open model, with a timeline
  stallion drive --rate 20000 --arrivals poisson --dist zipfian --zipf-s 1.1 --rw-ratio 9:1
  stallion drive --target null --pipeline 16                   the client's own ceiling
  stallion drive --rate 1000..50000 --duration 60s             a ramp; also 1000,5000,20000 (steps)
                                                               and 10000+40000@100ms/1s (bursts)
  stallion drive --mix get=80,set=15,mget:8=5 --value-size 100-2000
  stallion drive --rate 20000 --out results/b --baseline results/a --fail-on 'p99>5%'
  stallion drive --rate 20000 --duration 10m --metrics 9121      for Prometheus, on loopback
  stallion drive --rate 20000 --duration 10m --tui             on the whole terminal; q ends it
  stallion drive --trace monday.trace --speed 2                traffic as `stallion capture` saw it
Exit: 0 ok, 1 failed, 2 could not start, 3 the run is invalid (the client was the bottleneck, or the
rate was missed), 99 an objective given with --slo was broken.";

/// The flags of `drive`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES, next_help_heading = "The run")]
pub(crate) struct Args {
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    work: client::Work,
    #[command(flatten)]
    traffic: client::Traffic,
    /// Requests a second over all connections, or max for the closed model [default: max; with
    /// --trace the trace's own times]
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Length of what is measured [default: 10s; with --trace all of it]
    #[arg(long, value_name = "TIME", value_parser = client::duration)]
    duration: Option<Duration>,
    /// Length of what comes before and does not count [default: 1s; with --trace none]
    #[arg(long, value_name = "TIME", value_parser = client::duration)]
    warmup: Option<Duration>,
    /// Replay a file of `stallion capture`, or a cache trace (lines of timestamp,key,key size,value
    /// size,client id,operation,TTL), once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mix", "command", "script", "tx", "rw_ratio", "verify"])]
    trace: Option<PathBuf>,
    /// Replay so many times as fast as it was recorded
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        requires = "trace",
        conflicts_with = "rate"
    )]
    speed: f64,
    /// Write the timeline DIR/drive.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the summary as one JSON object to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Requests slower than this are kept one by one, for attribution
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = client::duration)]
    slow_threshold: Duration,
    /// Measure the clock of the server's host at the start and the end, by the prober that runs
    /// there with --listen at this address: the report then joins both hosts' timelines
    #[arg(long, value_name = "HOST:PORT", value_parser = client::socket_address)]
    clock: Option<SocketAddr>,
    /// Name a stretch of the run, from this time on; may be given again
    #[arg(long, value_name = "TIME=TEXT", value_parser = label)]
    phase_label: Vec<Label>,
    /// Objective, for example p99<1ms; exit 99 when it is broken
    #[arg(long, value_name = "pNN<TIME")]
    slo: Option<Slo>,
    #[command(flatten)]
    metrics: live::Metrics,
    #[command(flatten)]
    shown: live::Shown,
    /// Compare with an earlier run at the end: its timeline, or its folder
    #[arg(long, value_name = "RUN", requires = "out")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
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
    let at = client::duration(at).map_err(|_| wrong())?;
    Ok(Label { at_ns: at.as_nanos() as u64, text: name.to_owned() })
}

impl Args {
    /// The null server that the flags ask for, if they do.
    fn null_server(&self) -> Result<Option<NullServer>, Failure> {
        if !self.server.is_null() {
            return Ok(None);
        }
        if self.server.wants_tls()? {
            return Err(Failure::usage("--target null is without TLS: leave out --tls"));
        }
        let cores = match &self.null_cores {
            Some(list) => list.0.clone(),
            None => null::spare_core(&self.work.cores()),
        };
        let settings = null::beside(cores, self.work.value_size.longest(), self.traffic.conns);
        let server = NullServer::start(&settings).map_err(Failure::usage)?;
        Ok(Some(server))
    }

    fn plan(&self, null: Option<&NullServer>) -> Result<Plan, Failure> {
        let server = match null {
            Some(null) => &self.server.at(null.address()),
            None => &self.server,
        };
        let plan = client::plan(server, &self.work, &self.traffic)?;
        let ns = |duration: Option<Duration>, default_ns| {
            duration.map_or(default_ns, |duration| duration.as_nanos() as u64)
        };
        let plan = Plan {
            rate: self.rate.clone().unwrap_or(Rate::Max),
            duration_ns: ns(self.duration, 10_000_000_000),
            warmup_ns: ns(self.warmup, 1_000_000_000),
            slow_threshold_ns: self.slow_threshold.as_nanos() as u64,
            labels: self.phase_label.clone(),
            clock: self.clock,
            ..plan
        };
        let is_plain = |name: &str| ["get", "set"].contains(&name);
        let plain = plan.commands.list.iter().all(|command| is_plain(&command.name));
        let more_than_plain = !plain || plan.commands.transaction.is_some() || self.trace.is_some();
        if null.is_some() && more_than_plain {
            let text = "--target null answers GET and SET alone: drive a real server with a --mix, a \
                        --tx or a --trace";
            return Err(Failure::usage(text));
        }
        let Some(path) = &self.trace else { return Ok(plan) };
        let played = trace::read(path, self.speed)?;
        let rate = self.rate.clone().unwrap_or_else(|| Rate::Recorded(path.clone()));
        Ok(Plan {
            // A request that is due at the end of its time is one, too.
            duration_ns: ns(self.duration, trace::length_ns(&played, &rate)),
            warmup_ns: ns(self.warmup, 0),
            rate,
            work: Work::Replay,
            commands: played.commands.clone(),
            played: Some(played),
            ..plan
        })
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(baseline) = &args.baseline {
        check_baseline(baseline, args.out.as_deref())?;
    } else if !args.limits.is_empty() {
        return Err(Failure::usage("--fail-on is about a comparison: give --baseline RUN, too"));
    }
    let null = args.null_server()?;
    let plan = args.plan(null.as_ref())?;
    let stop = client::stop_flag()?;
    let mut lines = ProgressLines::new(plan.rate != Rate::Max);
    let mut live = Live::begin("drive", &plan, &args.metrics, &args.shown)?;
    let mut progress = |progress: &Progress| {
        live.second(progress);
        if live.wants_lines() {
            lines.print(progress);
        }
    };
    let mut outputs = Outputs {
        timeline: args.out.as_ref().map(|folder| folder.join("drive.jsonl")),
        role: Role::Drive,
        progress: &mut progress,
        stop,
    };
    copies(&plan, &outputs.stop).map_err(client::start_failure)?;
    let finished = run_plan(&plan, &mut outputs).map_err(client::start_failure)?;
    drop(live);
    if args.json.as_deref() != Some(Path::new("-")) {
        print_summary(&finished, args.out.as_deref());
    }
    // Last, since it may fail.
    if let Some(path) = &args.json {
        client::write_json(path, &finished.summary)?;
    }
    verdict(args, finished)
}

fn verdict(args: &Args, finished: Finished) -> Outcome {
    let summary = finished.summary;
    if let Some(error) = finished.timeline_error {
        let cause = anyhow::anyhow!("the timeline broke off: {error}; the figures above are whole");
        return Err(Failure::Failed(cause));
    }
    let wrong = ErrorKind::Verify;
    if let Some(count) = summary.errors.get(wrong.name()) {
        let cause = anyhow::anyhow!("--verify found {count} wrong values: {}", wrong.remedy());
        return Err(Failure::Failed(cause));
    }
    if !summary.verdict.valid && !args.allow_invalid {
        return Err(Failure::Invalid(summary.verdict.reasons.join("; ")));
    }
    if let Some(slo) = args.slo.as_ref().filter(|slo| !slo.is_met(&summary.response_us)) {
        let found_us = slo.measured_us(&summary.response_us);
        return Err(Failure::SloBroken(format!("{slo} and it was {}", human_us(found_us))));
    }
    match args.baseline.as_ref().zip(args.out.as_ref()) {
        Some((baseline, folder)) => with_baseline(baseline, folder, &args.limits),
        None => Ok(()),
    }
}

//! `stallion load`: fill a server, and prove that it is full.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use stallion_client::fill::{Filled, fill, resume_point};
use stallion_client::plan::{Plan, Rate, Spread, Work};
use stallion_client::record::Progress;
use stallion_client::run::{Finished, Outputs};
use stallion_resp::command::Commands;
use stallion_timeline::Role;

use crate::client::{self, human_count};
use crate::exit::{Failure, Outcome};
use crate::live::{self, Live, Shown};

const EXAMPLES: &str = "\
Examples:
  stallion load --keys 1000000 --value-size 100
  stallion load --keys 100000000 --value-size 8 --resume      go on after Ctrl-C or a crash
  stallion load --keys 10000000 --ttl-frac 0.2 --ttl-range 60-3600 --seed 7

Keys are PREFIX and twelve digits; values are a function of seed, key and size, so that
`stallion drive --verify` with the same seed can check each of them.";

/// The flags of `load`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES, next_help_heading = "The run")]
pub(crate) struct Args {
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    work: client::Work,
    /// Connections, over all cores
    #[arg(long, value_name = "N", default_value_t = 16)]
    conns: usize,
    /// Writes in flight on each connection
    #[arg(long, visible_alias = "batch", value_name = "N", default_value_t = 64)]
    pipeline: usize,
    /// Go on where an earlier load with the same flags broke off
    #[arg(long)]
    resume: bool,
    /// Write what it came to as one JSON object to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the timeline DIR/load.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    metrics: live::Metrics,
}

impl Args {
    fn plan(&self) -> Result<Plan, Failure> {
        let (target, credentials) = self.server.resolve()?;
        Ok(Plan {
            target,
            credentials,
            topology: self.server.topology()?,
            mitigation: None,
            aside: None,
            resp3: self.server.resp3,
            db: self.server.database()?,
            client_name: self.server.client_name.clone(),
            reconnect_every: None,
            work: Work::Fill { from: 0 },
            commands: Commands::reads_and_writes(0, 1),
            played: None,
            keys: self.work.keys,
            key_prefix: self.work.key_prefix.clone(),
            value_size: self.work.value_size.clone(),
            value_content: self.work.value_content.into(),
            ttl: self.work.ttl(),
            verify: false,
            rate: Rate::Max,
            arrivals: Spread::Constant,
            conns: self.conns,
            pipeline: self.pipeline,
            // A fill ends when its keys are written.
            duration_ns: u64::MAX / 4,
            warmup_ns: 0,
            cores: self.work.cores(),
            io: self.work.io.into(),
            wait: self.work.wait.into(),
            timeout_ns: self.work.timeout.as_nanos() as u64,
            slow_threshold_ns: u64::MAX,
            interval_ns: self.work.interval.as_nanos() as u64,
            link_bits_per_s: self.work.link_speed,
            clock: None,
            seed: self.work.seed,
            labels: Vec::new(),
        })
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut plan = args.plan()?;
    let mut from = 0;
    if args.resume {
        from = resume_point(&plan).map_err(client::start_failure)?;
        plan.work = Work::Fill { from };
    }
    let bar = progress_bar(from, plan.keys);
    let mut live = Live::begin("load", &plan, &args.metrics, &Shown::default())?;
    let mut progress = |progress: &Progress| {
        live.second(progress);
        bar.inc(progress.merged.counts.answered);
    };
    let mut outputs = Outputs {
        timeline: args.out.as_ref().map(|folder| folder.join("load.jsonl")),
        role: Role::Load,
        progress: &mut progress,
        stop: client::stop_flag()?,
    };
    let (filled, finished) = fill(&plan, &mut outputs).map_err(client::start_failure)?;
    bar.finish_and_clear();
    if let Some(path) = &args.json {
        client::write_json(path, &json!({ "fill": filled, "run": finished.summary }))?;
    }
    report(&plan, &filled, &finished, args.json.as_deref() == Some(Path::new("-")))
}

fn progress_bar(from: u64, keys: u64) -> ProgressBar {
    if !client::on_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(keys);
    let form = "{bar:30} {percent:>3} %  {human_pos} of {human_len} keys  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    // What was there before says nothing of the time that the rest takes.
    bar.set_position(from);
    bar.reset_eta();
    bar
}

fn print_filled(plan: &Plan, filled: &Filled, finished: &Finished) {
    println!(
        "{}: {} keys written in {:.1} s ({} a second, client core {:.0} % busy{})",
        plan.target,
        human_count(filled.written as f64),
        filled.duration_s,
        human_count(filled.ops_per_sec),
        finished.summary.client.busy_max * 100.0,
        finished
            .summary
            .server_busy
            .map_or_else(String::new, |busy| format!(", server {:.0} % busy", busy * 100.0))
    );
    let count = |keys: Option<u64>| {
        keys.map_or_else(|| "unknown".to_owned(), |keys| human_count(keys as f64))
    };
    let used = filled
        .used_memory_bytes
        .map_or_else(String::new, |bytes| format!(", {:.2} GB used", bytes as f64 / 1e9));
    println!(
        "DBSIZE {} (before: {}){used}; {} keys read back: {} absent, {} wrong",
        count(filled.dbsize_after),
        count(filled.dbsize_before),
        filled.sampled,
        filled.absent,
        filled.wrong
    );
    for line in client::error_lines(&finished.summary.errors) {
        println!("error {line}");
    }
}

fn report(plan: &Plan, filled: &Filled, finished: &Finished, quiet: bool) -> Outcome {
    if !quiet {
        print_filled(plan, filled, finished);
    }
    if let Some(error) = &finished.timeline_error {
        let cause = anyhow::anyhow!("the timeline broke off: {error}; the keys are written");
        return Err(Failure::Failed(cause));
    }
    if finished.interrupted {
        let cause = "interrupted: the keys written so far are there; the same command with --resume \
                     writes the rest";
        return Err(Failure::Failed(anyhow::anyhow!(cause)));
    }
    if filled.is_complete(plan.ttl.fraction > 0.0) {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!(
        "the server is not full: of {} keys {} were written, {} of {} read back were absent and {} \
         wrong; look at maxmemory and maxmemory-policy (`redis-cli config get 'maxmemory*'`) and at \
         the errors above",
        filled.keys,
        filled.written,
        filled.absent,
        filled.sampled,
        filled.wrong
    )))
}

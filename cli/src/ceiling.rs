//! `stallion ceiling`: the highest rate that meets an objective, and what bounds it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use stallion_client::ceiling::search::Step;
use stallion_client::ceiling::{Ceiling, Event, Options, Tried, find};
use stallion_client::plan::Plan;
use stallion_client::slo::Slo;
use stallion_client::verdict::Bound;

use stallion_report::render::ceiling::render;

use crate::client::{self, human_count, human_us};
use crate::exit::{Failure, Outcome};
use crate::live::{self, Live};

const EXAMPLES: &str = "\
Examples:
  stallion ceiling -p 6379 --slo 'p99<1ms'
  stallion ceiling -p 6379 --slo 'p99.9<5ms' --pipeline 16 --rw-ratio 9:1 --out results/ceiling
  stallion ceiling -p 6379 --tui                     every rate tried, on the whole terminal

It measures the closed model first, climbs from a tenth of it, closes in on the rate at which the
objective breaks, and repeats around it. Exit 3 when the client was the bottleneck.";

/// The flags of `ceiling`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES, next_help_heading = "The run")]
pub(crate) struct Args {
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    work: client::Work,
    #[command(flatten)]
    traffic: client::Traffic,
    /// Objective that the rate must meet
    #[arg(long, value_name = "pNN<TIME", default_value = "p99<1ms")]
    slo: Slo,
    /// First rate of the climb [default: a tenth of what the closed model reaches]
    #[arg(long, value_name = "RATE")]
    from: Option<u64>,
    /// Length of each step
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = client::duration)]
    step: Duration,
    /// Length of the warm-up before each step
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = client::duration)]
    warmup: Duration,
    /// How near to close in, as a share of the rate
    #[arg(long, value_name = "SHARE", default_value_t = 0.03)]
    precision: f64,
    /// How often to repeat around the result, for its interval
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: usize,
    /// Write DIR/ceiling.json, and the curve as DIR/ceiling.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    metrics: live::Metrics,
    #[command(flatten)]
    shown: live::Shown,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !(0.001..=0.5).contains(&args.precision) {
        return Err(Failure::usage("--precision is out of range: give 0.001 to 0.5"));
    }
    let plan = Plan {
        duration_ns: args.step.as_nanos() as u64,
        warmup_ns: args.warmup.as_nanos() as u64,
        ..client::plan(&args.server, &args.work, &args.traffic)?
    };
    let options = Options {
        slo: args.slo.clone(),
        from: args.from,
        precision: args.precision,
        repeats: args.repeats,
    };
    let ceiling = search(args, &plan, &options)?;
    if let Some(folder) = &args.out {
        let path = folder.join("ceiling.json");
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        let text = serde_json::to_string_pretty(&ceiling).context("the ceiling as JSON")? + "\n";
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        let page = folder.join("ceiling.html");
        let html = render(&serde_json::to_value(&ceiling).context("the ceiling as JSON")?)
            .context("the ceiling's page")?;
        std::fs::write(&page, html).with_context(|| format!("{}", page.display()))?;
        println!("\nwrote {} and {}", path.display(), page.display());
    }
    conclude(&ceiling)
}

fn search(args: &Args, plan: &Plan, options: &Options) -> Result<Ceiling, Failure> {
    let mut live = Live::begin("ceiling", plan, &args.metrics, &args.shown)?;
    let lines = !live.has_screen();
    if lines {
        print_head();
    }
    let mut tell = |told: Event<'_>| match told {
        Event::Second(progress, open) => live.second_of(progress, open),
        Event::Tried(tried) => {
            live.step(tried);
            if lines {
                print_step(tried);
            }
        }
    };
    let found = find(plan, options, &client::stop_flag()?, &mut tell);
    drop(live);
    let ceiling = found.map_err(client::start_failure)?;
    if !lines {
        // What the screen showed is gone with it.
        print_head();
        ceiling.steps.iter().for_each(print_step);
    }
    Ok(ceiling)
}

fn print_head() {
    println!(
        "{:<7} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7} {:>7}  result",
        "stage", "asked/s", "answered/s", "p50", "p99", "p99.9", "server%", "client%"
    );
}

fn print_step(tried: &Tried) {
    let summary = &tried.summary;
    let stage = serde_json::to_value(tried.stage).unwrap_or_default();
    let busy =
        summary.server_busy.map_or_else(|| "-".to_owned(), |busy| format!("{:.0}", busy * 100.0));
    println!(
        "{:<7} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7} {:>7}  {}",
        stage.as_str().unwrap_or_default(),
        human_count(tried.rate as f64),
        human_count(summary.ops_per_sec),
        human_us(summary.response_us.p50),
        human_us(summary.response_us.p99),
        human_us(summary.response_us.p999),
        busy,
        format!("{:.0}", summary.client.busy_max * 100.0),
        match tried.step {
            Step::Met => "met",
            Step::Broken => &tried.reason,
        }
    );
}

fn conclude(ceiling: &Ceiling) -> Outcome {
    let Some(found) = ceiling.ceiling_ops_per_sec else {
        if ceiling.bound == Bound::Generator {
            return Err(Failure::Invalid(ceiling.evidence.clone()));
        }
        let text = format!("{} is broken even at the lowest rate tried", ceiling.slo);
        return Err(Failure::SloBroken(text));
    };
    println!(
        "\nceiling  {} ± {} requests a second meet {} (closed model: {})\nbound    {}",
        human_count(found),
        human_count(ceiling.plus_minus),
        ceiling.slo,
        human_count(ceiling.closed_ops_per_sec),
        ceiling.evidence
    );
    if ceiling.valid { Ok(()) } else { Err(Failure::Invalid(ceiling.evidence.clone())) }
}

//! `stallion plan`: how many servers, how much memory, how many connections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use stallion_capacity::{Measured, Need, Objective, PlanError, WorkingSet, need, plan, render};
use stallion_client::slo::Slo;
use stallion_server::duration;

use crate::client;
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion plan --ops 500000 --value-size 300 --working-set 80gb --ceiling results/ceiling/ceiling.json
  stallion plan --ops 200000 --value-size 100 --working-set 50Mkeys --rw-ratio 9:1 --replicas 2
  stallion plan --ops 1000000 --value-size 1000 --working-set 200gb --slo 'p99<2ms' --json -

The ceilings are those of files that `stallion ceiling --out DIR` (ceiling.json) or `stallion lab run ceiling`
(data.json) wrote, on a host like yours; snapshots those of `stallion lab run fork` (data.json). What is not
given is taken from the results that this program carries, which were measured on a small virtual machine;
each line says which. Exit: 0 planned, 2 the input is impossible or nothing measured covers it.";

/// What the program carries, for those who have not measured yet.
const CARRIED: [(&str, &[u8]); 2] = [
    ("results/ceiling (carried)", include_bytes!("../../results/ceiling/data.json")),
    ("results/fork (carried)", include_bytes!("../../results/fork/data.json")),
];

/// The flags of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Requests a second at the peak, over all shards
    #[arg(long, value_name = "RATE")]
    ops: f64,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES")]
    value_size: u64,
    /// What is kept: bytes of keys and values, as 50gb, or keys, as 20Mkeys
    #[arg(long, value_name = "BYTES|KEYS")]
    working_set: WorkingSet,
    /// Latency that is promised [default: what the ceilings were searched with]
    #[arg(long, value_name = "pNN<TIME")]
    slo: Option<Slo>,
    /// Reads to writes
    #[arg(long, value_name = "R:W", default_value = "9:1")]
    rw_ratio: String,
    /// Bytes of a key's name
    #[arg(long, value_name = "BYTES", default_value_t = 24)]
    key_size: u64,
    /// Keys expire, which costs a second entry for each
    #[arg(long)]
    ttl: bool,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: u64,
    /// Share of the measured ceiling that is used at the peak
    #[arg(long, value_name = "SHARE", default_value_t = 0.6)]
    utilisation: f64,
    /// Replicas of each shard
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: u64,
    /// Replicas serve reads, too
    #[arg(long)]
    replica_reads: bool,
    /// Memory of a node for one shard
    #[arg(long, value_name = "BYTES", default_value = "16gb", value_parser = bytes)]
    node_memory: u64,
    /// Processes that are clients
    #[arg(long, value_name = "N", default_value_t = 10)]
    clients: u64,
    /// The network's way there and back
    #[arg(long, value_name = "TIME", default_value = "500us", value_parser = duration::parse)]
    round_trip: Duration,
    /// How long a replica may be away without a full copy afterwards
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    outage: Duration,
    /// What was measured: ceiling.json of `stallion ceiling`, data.json of `stallion lab run ceiling` or
    /// `fork`; may be given again
    #[arg(long, value_name = "FILE")]
    ceiling: Vec<PathBuf>,
    /// Write the plan as Markdown to a file, or to standard output with -
    #[arg(long, value_name = "FILE", default_value = "-")]
    markdown: PathBuf,
    /// Write the plan as one JSON object to a file, or to standard output with - instead of Markdown
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn bytes(text: &str) -> Result<u64, String> {
    need::bytes(text).ok_or_else(|| format!("`{text}` is no memory: give 16gb or 800mb"))
}

pub(crate) fn run(args: &Args) -> Outcome {
    let measured = measured(args)?;
    let plan = plan(&need(args, &measured)?, &measured).map_err(|error| match error {
        PlanError::Need(text) | PlanError::NotMeasured(text) => Failure::usage(text),
    })?;
    let stdout = Path::new("-");
    let json_there = args.json.as_deref() == Some(stdout);
    match args.markdown.as_path() {
        path if path != stdout => std::fs::write(path, render::markdown(&plan))
            .with_context(|| format!("--markdown {}", path.display()))?,
        _ if !json_there => print!("{}", render::markdown(&plan)),
        _ => {}
    }
    match &args.json {
        Some(path) => Ok(client::write_json(path, &plan)?),
        None => Ok(()),
    }
}

/// The user's files; of what they do not have, what the program carries.
fn measured(args: &Args) -> Result<Measured, Failure> {
    let mut measured = Measured::default();
    for path in &args.ceiling {
        let name = path.display().to_string();
        let text = std::fs::read(path)
            .map_err(|error| Failure::usage(format!("--ceiling {name}: {error}")))?;
        measured
            .add(&name, &text, &objective)
            .map_err(|text| Failure::usage(format!("--ceiling {text}")))?;
    }
    for (name, text) in CARRIED {
        let mut carried = Measured::default();
        carried.add(name, text, &objective).map_err(|text| anyhow::anyhow!(text))?;
        let lacks = (measured.rates.is_empty() && !carried.rates.is_empty())
            || (measured.snapshots.is_empty() && !carried.snapshots.is_empty());
        if lacks {
            measured.rates.extend(carried.rates);
            measured.snapshots.extend(carried.snapshots);
            measured.hosts.extend(carried.hosts);
        }
    }
    Ok(measured)
}

fn objective(text: &str) -> Option<Objective> {
    let slo: Slo = text.parse().ok()?;
    Some(Objective {
        text: slo.to_string(),
        percentile: slo.percentile().to_owned(),
        limit_us: slo.limit_us(),
    })
}

fn need(args: &Args, measured: &Measured) -> Result<Need, Failure> {
    let searched = || measured.rates.iter().find_map(|one| one.ceiling.clone()).map(|(slo, _)| slo);
    let given = args.slo.as_ref().and_then(|slo| objective(&slo.to_string()));
    let objective = given
        .or_else(searched)
        .ok_or_else(|| Failure::usage("give an objective: --slo 'p99<1ms'"))?;
    Ok(Need {
        ops_per_s: args.ops,
        reads: reads(&args.rw_ratio)?,
        value_bytes: args.value_size,
        key_bytes: args.key_size,
        expires: args.ttl,
        working_set: args.working_set,
        objective,
        pipeline: args.pipeline,
        utilisation: args.utilisation,
        replicas: args.replicas,
        replica_reads: args.replica_reads,
        node_bytes: args.node_memory,
        clients: args.clients,
        round_trip_us: args.round_trip.as_secs_f64() * 1e6,
        outage_s: args.outage.as_secs_f64(),
    })
}

fn reads(ratio: &str) -> Result<f64, Failure> {
    stallion_capacity::measured::share_of_reads(ratio)
        .ok_or_else(|| Failure::usage(format!("--rw-ratio {ratio} is no ratio: give 9:1")))
}

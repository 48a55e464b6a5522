//! `stallion chaos`: one disturbance, on its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use stallion_fault::{self as fault, Endpoint, FAULTS, Fault, FaultError, Log, Parameters, log};
use stallion_server::{Target, duration};
use stallion_stack::Interrupt;

use crate::client::Place;
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion chaos --action bgsave -p 6379
  stallion chaos --action bigkey-on -p 6379 --fields 500000 --after 5s --out results/chaos.jsonl
  stallion chaos --action pause -p 6379 --for 2s --allow-foreign
  stallion chaos --action reshard -p 7000 --slots 0-999 --to 127.0.0.1:7001 --for 20s --allow-foreign

With --out the disturbance is a timeline that `stallion report` joins with those of drive and
probe. Actions that may harm others (all but bgsave, aof-rewrite, bigkey-on, bigkey-cure, contend
without evalsha, replica-lag and try-commands) act only on servers that Stallion itself started,
unless --allow-foreign.";

/// The flags of `chaos`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[arg(long, value_name = "NAME", help = action_help())]
    action: String,
    #[command(flatten)]
    place: Place,
    /// Wait this long before it begins, for example 5s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration::parse)]
    after: Duration,
    /// How long the disturbance lasts; for reshard, when slots move back; for kill-master and
    /// failover, how long to wait for a new primary
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    lasts: Option<Duration>,
    /// A word that the action knows: an appendfsync (fsync-policy), a maxmemory-policy (maxmemory),
    /// same, jitter or lazy (expiry-storm), kept or overflowed (replica-cut), force or takeover
    /// (failover), empty or snapshot (restart), left or killed (long-script), none, wait or min-replicas
    /// (lose-primary), a form of entries (weigh), open, headroom, child-first or fresh (guard-rail)
    #[arg(long, value_name = "WORD")]
    policy: Option<String>,
    /// Elements of the big key that is made (bigkey-on, bigkey-cure)
    #[arg(long, value_name = "N")]
    fields: Option<u64>,
    /// Which big key: keys, hgetall, lrange, smembers, zrange or del (bigkey-on, bigkey-cure); how clients
    /// add: incr, get-set, multi-set, multi-incr, watch or evalsha (contend); what happens: bgsave,
    /// aof-rewrite or crash (guard-rail)
    #[arg(long, value_name = "COMMAND")]
    kind: Option<String>,
    /// Keys or entries that are made (expiry-storm, defrag, weigh, guard-rail), or added to (contend)
    #[arg(long, value_name = "N")]
    keys: Option<u64>,
    /// Connections to open (client-flood, contend), or processes to start (cpu-hog)
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Limit of memory, as 100mb, or as a share of what is used, 80% (maxmemory); the share of a limit that is
    /// in use, 70% (guard-rail)
    #[arg(long, value_name = "BYTES|SHARE")]
    memory: Option<String>,
    /// Slots of a cluster to move, such as 0-999 (reshard)
    #[arg(long, value_name = "A-B")]
    slots: Option<String>,
    /// The primary to move them to, by default the one with the fewest slots (reshard), or the empty
    /// server that joins (add-node), or the proxy (try-commands)
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// How much later packets arrive (net-delay); how long the replica is cut off before the crash
    /// (lose-primary)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    delay: Option<Duration>,
    /// Share of the packets that is lost, 0 to 1 (net-loss)
    #[arg(long, value_name = "SHARE")]
    loss: Option<f64>,
    /// Network device to act on (net-delay, net-loss, partition)
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Also write the disturbance as a timeline into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Harm a server that Stallion did not start
    #[arg(long)]
    allow_foreign: bool,
}

fn action_help() -> String {
    let lines: Vec<String> =
        FAULTS.iter().map(|fault| format!("\n  {}: {}", fault.name(), fault.about())).collect();
    format!("What to do:{}", lines.concat())
}

pub(crate) fn run(args: &Args) -> Outcome {
    let action = fault::find(&args.action).map_err(Failure::usage)?;
    let parameters = Parameters {
        lasts: args.lasts,
        policy: args.policy.clone(),
        fields: args.fields,
        kind: args.kind.clone(),
        keys: args.keys,
        count: args.count,
        memory: args.memory.clone(),
        slots: args.slots.clone(),
        to: args.to.clone(),
        delay: args.delay,
        loss: args.loss,
        device: args.device.clone(),
    };
    fault::check(action, &parameters).map_err(Failure::usage)?;
    let target = args.place.lab_target()?;
    let interrupt = Interrupt::on_signals().context("cannot handle Ctrl-C")?;
    let mut endpoint =
        Endpoint::connect(&target, &interrupt, args.allow_foreign).map_err(Failure::usage)?;
    fault::permit(action, &mut endpoint).map_err(Failure::usage)?;
    let out = open_log(args, action, &target, &parameters)?;
    if !interrupt.sleep(args.after) {
        return Err(anyhow::anyhow!("interrupted before it began").into());
    }
    let record = fault::perform(action, &mut endpoint, &parameters).map_err(refused)?;
    println!("{}", log::line(&record));
    let failed = (record.outcome != "ok").then(|| format!("{}: {}", record.action, record.outcome));
    if let Some(mut out) = out {
        out.append(record).context("--out")?;
        out.finish(interrupt.raised()).context("--out")?;
    }
    match failed {
        None => Ok(()),
        Some(text) => Err(anyhow::anyhow!(text).into()),
    }
}

fn open_log(
    args: &Args,
    fault: &dyn Fault,
    target: &Target,
    parameters: &Parameters,
) -> Result<Option<Log>, Failure> {
    let Some(path) = &args.out else {
        return Ok(None);
    };
    let plan = json!({ "action": fault.name(), "parameters": parameters });
    let tool = concat!("stallion ", env!("CARGO_PKG_VERSION"));
    Log::create(path, tool, target, plan)
        .map(Some)
        .map_err(|error| Failure::usage(format!("--out: {error}")))
}

fn refused(error: FaultError) -> Failure {
    Failure::Failed(error.into())
}

//! `cargo xtask bench NAME`: what the engine costs, measured beside something that it can be held
//! against, on a host that is otherwise idle. Alternating, so that the host's moods hit all alike;
//! medians with their spread; JSON for machines and a table for people.

mod effort;

mod figures;

mod programs;

mod publish;

mod engine;

mod peers;

mod pacing;

mod hot;

mod bed;

mod link;

mod load;

mod scale;

mod ceiling;

mod compare;

mod probes;

mod shards;

mod cluster;

mod hotkey;

mod metrics;

mod tls;

use anyhow::bail;

use effort::{FULL, QUICK};

pub(crate) fn run(name: &str, quick: bool) -> anyhow::Result<()> {
    let effort = if quick { QUICK } else { FULL };
    match name {
        "engine" => engine::run(effort),
        "peers" => peers::run(effort),
        "pacing" => pacing::run(effort),
        "hot" => hot::run(effort),
        "link" => link::run(effort),
        "load" => load::run(effort),
        "scale" => scale::run(effort),
        "ceiling" => ceiling::run(effort),
        "compare" => compare::run(effort),
        "probes" => probes::run(effort),
        "cluster" => cluster::run(effort),
        "hotkey" => hotkey::run(effort),
        "metrics" => metrics::run(effort),
        "tls" => tls::run(effort),
        _ => bail!(
            "`{name}` is no benchmark: there are engine, peers, pacing, hot, link, load, scale, \
             ceiling, compare, probes, cluster, hotkey, metrics and tls"
        ),
    }
}

//! `cargo xtask bench NAME`: what the engine costs, measured beside something that it can be held
//! against, on a host that is otherwise idle. Alternating, so that the host's moods hit all alike;
//! medians with their spread; JSON for machines and a table for people.

mod child;

mod figures;

mod programs;

mod publish;

mod engine;

mod peers;

mod pacing;

mod hot;

use anyhow::bail;

pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    match name {
        "engine" => engine::run(),
        "peers" => peers::run(),
        "pacing" => pacing::run(),
        "hot" => hot::run(),
        _ => bail!("`{name}` is no benchmark: there are engine, peers, pacing and hot"),
    }
}

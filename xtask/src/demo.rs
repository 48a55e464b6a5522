//! `cargo xtask demo`: from a bare clone to a report, by one command.

use std::os::unix::process::CommandExt as _;

use anyhow::anyhow;

use crate::{install, shell};

const OUT: &str = "results/demo";

/// What the demo needs besides Rust, from nothing on.
pub(crate) fn set_up() -> anyhow::Result<()> {
    install::ensure(&[install::REDIS])
}

pub(crate) fn run(quick: bool) -> anyhow::Result<()> {
    set_up()?;
    // Without the optimisation across crates, which doubles the time to build.
    let build = ["cargo", "build", "--profile", "demo", "--package", "stallion", "--locked"];
    let program = shell::target().join("demo/stallion").display().to_string();
    let mut lab = vec![program.as_str(), "lab", "run", "demo", "--out", OUT];
    if !install::is_root() {
        println!(
            "\nWithout probes: eBPF programs are loaded by root only (sudo cargo xtask demo).\nThe \
             report will show what the client saw, and name no stall of the kernel.\n"
        );
        lab.push("--no-probes");
    }
    if quick {
        lab.push("--quick");
    }
    shell::run(&build)?;
    println!("$ {}", lab.join(" "));
    // In our place, so that Ctrl-C reaches it and its exit code reaches the shell.
    let error = shell::command(&lab).exec();
    Err(anyhow!("cannot start {program}: {error}"))
}

//! `cargo xtask demo`: from a bare clone to a report, by one command.

use std::os::unix::process::CommandExt as _;

use anyhow::anyhow;

use crate::{ebpf, install, shell};

const OUT: &str = "results/demo";

pub(crate) fn run(quick: bool) -> anyhow::Result<()> {
    if !shell::installed(&["redis-server", "valkey-server"]) {
        install::ensure_apt(&["redis-server"])?;
    }
    let probes = probes();
    let mut build = vec!["cargo", "build", "--release", "--package", "stallion"];
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = format!("{target}/release/stallion");
    let mut lab = vec![program.as_str(), "lab", "run", "demo", "--out", OUT];
    match &probes {
        Ok(()) => build.extend(["--features", "probes"]),
        Err(reason) => {
            println!(
                "\nWithout probes: {reason:#}\nThe report will show what the client saw, and name no stall of the kernel.\n"
            );
            lab.push("--no-probes");
        }
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

/// Whether the probes can be built and loaded, or why not.
fn probes() -> anyhow::Result<()> {
    if !install::is_root() {
        return Err(anyhow!("eBPF programs are loaded by root only (sudo cargo xtask demo)"));
    }
    ebpf::run()
}

//! `cargo xtask ebpf`.

use anyhow::bail;

pub(crate) fn run() -> anyhow::Result<()> {
    bail!("probes/ebpf is not in this tree")
}

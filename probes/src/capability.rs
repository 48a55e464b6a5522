//! What this host lets the probes do.

use std::fs;

use crate::procfs::field;

/// Bits of capabilities(7).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Whether this process holds what loading tracing programs takes.
#[must_use]
pub fn may_load_bpf() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held =
        field(&status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    allows_bpf(held)
}

fn allows_bpf(held: u64) -> bool {
    let holds = |bit: u32| held >> bit & 1 == 1;
    holds(CAP_SYS_ADMIN) || (holds(CAP_BPF) && holds(CAP_PERFMON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_or_both_capabilities_are_enough() {
        assert!(allows_bpf(u64::MAX));
        assert!(allows_bpf(1 << CAP_SYS_ADMIN));
        assert!(allows_bpf(1 << CAP_BPF | 1 << CAP_PERFMON));
        assert!(!allows_bpf(1 << CAP_BPF));
        assert!(!allows_bpf(0));
    }
}

//! Which classes of stall this host's kernel lets the probes see whole.

use std::fs;
use std::path::Path;

use super::{Finding, Grade};
use crate::btf::VMLINUX;
use crate::table::{Row, TABLE, version};

/// Each class, with its hook or with what is lost here.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let types = Path::new(VMLINUX).exists();
    TABLE.iter().map(|row| finding(row, version(&release), types)).collect()
}

fn finding(row: &Row, kernel: Option<(u32, u32)>, types: bool) -> Finding {
    if kernel.is_none_or(|kernel| row.is_whole(kernel, types)) {
        return Finding::good(row.name, row.hook);
    }
    let wants = if types { "" } else { " with CONFIG_DEBUG_INFO_BTF" };
    let found = format!("{}; lost: {}", row.fallback, row.lost);
    Finding::bad(row.name, Grade::Fair, found, format!("Linux {}{wants}", row.kernel_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poorer_kernel_is_told_what_it_loses() {
        for row in &TABLE {
            assert_eq!(finding(row, Some((6, 18)), true).grade, Grade::Good);
            let poorer = finding(row, Some((5, 10)), false);
            assert_eq!(poorer.grade == Grade::Good, row.is_whole((5, 10), false));
        }
        let throttle = TABLE.iter().find(|row| row.name == "throttle").unwrap();
        let told = finding(throttle, Some((5, 10)), false);
        assert!(told.found.starts_with("run_queue; lost:") && told.remedy.contains("BTF"));
    }
}

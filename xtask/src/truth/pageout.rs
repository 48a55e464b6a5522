//! Pushes the pages of a process's program out of memory.

use std::fs;

use anyhow::Context as _;

/// process_madvise(2), which libc has no wrapper for.
const SYS_PROCESS_MADVISE: libc::c_long = 440;

/// All clean pages of the file that the process runs. Those that another process maps stay.
pub(super) fn program(pid: u32) -> anyhow::Result<()> {
    let program = fs::read_link(format!("/proc/{pid}/exe"))?.display().to_string();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    // SAFETY: takes numbers and gives a descriptor.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    for (start, length) in maps.lines().filter(|line| line.ends_with(&program)).filter_map(range) {
        let part = libc::iovec { iov_base: start as *mut libc::c_void, iov_len: length };
        // SAFETY: a vector of a foreign process's addresses, which the kernel checks.
        unsafe {
            libc::syscall(SYS_PROCESS_MADVISE, process, &raw const part, 1, libc::MADV_PAGEOUT, 0)
        };
    }
    // SAFETY: our own descriptor, closed once; -1 is refused.
    unsafe { libc::close(i32::try_from(process).context("no pidfd")?) };
    Ok(())
}

/// `55d0c3a00000-55d0c3a40000 r--p …`: where it starts, and its length.
fn range(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let from = usize::from_str_radix(from, 16).ok()?;
    Some((from, usize::from_str_radix(to, 16).ok()? - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("1000-3000 r--p 0 fe:00 1 /x"), Some((0x1000, 0x2000)));
        assert_eq!(range(""), None);
    }
}

//! Names of the system calls in which a shard can hang, and of the signals that end or stop it;
//! numbers of calls differ between architectures.

use libc::c_long;

/// Number and name.
const NAMES: &[(c_long, &str)] = &[
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_sync_file_range, "sync_file_range"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_close, "close"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_mremap, "mremap"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_epoll_ctl, "epoll_ctl"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_exit_group, "exit_group"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "fork"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "vfork"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
];

/// In these the event loop waits for work, which is no stall. Unused places hold a number that no
/// system call has.
pub const IDLE: [i64; 4] = [
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(not(target_arch = "x86_64"))]
    -2,
    -2,
];

/// Name of a system call, `syscall 321` for one that is not in the table.
#[must_use]
pub fn name(number: i64) -> String {
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| format!("syscall {number}"), |(_, name)| (*name).to_owned())
}

/// Signals that end or stop a server.
const SIGNALS: &[(libc::c_int, &str)] = &[
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGTSTP, "SIGTSTP"),
    (libc::SIGTTIN, "SIGTTIN"),
    (libc::SIGTTOU, "SIGTTOU"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGSYS, "SIGSYS"),
];

/// Name of a signal, `signal 40` for one that is not in the table; 0 stands for an unknown one.
#[must_use]
pub fn signal(number: u32) -> String {
    if number == 0 {
        return "a stop signal".to_owned();
    }
    SIGNALS
        .iter()
        .find(|(known, _)| known.unsigned_abs() == number)
        .map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}

/// Whether it is fsync or fdatasync.
#[must_use]
pub fn is_sync(number: i64) -> bool {
    number == libc::SYS_fsync || number == libc::SYS_fdatasync
}

/// Whether it writes to its first argument.
#[must_use]
pub fn is_write(number: i64) -> bool {
    [libc::SYS_write, libc::SYS_writev, libc::SYS_pwrite64].contains(&number)
}

/// Whether it forks.
#[must_use]
pub fn is_fork(number: i64) -> bool {
    matches!(name(number).as_str(), "clone" | "clone3" | "fork" | "vfork")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_calls_are_named_and_classed() {
        assert_eq!(name(libc::SYS_fdatasync), "fdatasync");
        assert_eq!(name(99_999), "syscall 99999");
        assert_eq!((signal(9), signal(40)), ("SIGKILL".to_owned(), "signal 40".to_owned()));
        assert!(is_sync(libc::SYS_fsync) && !is_sync(libc::SYS_write));
        assert!(is_write(libc::SYS_write) && !is_write(libc::SYS_read));
        assert!(is_fork(libc::SYS_clone) && !is_fork(libc::SYS_read));
        assert!(IDLE.contains(&libc::SYS_epoll_pwait));
    }
}

//! How many files this process may have open: one for each connection, and some besides.

/// Files besides the connections: rings, timelines, control connections, the binary's own.
const BESIDES: u64 = 256;

/// Raises the limit so that so many connections fit. Within the hard limit anyone may; beyond it root
/// may, up to `fs.nr_open`. What is refused shows when the connections are opened, in an error that
/// says so.
pub(super) fn make_room(connections: usize) {
    let wanted = connections as u64 + BESIDES;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid struct to be filled.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    if !known || limit.rlim_cur >= wanted {
        return;
    }
    let hard = limit.rlim_max.max(wanted);
    for raised in [
        libc::rlimit { rlim_cur: wanted, rlim_max: hard },
        libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), rlim_max: limit.rlim_max },
    ] {
        // SAFETY: a valid struct.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            tracing::debug!(
                from = limit.rlim_cur,
                to = raised.rlim_cur,
                "limit of open files raised"
            );
            return;
        }
    }
    tracing::warn!(limit = limit.rlim_cur, wanted, "the limit of open files could not be raised");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let limit = || {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: a valid struct to be filled.
            assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
            limit
        };
        let before = limit();
        make_room(1);
        assert_eq!(limit().rlim_cur, before.rlim_cur, "what is enough stays");
        make_room(before.rlim_cur as usize);
        let after = limit();
        let raised = after.rlim_cur == before.rlim_cur + BESIDES;
        assert!(raised || after.rlim_cur == before.rlim_max, "{before:?} {after:?}");
    }
}

//! Which core is whose, so that nobody measures his neighbour.

use std::fs;
use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Who runs where. With one core nobody is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The core of the server's event loop.
    pub server: Option<usize>,
    /// The core of the load's shard thread.
    pub client: Option<usize>,
    /// The cores of everybody else: the lab itself, the prober, the server's children and
    /// background threads. On two cores this is the client's core: the child of a BGSAVE on the
    /// event loop's core would take half of it, which no host with a core to spare shows.
    pub others: Vec<usize>,
}

impl Placement {
    /// Shares the cores that this process may use.
    ///
    /// # Errors
    /// The operating system's, when it does not tell the cores.
    pub fn of_this_host() -> io::Result<Self> {
        Ok(Self::share(&allowed_cores()?))
    }

    fn share(cores: &[usize]) -> Self {
        let (server, client, others) = match cores {
            [] | [_] => (None, None, Vec::new()),
            [server, client] => (Some(*server), Some(*client), vec![*client]),
            [server, client, rest @ ..] => (Some(*server), Some(*client), rest.to_vec()),
        };
        Self { server, client, others }
    }

    /// Takes this thread, and whatever it starts from now on, off the server's core.
    ///
    /// # Errors
    /// The operating system's.
    pub fn leave_the_server_alone(&self) -> io::Result<Reserved> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = CpuSet::new();
        for core in self.client.iter().chain(&self.others) {
            cores.set(*core)?;
        }
        if !self.others.is_empty() {
            sched_setaffinity(Pid::from_raw(0), &cores)?;
        }
        Ok(Reserved { before })
    }
}

/// While it lives, this thread stays off the server's core.
#[derive(Debug)]
pub struct Reserved {
    before: CpuSet,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // The mask was the kernel's own answer; if it refuses it now, slower rendering is all.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

/// The cores that this process may use and that are online, in order.
fn allowed_cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let mut cores = Vec::new();
    for core in 0..CpuSet::count() {
        if allowed.is_set(core)? && online(core) {
            cores.push(core);
        }
    }
    Ok(cores)
}

/// Core 0 has no `online` file on most machines; neither has a core that cannot be taken offline.
fn online(core: usize) -> bool {
    fs::read_to_string(format!("/sys/devices/system/cpu/cpu{core}/online"))
        .map_or(true, |text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_shares_its_core_with_nobody() {
        assert_eq!(Placement::share(&[3]).server, None);
        let two = Placement::share(&[0, 1]);
        assert_eq!((two.server, two.client, two.others), (Some(0), Some(1), vec![1]));
        let four = Placement::share(&[0, 2, 4, 6]);
        assert_eq!((four.server, four.client, four.others), (Some(0), Some(2), vec![4, 6]));
    }

    #[test]
    fn leaving_the_server_alone_ends_with_the_guard() {
        let before = allowed_cores().unwrap();
        let placement = Placement::share(&before);
        let guard = placement.leave_the_server_alone().unwrap();
        if let Some(server) = placement.server {
            assert!(!allowed_cores().unwrap().contains(&server));
        }
        drop(guard);
        assert_eq!(allowed_cores().unwrap(), before);
    }
}

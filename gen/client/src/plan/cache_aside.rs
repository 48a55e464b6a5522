//! Whether cache-aside can be had with the rest of a plan.

use thiserror::Error;

use stallion_engine::limits::{MAX_STORE_QUEUE, MAX_STORE_SERVERS};
use stallion_engine::store::CacheAsideSettings;
use stallion_engine::workload::mix::Ttl;
use stallion_resp::command::{Command, Commands};
use stallion_resp::sizes::Sizes;
use stallion_resp::values::STAMPED_BYTES;

/// Why not. Each text names the flag and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AsideError {
    /// No reads.
    #[error("--store is asked when a GET finds nothing, and there is no get in the mix: add one")]
    NoGet,
    /// Transactions.
    #[error("--store follows single reads: leave out --tx")]
    Transaction,
    /// A replay.
    #[error(
        "--store follows the GETs of a mix, and a trace has its own commands: leave out --trace"
    )]
    Replay,
    /// Both.
    #[error("--store and --mitigation both decide what becomes of a read: leave out one of them")]
    Mitigation,
    /// Values that have no room for a stamp.
    #[error(
        "--stampede xfetch and stale-while-revalidate write a stamp into every value: give one \
         --value-size of at least {STAMPED_BYTES} bytes"
    )]
    Size,
    /// Values that are not those that were loaded.
    #[error(
        "--stampede xfetch and stale-while-revalidate write a stamp into every value, which --verify \
         would find wrong: leave out one of them"
    )]
    Verify,
    /// Writes that expire by another distribution.
    #[error("--ttl says when what is written from the --store expires: leave out --ttl-frac")]
    Ttl,
    /// No time to live.
    #[error("--ttl must be above 0, and --ttl-jitter from 0 to below 1")]
    Life,
    /// No server, or too many; or a queue that is too long.
    #[error(
        "--store-servers {servers} with --store-queue {queue}: give 1 to {MAX_STORE_SERVERS} servers \
         and a queue of at most {MAX_STORE_QUEUE}"
    )]
    Servers {
        /// As asked.
        servers: usize,
        /// As asked.
        queue: usize,
    },
    /// A beta that is none.
    #[error("--xfetch-beta must be above 0 and at most 1000")]
    Beta,
    /// A unix socket.
    #[error("--store needs a server that is reached by TCP: give --host and --port")]
    Unix,
}

/// The rest of a plan, as far as it bears on cache-aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) commands: &'a Commands,
    pub(super) sizes: &'a Sizes,
    pub(super) ttl: Ttl,
    pub(super) verify: bool,
    pub(super) mitigates: bool,
    pub(super) replays: bool,
    pub(super) unix: bool,
}

/// Checks that cache-aside fits.
pub(super) fn check(settings: &CacheAsideSettings, beside: Beside<'_>) -> Result<(), AsideError> {
    let Beside { commands, sizes, ttl, verify, mitigates, replays, unix } = beside;
    let stamps = settings.stampede.stamps();
    let beta_is_wrong = |beta: f64| !(beta > 0.0 && beta <= 1_000.0);
    let servers_fit = (1..=MAX_STORE_SERVERS).contains(&settings.servers);
    let wrong = [
        (replays, AsideError::Replay),
        (commands.transaction.is_some(), AsideError::Transaction),
        (!commands.list.iter().any(is_read), AsideError::NoGet),
        (mitigates, AsideError::Mitigation),
        (unix, AsideError::Unix),
        (stamps && sizes.fixed().is_none_or(|bytes| bytes < STAMPED_BYTES), AsideError::Size),
        (stamps && verify, AsideError::Verify),
        (ttl.fraction > 0.0, AsideError::Ttl),
        (settings.ttl_ns == 0 || !(0.0..1.0).contains(&settings.jitter), AsideError::Life),
        (
            !servers_fit || settings.queue > MAX_STORE_QUEUE,
            AsideError::Servers { servers: settings.servers, queue: settings.queue },
        ),
        (settings.stampede.xfetch.is_some_and(beta_is_wrong), AsideError::Beta),
    ];
    wrong.into_iter().find(|(is_wrong, _)| *is_wrong).map_or(Ok(()), |(_, error)| Err(error))
}

/// The command whose misses ask the store.
pub(super) fn is_read(command: &Command) -> bool {
    command.name == "get" && command.weight > 0 && command.verifies
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_engine::store::Stampede;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let settings = CacheAsideSettings {
            servers: 4,
            queue: 100,
            stampede: Stampede { xfetch: Some(1.0), ..Stampede::default() },
            ttl_ns: 1_000_000_000,
            jitter: 0.1,
        };
        let commands = Commands::reads_and_writes(1, 0);
        let (sizes, ttl) = (Sizes::Fixed(100), Ttl::NONE);
        let beside = Beside {
            commands: &commands,
            sizes: &sizes,
            ttl,
            verify: false,
            mitigates: false,
            replays: false,
            unix: false,
        };
        assert_eq!(check(&settings, beside), Ok(()));
        let small = Beside { sizes: &Sizes::Fixed(8), ..beside };
        assert_eq!(check(&settings, small), Err(AsideError::Size));
        let verified = Beside { verify: true, ..beside };
        assert_eq!(check(&settings, verified), Err(AsideError::Verify));
        let writes = Commands::reads_and_writes(0, 1);
        let without = Beside { commands: &writes, ..beside };
        assert_eq!(check(&settings, without), Err(AsideError::NoGet));
        let dead = CacheAsideSettings { ttl_ns: 0, ..settings.clone() };
        assert_eq!(check(&dead, beside), Err(AsideError::Life));
        let none = CacheAsideSettings { servers: 0, ..settings };
        assert!(matches!(check(&none, beside), Err(AsideError::Servers { .. })));
    }
}

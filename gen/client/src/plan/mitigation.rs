//! Whether a mitigation can be had with the rest of a plan.

use thiserror::Error;

use stallion_engine::mitigation::MitigationKind;
use stallion_engine::mitigation::key_split::{COPY_STEP, MAX_COPIES};
use stallion_engine::workload::mix::Ttl;
use stallion_resp::command::Commands;
use stallion_resp::sizes::Sizes;
use stallion_resp::values::STAMPED_BYTES;

/// Why not. Each text names the flag and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MitigationError {
    /// A single server.
    #[error(
        "--mitigation spreads or saves the load of hot keys in a cluster: give --topology cluster, too"
    )]
    NoCluster,
    /// Other commands than GET and SET.
    #[error("--mitigation works on GET and SET, and {0} is neither: leave it out of --mix")]
    Command(String),
    /// Transactions.
    #[error("--mitigation works on single commands: leave out --tx")]
    Transaction,
    /// Values that have no room for a version.
    #[error(
        "--mitigation writes a version into every value: give one --value-size of at least \
         {STAMPED_BYTES} bytes"
    )]
    Size,
    /// Writes that expire.
    #[error(
        "--mitigation judges reads by what was written, and a key that expired has nothing: leave out --ttl-frac"
    )]
    Ttl,
    /// Values that are not those that were loaded.
    #[error(
        "--mitigation writes a version into every value, which --verify would find wrong: leave out one of them"
    )]
    Verify,
    /// Too many copies or hot keys.
    #[error(
        "--split-copies {copies} of --split-keys {hot}: give 2 to {MAX_COPIES} copies of 1 to {COPY_STEP} keys"
    )]
    Split {
        /// As asked.
        hot: u64,
        /// As asked.
        copies: u64,
    },
    /// More keys than copies leave room for.
    #[error("--keys {0} leaves no numbers for copies: give at most {COPY_STEP}")]
    Keys(u64),
    /// An empty cache, or values that are too old at once.
    #[error("--cache-entries and --cache-ttl must be above 0")]
    Cache,
}

/// The rest of a plan, as far as a mitigation depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// It is a cluster.
    pub in_cluster: bool,
    /// What is sent.
    pub commands: &'a Commands,
    /// Sizes of the values.
    pub sizes: &'a Sizes,
    /// Which writes expire.
    pub ttl: Ttl,
    /// Values are compared.
    pub verify: bool,
    /// Keys there are.
    pub keys: u64,
}

/// Checks that a mitigation fits.
///
/// # Errors
/// [`MitigationError`] for the first thing that does not.
pub fn check(mitigation: MitigationKind, around: Around<'_>) -> Result<(), MitigationError> {
    let Around { in_cluster, commands, sizes, ttl, verify, keys } = around;
    if !in_cluster {
        return Err(MitigationError::NoCluster);
    }
    if commands.transaction.is_some() {
        return Err(MitigationError::Transaction);
    }
    if let Some(other) = commands.list.iter().find(|one| !one.verifies && !one.expires) {
        return Err(MitigationError::Command(other.name.clone()));
    }
    if sizes.fixed().is_none_or(|bytes| bytes < STAMPED_BYTES) {
        return Err(MitigationError::Size);
    }
    if ttl.fraction > 0.0 {
        return Err(MitigationError::Ttl);
    }
    if verify {
        return Err(MitigationError::Verify);
    }
    match mitigation {
        MitigationKind::KeySplit { hot, copies }
            if !(2..=MAX_COPIES).contains(&copies) || !(1..=COPY_STEP).contains(&hot) =>
        {
            Err(MitigationError::Split { hot, copies })
        }
        MitigationKind::KeySplit { .. } if keys > COPY_STEP => Err(MitigationError::Keys(keys)),
        MitigationKind::LocalCache { entries: 0, .. }
        | MitigationKind::LocalCache { ttl_ns: 0, .. } => Err(MitigationError::Cache),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let commands = Commands::reads_and_writes(9, 1);
        let sizes = Sizes::Fixed(100);
        let around = Around {
            in_cluster: true,
            commands: &commands,
            sizes: &sizes,
            ttl: Ttl::NONE,
            verify: false,
            keys: 10,
        };
        let split = |hot, copies| check(MitigationKind::KeySplit { hot, copies }, around);
        assert_eq!(split(5, 3), Ok(()));
        assert!(matches!(split(5, 1), Err(MitigationError::Split { .. })));
        assert!(matches!(split(0, 2), Err(MitigationError::Split { .. })));
        let many = Around { keys: COPY_STEP + 1, ..around };
        let mitigation = MitigationKind::KeySplit { hot: 5, copies: 3 };
        assert!(matches!(check(mitigation, many), Err(MitigationError::Keys(_))));
        let alone = Around { in_cluster: false, ..around };
        assert_eq!(check(MitigationKind::Plain, alone), Err(MitigationError::NoCluster));
        let small = Around { sizes: &Sizes::Fixed(8), ..around };
        assert_eq!(check(MitigationKind::Plain, small), Err(MitigationError::Size));
        let verified = Around { verify: true, ..around };
        assert_eq!(check(MitigationKind::Plain, verified), Err(MitigationError::Verify));
        let transactions = Commands { transaction: Some(2), ..commands.clone() };
        let in_transactions = Around { commands: &transactions, ..around };
        assert_eq!(
            check(MitigationKind::Plain, in_transactions),
            Err(MitigationError::Transaction)
        );
    }
}

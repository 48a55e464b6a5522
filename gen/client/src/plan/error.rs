//! Why a plan cannot be run.

use thiserror::Error;

use super::cache_aside::AsideError;
use super::mitigation::MitigationError;
use super::rate::RateError;
use super::topology::RingError;
use stallion_engine::limits::{MAX_CONNECTIONS_PER_WORKER, MAX_OUTGOING_BYTES, MAX_PIPELINE};
use stallion_resp::limits::{MAX_COMMANDS, MAX_KEYS, MAX_TRANSACTION, MAX_VALUE_BYTES};

/// Why a plan cannot be run. Each text names the flag and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// `--conns 0`
    #[error("--conns is 0: give at least 1 connection")]
    NoConnections,
    /// More connections than a worker can hold.
    #[error(
        "--conns {conns} over {workers} core(s): one core holds at most {MAX_CONNECTIONS_PER_WORKER}; \
         use more --cores"
    )]
    Connections {
        /// As asked.
        conns: usize,
        /// Cores.
        workers: usize,
    },
    /// Fewer connections than cores.
    #[error("--conns {conns} cannot be spread over {workers} --cores: give at least one for each")]
    FewConnections {
        /// As asked.
        conns: usize,
        /// Cores.
        workers: usize,
    },
    /// `--pipeline 0` or more than the bound.
    #[error("--pipeline {0} is out of range: give 1 to {MAX_PIPELINE}")]
    Pipeline(usize),
    /// `--value-size` above Redis's own limit.
    #[error(
        "--value-size {0} is above Redis's limit for one value of {MAX_VALUE_BYTES} bytes (512 MiB, \
         proto-max-bulk-len): give a smaller one"
    )]
    ValueSize(usize),
    /// More commands than counters.
    #[error("{0} commands in one mix: at most {MAX_COMMANDS} can be told apart, --tx included")]
    Commands(usize),
    /// `--reconnect-every 0`
    #[error("--reconnect-every is 0: give 1 for a connection for each request, or leave it out")]
    Reconnect,
    /// A name that Redis refuses.
    #[error("--client-name {0:?}: Redis takes printable letters without spaces")]
    ClientName(String),
    /// `--tx 0` or more than the bound.
    #[error("--tx {0} is out of range: give 1 to {MAX_TRANSACTION} commands for each MULTI")]
    Transaction(usize),
    /// A command that a transaction cannot have.
    #[error("{0} cannot stand between MULTI and EXEC: leave it out of the mix, or leave out --tx")]
    InTransaction(String),
    /// `--keys 0` or more than can be named.
    #[error("--keys {0} is out of range: give 1 to {MAX_KEYS}")]
    Keys(u64),
    /// Too much memory for requests.
    #[error(
        "{conns} connections x {pipeline} in flight x {request_bytes} bytes a request need more \
         than {MAX_OUTGOING_BYTES} bytes: lower --conns, --pipeline or --value-size"
    )]
    Memory {
        /// Connections of one worker.
        conns: usize,
        /// As asked.
        pipeline: usize,
        /// Bytes of the longest request.
        request_bytes: usize,
    },
    /// Neither reads nor writes.
    #[error(
        "--rw-ratio 0:0, or a mix whose weights are all 0, asks for nothing: give reads:writes, for \
         example 9:1, or --mix get=80,set=20"
    )]
    Ratio,
    /// An exponent that is none.
    #[error("--zipf-s {0} is out of range: give 0.1 to 5")]
    Exponent(String),
    /// Shares that are none.
    #[error(
        "--hot-spot {0} is out of range: give KEYS:REQUESTS, each above 0 and below 1, for example \
         0.1:0.9"
    )]
    HotSpot(String),
    /// A deviation that is none.
    #[error("--deviation {0} is out of range: give a share of the keys above 0 and up to 1")]
    Deviation(String),
    /// A share that is none, or a range that is empty.
    #[error("--ttl-frac must be 0 to 1 and --ttl-range MIN-MAX seconds with 1 <= MIN <= MAX")]
    Ttl,
    /// A duration of zero.
    #[error("{0} is 0: give a duration such as 10s")]
    Duration(&'static str),
    /// A CPU that is not there, or twice.
    #[error("--cores names CPU {cpu}, but this process may use {usable}: see `taskset -p $$`")]
    Core {
        /// The CPU.
        cpu: usize,
        /// Those there are.
        usable: String,
    },
    /// Requests whose keys lie in several slots.
    #[error(
        "{0} names keys of several slots, which a cluster refuses (CROSSSLOT), and cannot be sent key \
         by key as MGET, MSET, DEL, UNLINK, EXISTS and TOUCH can: leave it out, or give all keys one \
         slot by a hash tag, for example --key-prefix \"{{t}}key:\""
    )]
    CrossSlot(String),
    /// Commands of a transaction whose keys lie in different slots.
    #[error(
        "--tx: the keys of {0} and {1} have different names, and so lie in several slots, which a \
         cluster refuses (CROSSSLOT): give all keys one slot by a hash tag, for example \
         --key-prefix \"{{t}}key:\", or leave one of them out"
    )]
    TransactionSlots(String, String),
    /// The mitigation.
    #[error(transparent)]
    Mitigation(#[from] MitigationError),
    /// The servers of a ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The store behind the cache.
    #[error(transparent)]
    Aside(#[from] AsideError),
    /// The rate.
    #[error(transparent)]
    Rate(#[from] RateError),
}

//! Every bound of the engine, and how they hang together. What a bound drops is counted.

/// Connections of one shard (core).
pub const MAX_CONNECTIONS_PER_SHARD: usize = 32_768;

/// Requests in flight on one connection.
pub const MAX_PIPELINE: usize = 4_096;

/// The largest value; Redis's own `proto-max-bulk-len` is 512 MiB.
pub const MAX_VALUE_BYTES: usize = 512 << 20;

/// Commands of one run, a transaction of them included.
pub const MAX_COMMANDS: usize = 32;

/// Keys, elements or replicas that a command of a mix asks for (`mget:N`).
pub const MAX_COUNT: usize = 1_000;

/// Commands between MULTI and EXEC.
pub const MAX_TRANSACTION: usize = 1_000;

/// Bytes of the requests of a trace, which are held in memory.
pub const MAX_TRACE_BYTES: usize = 4 << 30;

/// Longest line of MONITOR that is kept: each byte of a value may be four there.
pub const MAX_MONITOR_LINE_BYTES: usize = 64 << 20;

/// Memory for requests being sent, over all connections of a shard.
pub const MAX_OUTGOING_BYTES: usize = 4 << 30;

/// Connections being opened at once: below the usual listen backlog of 511, of which Redis's
/// `tcp-backlog` and `somaxconn` may leave less.
pub const MAX_CONNECTING: usize = 128;

/// Length of a status or error line that is kept; the rest of a longer one is dropped.
pub const MAX_LINE_BYTES: usize = 512;

/// Nesting of aggregates in one reply.
pub const MAX_REPLY_DEPTH: usize = 16;

/// Slow requests that one shard keeps in one interval: a uniform sample of all slow ones.
pub const MAX_SLOW_OPS: usize = 128;

/// Stretches of one interval in which a shard was late that are told one by one.
pub const MAX_LATE_SPANS: usize = 128;

/// Intervals that a shard may have handed over before the recorder took one.
pub const INTERVAL_QUEUE: usize = 8;

/// Receive buffers of one shard. 64 KiB was best for 4 KB replies at pipeline 16 (`uring.md`).
pub const RECEIVE_BUFFER_BYTES: usize = 64 << 10;

/// How many of them at most: a power of two, as buffer rings must be.
pub const RECEIVE_BUFFERS: u16 = 64;

/// How many of them the kernel is given first; it gets more as it runs out of them. It fills them
/// in turn, so those in use should stay in the cache: with 4 instead of 64 an operation at
/// pipeline 64 took 63 ns instead of 70.
pub const FIRST_RECEIVE_BUFFERS: u16 = 4;

/// Entries of the submission queue; a full one is submitted and used again.
pub const SUBMISSION_QUEUE: u32 = 1_024;

/// Longest pause before a lost connection is opened again.
pub const MAX_RECONNECT_PAUSE_NS: u64 = 1_000_000_000;

/// First pause before a lost connection is opened again.
pub const MIN_RECONNECT_PAUSE_NS: u64 = 10_000_000;

/// Longest time that a new connection may take to open and answer its handshake.
pub const CONNECT_TIMEOUT_NS: u64 = 5_000_000_000;

/// Decimal digits of a key's number: enough for 10^12 keys.
pub const KEY_DIGITS: usize = 12;

/// The most keys a run can name.
pub const MAX_KEYS: u64 = 10_u64.pow(KEY_DIGITS as u32);

const _: () = assert!(MAX_REPLY_DEPTH <= u32::BITS as usize);
const _: () = assert!(MAX_COMMANDS <= u32::BITS as usize);
const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two());
const _: () = assert!(FIRST_RECEIVE_BUFFERS <= RECEIVE_BUFFERS);
const _: () = assert!(MAX_CONNECTING < MAX_CONNECTIONS_PER_SHARD);
const _: () = assert!(MIN_RECONNECT_PAUSE_NS < MAX_RECONNECT_PAUSE_NS);
const _: () = assert!(MAX_VALUE_BYTES < MAX_OUTGOING_BYTES);

//! Every bound of the engine, and how they hang together. What a bound drops is counted.

use stallion_resp::limits::{MAX_COUNT, MAX_VALUE_BYTES};

/// Connections of one worker (core).
pub const MAX_CONNECTIONS_PER_WORKER: usize = 32_768;

/// Requests in flight on one connection.
pub const MAX_PIPELINE: usize = 4_096;

/// Bytes of the requests of a trace, which are held in memory.
pub const MAX_TRACE_BYTES: usize = 4 << 30;

/// Longest line of MONITOR that is kept: each byte of a value may be four there.
pub const MAX_MONITOR_LINE_BYTES: usize = 64 << 20;

/// Memory for requests being sent, over all connections of a worker.
pub const MAX_OUTGOING_BYTES: usize = 4 << 30;

/// Connections being opened at once: below the usual listen backlog of 511, of which Redis's
/// `tcp-backlog` and `somaxconn` may leave less.
pub const MAX_CONNECTING: usize = 128;

/// Keys whose versions are followed in a run that measures staleness: 40 bytes each.
pub const MAX_VERSIONED_KEYS: usize = 4 << 20;

/// Slow requests that one worker keeps in one interval: a uniform sample of all slow ones.
pub const MAX_SLOW_OPS: usize = 128;

/// Stretches of one interval in which a worker was late that are told one by one.
pub const MAX_LATE_SPANS: usize = 128;

/// Intervals that a worker may have handed over before the recorder took one.
pub const INTERVAL_QUEUE: usize = 8;

/// Receive buffers of one worker. 64 KiB was best for 4 KB replies at pipeline 16 (`uring.md`).
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

/// Replicas of one primary that reads may go to; of more the first are used.
pub const MAX_REPLICAS: usize = 8;

/// Nodes of a cluster that one run may meet, those that come later included.
pub const MAX_NODES: usize = 250;

/// Nodes of a cluster that may get connections beyond twice the primaries that it begins with:
/// as many primaries may be replaced, and a few more be added. Node pools of nodes that serve nothing
/// any more are used again.
pub const SPARE_NODE_POOLS: usize = 4;

/// Requests of one worker that wait for a connection to their node of a cluster, or for their turn
/// to be sent again. What is due beyond it is never sent and counted.
pub const MAX_WAITING: usize = 1 << 18;

/// Of them, those that one node may keep waiting that have not been sent yet: a node that is down
/// must not use up the room of the others.
pub const MAX_WAITING_PER_NODE: usize = MAX_WAITING / 4;

/// Requests of several keys whose parts are under way, of one worker: each has a part in flight, or one
/// that waits.
pub const MAX_FANNED_OUT: usize = MAX_WAITING;

/// How often one request is sent again (redirects and retries) before its error counts. With the
/// pauses of `retry_pause_ns` the last is about ten seconds after the first.
pub const MAX_HOPS: u8 = 48;

/// Redirects that are followed at once; later ones of the same request wait as retries do.
pub const QUICK_HOPS: u8 = 3;

/// First pause before a request is sent again; it doubles each time.
pub const MIN_RETRY_PAUSE_NS: u64 = 1_000_000;

/// Longest pause before a request is sent again.
pub const MAX_RETRY_PAUSE_NS: u64 = 256_000_000;

/// Reads of one worker that wait for the store behind the cache, or for what is written from it.
pub const MAX_REFILLS: usize = MAX_WAITING / 2;

/// Reads that the store behind the cache serves at the same time.
pub const MAX_STORE_SERVERS: usize = 1_024;

/// Reads that wait for it, over all workers.
pub const MAX_STORE_QUEUE: usize = MAX_REFILLS;

/// Outages that one worker keeps open, and those that one of its intervals tells of.
pub const MAX_OUTAGES: usize = 64;

/// Shortest time between two looks at a cluster's topology, however many ask for one.
pub const MIN_REFRESH_PAUSE_NS: u64 = 100_000_000;

const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two());
const _: () = assert!(FIRST_RECEIVE_BUFFERS <= RECEIVE_BUFFERS);
const _: () = assert!(MAX_CONNECTING < MAX_CONNECTIONS_PER_WORKER);
const _: () = assert!(MIN_RECONNECT_PAUSE_NS < MAX_RECONNECT_PAUSE_NS);
const _: () = assert!(MAX_VALUE_BYTES < MAX_OUTGOING_BYTES);
const _: () = assert!(MAX_NODES < u8::MAX as usize);
const _: () = assert!(MAX_WAITING_PER_NODE < MAX_WAITING && MAX_WAITING < u32::MAX as usize);
const _: () = assert!(MAX_COUNT < MAX_WAITING_PER_NODE && MAX_FANNED_OUT < u32::MAX as usize);
const _: () = assert!(QUICK_HOPS < MAX_HOPS && MIN_RETRY_PAUSE_NS < MAX_RETRY_PAUSE_NS);
const _: () = assert!(MAX_OUTAGES < u8::MAX as usize);

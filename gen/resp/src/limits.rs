//! The bounds of requests and replies, and how they hang together. What a bound drops is counted.

/// The largest value; Redis's own `proto-max-bulk-len` is 512 MiB.
pub const MAX_VALUE_BYTES: usize = 512 << 20;

/// Commands of one run, a transaction of them included.
pub const MAX_COMMANDS: usize = 32;

/// Keys, elements or replicas that a command of a mix asks for (`mget:N`).
pub const MAX_COUNT: usize = 1_000;

/// Commands between MULTI and EXEC.
pub const MAX_TRANSACTION: usize = 1_000;

/// Length of a status or error line that is kept; the rest of a longer one is dropped.
pub const MAX_LINE_BYTES: usize = 512;

/// Keys of one invalidation message that are read one by one; when there are more, everything is
/// taken to have changed.
pub const MAX_PUSHED_KEYS: usize = 128;

/// Nesting of aggregates in one reply.
pub const MAX_REPLY_DEPTH: usize = 16;

/// Decimal digits of a key's number: enough for 10^12 keys.
pub const KEY_DIGITS: usize = 12;

/// The most keys a run can name.
pub const MAX_KEYS: u64 = 10_u64.pow(KEY_DIGITS as u32);

const _: () = assert!(MAX_REPLY_DEPTH <= u32::BITS as usize);
const _: () = assert!(MAX_COMMANDS <= u32::BITS as usize);

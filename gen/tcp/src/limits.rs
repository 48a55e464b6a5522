//! Every bound of a connection.

/// The receive window that is advertised. What arrives in order is handed on at once, so the window
/// only bounds what may arrive out of order.
pub const RECEIVE_WINDOW: u32 = 256 << 10;

/// The shift of the window field (RFC 7323): the smallest that can express [`RECEIVE_WINDOW`].
pub const WINDOW_SHIFT: u8 = 3;

const _: () = assert!(RECEIVE_WINDOW >> WINDOW_SHIFT <= u16::MAX as u32);

/// Separate stretches of reordered data that are kept; data that would begin another one is dropped
/// and counted, and the peer sends it again.
pub const MAX_REORDERED: usize = 32;

/// Bytes that wait to be sent or acknowledged.
pub const SEND_BUFFER: usize = 256 << 10;

/// Segments on their way.
pub const MAX_IN_FLIGHT: usize = 512;

/// The segment size where the peer names none (RFC 9293, 3.7.1).
pub const DEFAULT_MSS: u16 = 536;

/// The smallest segment size that is accepted, from the peer or from ICMP: a smaller one would be a
/// way to make the client send many tiny packets.
pub const MIN_MSS: u16 = 88;

/// Retransmission time-out before there is a measurement (RFC 6298, 2.1).
pub const INITIAL_RTO_NS: u64 = 1_000_000_000;

/// The least retransmission time-out: Linux's, since RFC 6298's second is meant for the Internet.
pub const MIN_RTO_NS: u64 = 200_000_000;

/// The longest retransmission time-out.
pub const MAX_RTO_NS: u64 = 60_000_000_000;

/// Retransmissions of the same segment before the connection is given up (Linux's `tcp_retries2`).
pub const MAX_RETRIES: u32 = 15;

/// Attempts of the first SYN (Linux's `tcp_syn_retries`).
pub const MAX_SYN_RETRIES: u32 = 6;

/// An acknowledgement waits at most so long for a request to ride on.
pub const DELAYED_ACK_NS: u64 = 40_000_000;

/// Full segments after which an acknowledgement is not delayed (RFC 9293, 3.8.6.3).
pub const ACK_EVERY: u32 = 2;

/// How long a closed connection answers a lost last acknowledgement. Twice Linux's least
/// retransmission time-out is enough for a peer on the same network, and the port is free again.
pub const TIME_WAIT_NS: u64 = 1_000_000_000;

/// Quiet time after which the peer is asked whether it is still there.
pub const KEEP_ALIVE_NS: u64 = 30_000_000_000;

/// Answers to suspicious segments in one second (RFC 5961, 7).
pub const CHALLENGE_ACKS_PER_SECOND: u32 = 100;

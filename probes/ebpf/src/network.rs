//! Retransmits and resets on the server's sockets, known by their local port. Nothing here fires
//! for a packet that arrives as it should.

use aya_ebpf::Global;
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::{Array, PerCpuArray};
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::network::{Limiter, NETWORK_KINDS, Network, NetworkKind};
use stallion_probes_common::{Kind, Span};

use crate::shared::{emit, main_tid, now_ns, read_field};

/// Ports on which the server listens; 0 in places that are not used.
#[unsafe(no_mangle)]
static PORTS: Global<[u16; 8]> = Global::new([0; 8]);
/// Inode of the server's network namespace; 0 when it is unknown.
#[unsafe(no_mangle)]
static NET_NAMESPACE: Global<u32> = Global::new(0);
/// 1 more than the offsets of `sock_common.{skc_num, skc_dport, skc_family, skc_daddr,
/// skc_v6_daddr, skc_net}`, `net.ns.inum` and `inet_sock.inet_sport`; 0 where the kernel does not
/// tell.
#[unsafe(no_mangle)]
static SOCKET_OFFSETS: Global<[u32; 8]> = Global::new([0; 8]);

const LOCAL_PORT: usize = 0;
const PEER_PORT: usize = 1;
const FAMILY: usize = 2;
const PEER_V4: usize = 3;
const PEER_V6: usize = 4;
const NET: usize = 5;
const NET_INODE: usize = 6;
const SOURCE_PORT: usize = 7;

const AF_INET: u16 = 2;

#[map]
static NETWORK_LIMITS: Array<Limiter> = Array::with_max_entries(NETWORK_KINDS as u32, 0);

/// All of them by kind, for those that the limiter still holds at the end.
#[map]
static NETWORK_TOTALS: PerCpuArray<u64> = PerCpuArray::with_max_entries(NETWORK_KINDS as u32, 0);

#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
fn tcp_retransmit_skb(ctx: RawTracePointContext) -> i32 {
    seen(NetworkKind::Retransmit, ctx.arg(0))
}

#[raw_tracepoint(tracepoint = "tcp_receive_reset")]
fn tcp_receive_reset(ctx: RawTracePointContext) -> i32 {
    seen(NetworkKind::ResetReceived, ctx.arg(0))
}

/// Without a socket (nobody listens) the argument is null.
#[raw_tracepoint(tracepoint = "tcp_send_reset")]
fn tcp_send_reset(ctx: RawTracePointContext) -> i32 {
    seen(NetworkKind::ResetSent, ctx.arg(0))
}

#[inline(always)]
fn seen(kind: NetworkKind, socket: u64) -> i32 {
    let offsets = SOCKET_OFFSETS.load();
    let Some(mut local_port) = read_field::<u16>(socket, offsets[LOCAL_PORT]) else {
        return 0;
    };
    if local_port == 0 {
        // A socket that is closed with something unread has given its port back already.
        let source: u16 = read_field(socket, offsets[SOURCE_PORT]).unwrap_or(0);
        local_port = u16::from_be(source);
    }
    if !is_ours(local_port) || !is_our_namespace(socket) {
        return 0;
    }
    if let Some(total) = NETWORK_TOTALS.get_ptr_mut(kind as u32) {
        // SAFETY: each CPU has its own word.
        unsafe { *total += 1 };
    }
    let now = now_ns();
    let Some(limit) = NETWORK_LIMITS.get_ptr_mut(kind as u32) else {
        return 0;
    };
    // SAFETY: an element of an array map lives as long as the program. Two CPUs at once may count
    // one too few, which the totals make good.
    let Some((start, count)) = (unsafe { (*limit).count(now) }) else {
        return 0;
    };
    let family: u16 = read_field(socket, offsets[FAMILY]).unwrap_or(0);
    let mut peer = [0; 16];
    if family == AF_INET {
        let four: [u8; 4] = read_field(socket, offsets[PEER_V4]).unwrap_or([0; 4]);
        peer[..4].copy_from_slice(&four);
    } else {
        peer = read_field(socket, offsets[PEER_V6]).unwrap_or([0; 16]);
    }
    let span = Span { busy_ns: 0, count, ..Span::single(Kind::Network, main_tid(), start, now) };
    emit(&Network {
        span,
        kind: kind as u32,
        local_port,
        peer_port_be: read_field(socket, offsets[PEER_PORT]).unwrap_or(0),
        peer,
        family: u32::from(family),
        reserved: 0,
    });
    0
}

#[inline(always)]
fn is_ours(port: u16) -> bool {
    let ports = PORTS.load();
    let mut known = false;
    for place in ports {
        known |= place == port;
    }
    known && port != 0
}

/// Other containers may have the same port.
#[inline(always)]
fn is_our_namespace(socket: u64) -> bool {
    let offsets = SOCKET_OFFSETS.load();
    let inode: Option<u32> =
        read_field::<u64>(socket, offsets[NET]).and_then(|net| read_field(net, offsets[NET_INODE]));
    let ours = NET_NAMESPACE.load();
    ours == 0 || inode.is_none_or(|inode| inode == ours)
}

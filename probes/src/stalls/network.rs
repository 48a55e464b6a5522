//! Trouble on the server's sockets: hooks in: raw tracepoints `tcp_retransmit_skb`,
//! `tcp_receive_reset`, `tcp_send_reset`; zero windows from /proc/PID/net/tcp, once a second.
//! Stall out: [`StallClass::Network`], without any stalled time: one connection is harmed, and the
//! main thread goes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use stallion_probes_common::network::{Network, NetworkKind};
use stallion_probes_common::{Kind, Span};
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::procfs::ClosedWindow;
use crate::server::Server;

const AF_INET: u32 = 2;

/// What happened on one connection, or on several of which the last is named.
pub fn stall(event: &Network, server: &mut Server) -> Option<Stall> {
    let kind = NetworkKind::from_u32(event.kind)?;
    let told = &mut server.network_told[kind as usize];
    *told = told.saturating_add(event.span.count);
    let what = format!("{} {}", words(kind), peer(event));
    let mut stall = from_span(StallClass::Network, &event.span, server, what);
    stall.detail.insert("local_port".into(), f64::from(event.local_port));
    Some(stall)
}

/// Those of a kind that were counted and not told: `totals` by kind, at the end of a watch.
pub fn untold(totals: [u64; 3], now_ns: u64, server: &mut Server) -> Vec<Stall> {
    let kinds = [NetworkKind::Retransmit, NetworkKind::ResetReceived, NetworkKind::ResetSent];
    let missing =
        kinds.map(|kind| totals[kind as usize].saturating_sub(server.network_told[kind as usize]));
    server.network_told = totals;
    let some = kinds.into_iter().zip(missing).filter(|(_, count)| *count > 0);
    some.map(|(kind, count)| {
        let span = Span { count, ..Span::single(Kind::Network, server.pid, now_ns, now_ns) };
        from_span(StallClass::Network, &span, server, format!("{} others", words(kind)))
    })
    .collect()
}

/// A client that has stopped to read, and how much the server has for it.
pub fn zero_window(
    closed: &ClosedWindow,
    since_ns: u64,
    now_ns: u64,
    server: &mut Server,
) -> Stall {
    let span = Span { busy_ns: 0, ..Span::single(Kind::Network, server.pid, since_ns, now_ns) };
    let what = format!("zero window: {} does not read", closed.peer);
    let mut stall = from_span(StallClass::Network, &span, server, what);
    stall.detail.insert("local_port".into(), f64::from(closed.local_port));
    stall.detail.insert("queued_bytes".into(), closed.queued_bytes as f64);
    stall
}

fn words(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Retransmit => "retransmit to",
        NetworkKind::ResetReceived => "reset by",
        NetworkKind::ResetSent => "reset of",
    }
}

fn peer(event: &Network) -> SocketAddr {
    let [a, b, c, d, ..] = event.peer;
    let address = if event.family == AF_INET {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(event.peer)).to_canonical()
    };
    SocketAddr::new(address, u16::from_be(event.peer_port_be))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(count: u64) -> Network {
        let mut peer = [0; 16];
        peer[..4].copy_from_slice(&[127, 0, 0, 1]);
        let span = Span { count, busy_ns: 0, ..Span::single(Kind::Network, 1, 5, 9) };
        Network {
            span,
            kind: NetworkKind::Retransmit as u32,
            local_port: 6379,
            peer_port_be: 5000_u16.to_be(),
            peer,
            family: AF_INET,
            reserved: 0,
        }
    }

    #[test]
    fn the_peer_is_named_and_no_time_is_claimed() {
        let mut server = Server::of(1);
        let told = stall(&event(3), &mut server).unwrap();
        assert_eq!((told.what.as_str(), told.busy_ns), ("retransmit to 127.0.0.1:5000", 0));
        assert_eq!((told.count, told.detail["local_port"]), (3, 6379.0));
    }

    #[test]
    fn what_the_limiter_held_back_is_told_at_the_end() {
        let mut server = Server::of(1);
        stall(&event(3), &mut server).unwrap();
        let rest = untold([5, 0, 1], 100, &mut server);
        assert_eq!(rest.iter().map(|stall| stall.count).collect::<Vec<_>>(), [2, 1]);
        assert!(untold([5, 0, 1], 100, &mut server).is_empty(), "told once");
    }
}

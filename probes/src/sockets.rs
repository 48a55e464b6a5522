//! Connections whose client does not read, from /proc/PID/net/tcp: the kernel has no tracepoint
//! for them but one that fires for every packet.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use stallion_timeline::Stall;

use crate::procfs::{ClosedWindow, closed_windows};
use crate::server::Server;
use crate::stalls::network::zero_window;

/// How often the table is read at most.
const EVERY: Duration = Duration::from_secs(1);

/// The share of a core that the reading may take: a table of 10 000 connections takes a while.
const SHARE: u32 = 50;

/// Connections followed at once.
const FOLLOWED: usize = 1_024;

/// Connections with a closed window, by their ends.
#[derive(Debug, Default)]
pub struct Sockets {
    closed: HashMap<(u16, std::net::SocketAddr), Closed>,
    next: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    since_ns: u64,
    until_ns: u64,
    window: ClosedWindow,
}

impl Sockets {
    /// Reads the server's table when it is time to. Returns the windows that opened again.
    pub fn poll(&mut self, now_ns: u64, server: &mut Server) -> Vec<Stall> {
        let begun = Instant::now();
        if self.next.is_some_and(|next| begun < next) {
            return Vec::new();
        }
        let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{}/net/{table}", server.pid));
        let found = tables
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|text| closed_windows(&text, &server.ports))
            .collect();
        self.next = Some(begun + EVERY.max(begun.elapsed() * SHARE));
        self.see(found, now_ns, server)
    }

    /// All that are still closed when the watch ends.
    pub fn finish(&mut self, server: &mut Server) -> Vec<Stall> {
        let left: Vec<Closed> = self.closed.drain().map(|(_, closed)| closed).collect();
        left.iter().map(|closed| closed.stall(server)).collect()
    }

    fn see(&mut self, found: Vec<ClosedWindow>, now_ns: u64, server: &mut Server) -> Vec<Stall> {
        for window in found {
            let key = (window.local_port, window.peer);
            if self.closed.len() < FOLLOWED || self.closed.contains_key(&key) {
                let fresh = Closed { since_ns: now_ns, until_ns: now_ns, window };
                let closed = self.closed.entry(key).or_insert(fresh);
                closed.until_ns = now_ns;
                closed.window.queued_bytes = closed.window.queued_bytes.max(window.queued_bytes);
            }
        }
        let opened: Vec<Closed> = self
            .closed
            .extract_if(|_, closed| closed.until_ns < now_ns)
            .map(|(_, closed)| closed)
            .collect();
        opened.iter().map(|closed| closed.stall(server)).collect()
    }
}

impl Closed {
    fn stall(&self, server: &mut Server) -> Stall {
        zero_window(&self.window, self.since_ns, self.until_ns, server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(queued_bytes: u64) -> ClosedWindow {
        let peer = "127.0.0.1:5000".parse().unwrap();
        ClosedWindow { local_port: 6379, peer, queued_bytes }
    }

    #[test]
    fn a_closed_window_is_told_once_when_it_opens_or_the_watch_ends() {
        let mut server = Server::of(1);
        let mut sockets = Sockets::default();
        assert!(sockets.see(vec![window(10)], 100, &mut server).is_empty());
        assert!(sockets.see(vec![window(70)], 200, &mut server).is_empty());
        let told = sockets.see(Vec::new(), 300, &mut server);
        assert_eq!((told[0].start_ns, told[0].end_ns, told[0].busy_ns), (100, 200, 0));
        assert_eq!(told[0].detail["queued_bytes"], 70.0);
        sockets.see(vec![window(1)], 400, &mut server);
        assert_eq!(sockets.finish(&mut server).len(), 1);
        assert!(sockets.finish(&mut server).is_empty());
    }
}

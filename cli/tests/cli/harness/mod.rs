//! What the tests of the binary stand on: the binary itself, real servers, and a scripted one.

pub(crate) mod stallion;

pub(crate) mod cluster;

pub(crate) mod redis;

pub(crate) mod fake;

pub(crate) mod others;

pub(crate) mod pty;

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits for something that another process does.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

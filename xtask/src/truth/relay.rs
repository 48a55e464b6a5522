//! A link that can be slow: passes bytes on between clients and the server, and holds the answers
//! back when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs in threads of its own as long as its connections.
pub(super) struct Relay {
    pub(super) port: u16,
    delay_us: Arc<AtomicU64>,
}

impl Relay {
    /// Listens on a free port of the loopback, for a server at another.
    pub(super) fn to(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let relay = Self { port: listener.local_addr()?.port(), delay_us: Arc::default() };
        let delay_us = Arc::clone(&relay.delay_us);
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let pair = (client.try_clone(), server.try_clone());
                let (Ok(answers), Ok(requests)) = pair else { continue };
                let delay_us = Arc::clone(&delay_us);
                std::thread::spawn(move || pass(client, requests, || {}));
                std::thread::spawn(move || {
                    pass(server, answers, || {
                        std::thread::sleep(Duration::from_micros(delay_us.load(Ordering::Relaxed)));
                    });
                });
            }
        });
        Ok(relay)
    }

    /// How long it holds each answer back from now on.
    pub(super) fn hold(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.delay_us.store(us, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, before: impl Fn()) {
    let _ = to.set_nodelay(true);
    let mut part = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut part) {
        before();
        if to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    // Both sides learn that it is over.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

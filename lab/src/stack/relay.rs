//! A link that can be slow or cut, where the kernel has nothing for that: passes bytes on between
//! clients and a server, holds them back when it is told to, and needs no rights.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(2);
const PART: usize = 16 << 10;

/// A relay; its threads end with its connections, and those with the servers behind.
#[derive(Debug, Clone)]
pub struct Relay {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    delay_us: AtomicU64,
    cut: AtomicBool,
}

impl Relay {
    /// Listens on a free port of the loopback, for a server at another.
    ///
    /// # Errors
    /// The operating system's, when there is no free port.
    pub fn to(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let relay = Self { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&relay.state);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                let pair = (client.try_clone(), server.try_clone());
                let (Ok(answers), Ok(requests)) = pair else { continue };
                for (from, to) in [(client, requests), (server, answers)] {
                    let state = Arc::clone(&state);
                    thread::spawn(move || pass(from, to, &state));
                }
            }
        });
        Ok(relay)
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Each way takes this much longer from now on.
    pub fn hold(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.state.delay_us.store(us, Ordering::Relaxed);
    }

    /// Whether nothing passes from now on.
    pub fn cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &State) {
    // Only a matter of speed.
    let _ = to.set_nodelay(true);
    let mut part = [0; PART];
    while let Ok(length @ 1..) = from.read(&mut part) {
        thread::sleep(Duration::from_micros(state.delay_us.load(Ordering::Relaxed)));
        while state.cut.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
        }
        if to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    // Both sides learn that it is over.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

//! A link that can be slow or cut, where the kernel has nothing for that: passes bytes on between
//! clients and a server, holds them back or loses them when it is told to, and needs no rights.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
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
    /// The address of those who alone are cut off, in bits; 0 is nobody's.
    cut_from: AtomicU32,
    /// How often everything that was on its way was lost.
    severed: AtomicU64,
}

impl State {
    fn holds(&self, source: Ipv4Addr) -> bool {
        let from = self.cut_from.load(Ordering::Relaxed);
        self.cut.load(Ordering::Relaxed) || from != 0 && from == source.to_bits()
    }
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
                let source = match client.peer_addr().map(|address| address.ip()) {
                    Ok(IpAddr::V4(source)) => source,
                    _ => continue,
                };
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                let pair = (client.try_clone(), server.try_clone());
                let (Ok(answers), Ok(requests)) = pair else { continue };
                for (from, to) in [(client, requests), (server, answers)] {
                    let state = Arc::clone(&state);
                    thread::spawn(move || pass(from, to, source, &state));
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

    /// Whose bytes alone do not pass from now on, in both directions; none for nobody's.
    pub fn cut_from(&self, source: Option<Ipv4Addr>) {
        let bits = source.map_or(0, Ipv4Addr::to_bits);
        self.state.cut_from.store(bits, Ordering::Relaxed);
    }

    /// Breaks all connections; what was on its way is lost.
    pub fn sever(&self) {
        self.state.severed.fetch_add(1, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, source: Ipv4Addr, state: &State) {
    // Only a matter of speed.
    let _ = to.set_nodelay(true);
    let severed = state.severed.load(Ordering::Relaxed);
    let is_severed = || state.severed.load(Ordering::Relaxed) != severed;
    let mut part = [0; PART];
    while let Ok(length @ 1..) = from.read(&mut part) {
        thread::sleep(Duration::from_micros(state.delay_us.load(Ordering::Relaxed)));
        while state.holds(source) && !is_severed() {
            thread::sleep(LOOK_EVERY);
        }
        if is_severed() || to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    // Both sides learn that it is over.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

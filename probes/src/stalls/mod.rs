//! From what travelled over the ring buffer to a stall of the timeline: one file per stall, with
//! the same stem as in `probes/ebpf` and `probes-common`.

pub mod block_io;

pub mod fork;

pub mod page_fault;

pub mod fsync;

pub mod scheduler;

pub mod command;

pub mod reclaim;

pub mod softirq;

pub mod network;

pub mod exit;

use std::collections::BTreeMap;

use stallion_probes_common::{Kind, Span};
use stallion_timeline::{Stall, StallClass};

use crate::server::Server;

/// The stall that an event tells of; none when the event only prepares another, is of no interest
/// by itself, or comes from another version.
pub fn stall(bytes: &[u8], server: &mut Server) -> Option<Stall> {
    let span: Span = event(bytes)?;
    match Kind::from_u32(span.kind)? {
        Kind::Fork => Some(fork::stall(&event(bytes)?, server)),
        Kind::Faults => page_fault::stall(&event(bytes)?, server),
        Kind::Sync => Some(fsync::stall(&event(bytes)?, server)),
        Kind::Wait => scheduler::stall(&event(bytes)?, server),
        Kind::Stretch => command::stretch(&event(bytes)?, server),
        Kind::Stack => {
            let name = command::name_on_stack(&event(bytes)?, &mut server.symbols);
            server.command_on_stack = name.map(|name| (span.start_ns, name));
            None
        }
        Kind::Call => Some(command::call(&event(bytes)?, server)),
        Kind::Reclaim => reclaim::stall(&event(bytes)?, server),
        Kind::Softirq => Some(softirq::stall(&event(bytes)?, server)),
        Kind::Network => network::stall(&event(bytes)?, server),
        Kind::Exit => Some(exit::stall(&event(bytes)?, server)),
        Kind::Disk => Some(block_io::stall(&event(bytes)?, server)),
    }
}

/// An event of the ring buffer as its struct; none when it is too short for it.
fn event<T: Copy>(bytes: &[u8]) -> Option<T> {
    // SAFETY: the structs of probes-common are plain old data without padding (asserted there by
    // their sizes), of which every bit pattern is a value; the length was checked.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// A stall with the times of its event's head.
fn from_span(class: StallClass, span: &Span, server: &mut Server, what: String) -> Stall {
    Stall {
        class,
        pid: server.pid,
        port: server.port,
        tid: span.tid,
        thread: server.role(span.tid),
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        busy_ns: span.busy_ns,
        count: span.count,
        what,
        detail: BTreeMap::new(),
    }
}

/// A thread's name as the kernel keeps it.
fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_foreign_events_are_left_out() {
        let mut server = Server::of(1);
        assert!(stall(&[], &mut server).is_none());
        assert!(stall(&[0xff; 4096], &mut server).is_none());
        let mut cut = [0; 41];
        cut[0] = Kind::Wait as u8;
        assert!(stall(&cut, &mut server).is_none(), "a head without its body");
    }

    #[test]
    fn names_end_at_their_zero() {
        assert_eq!(comm(b"bio_aof\0\0\0"), "bio_aof");
        assert_eq!(comm(b"sixteen_bytes_xx"), "sixteen_bytes_xx");
    }
}

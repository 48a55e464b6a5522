//! The clocks of two hosts: four timestamps an exchange, as NTP has them (RFC 5905, section 8), over
//! datagrams. One side answers ([`serve`]), the other asks ([`ask`]).
//!
//! The offset is exact when both ways take as long; whatever they took, it is off by no more than
//! half of the round trip. So the fastest of many exchanges is kept, and half of it is the bound.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::schema::PeerClock;

/// Begins every datagram.
const MAGIC: [u8; 8] = *b"STALCLK1";

/// A question: the magic and the time of asking.
const QUESTION_BYTES: usize = 16;

/// An answer: the magic, the time of asking, of receiving and of answering, and the boot id.
const ANSWER_BYTES: usize = 32;

/// Exchanges of one measurement. They take some 20 ms on a network of 0.3 ms.
const EXCHANGES: usize = 64;

/// How long an answer may take; a lost datagram costs so much.
const PATIENCE: Duration = Duration::from_millis(200);

/// Exchanges without an answer after which the other side is held to be gone.
const UNANSWERED: usize = 5;

/// Answers questions until `stop` is set. `clock` is the clock to be told, `boot_id` names it.
///
/// # Errors
/// The system's, when the socket breaks.
pub fn serve(
    socket: &UdpSocket,
    boot_id: &str,
    clock: impl Fn() -> u64,
    stop: &AtomicBool,
) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut part = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        let (length, from) = match socket.recv_from(&mut part) {
            Ok(found) => found,
            Err(error) if is_patience(&error) => continue,
            Err(error) => return Err(error),
        };
        let received_ns = clock();
        if length != QUESTION_BYTES || part[..8] != MAGIC {
            continue;
        }
        let mut answer = part[..QUESTION_BYTES].to_vec();
        answer.extend(received_ns.to_le_bytes());
        answer.extend(clock().to_le_bytes());
        answer.extend(boot_id.as_bytes());
        // A peer that has gone again is no error of ours.
        let _ = socket.send_to(&answer, from);
    }
    Ok(())
}

/// Measures the clock of the host that answers at `peer` against `clock`.
///
/// # Errors
/// The system's, `TimedOut` when nobody answers, `InvalidData` when the answers are none.
pub fn ask(peer: SocketAddr, clock: impl Fn() -> u64) -> io::Result<PeerClock> {
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut best: Option<PeerClock> = None;
    let mut unanswered = 0;
    for _ in 0..EXCHANGES {
        match exchange(&socket, &clock, peer) {
            Ok(found) => {
                if best.as_ref().is_none_or(|best| found.error_ns < best.error_ns) {
                    best = Some(found);
                }
            }
            Err(error) if is_patience(&error) => {
                unanswered += 1;
                if unanswered >= UNANSWERED && best.is_none() {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
    }
    best.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "nobody answers"))
}

fn exchange(
    socket: &UdpSocket,
    clock: &impl Fn() -> u64,
    peer: SocketAddr,
) -> io::Result<PeerClock> {
    let asked_ns = clock();
    let mut question = MAGIC.to_vec();
    question.extend(asked_ns.to_le_bytes());
    socket.send(&question)?;
    let mut answer = [0; 128];
    // An answer to an earlier question that came late is passed over.
    let (length, got_ns) = loop {
        let length = socket.recv(&mut answer)?;
        let got_ns = clock();
        if word(&answer[..length], 8) == Some(asked_ns) {
            break (length, got_ns);
        }
    };
    let no_answer = || io::Error::new(io::ErrorKind::InvalidData, "no answer of a prober's clock");
    if answer[..8] != MAGIC || length < ANSWER_BYTES {
        return Err(no_answer());
    }
    let received_ns = word(&answer, 16).ok_or_else(no_answer)?;
    let answered_ns = word(&answer, 24).ok_or_else(no_answer)?;
    let boot_id = String::from_utf8_lossy(&answer[ANSWER_BYTES..length]).into_owned();
    let signed = |ns: u64| i128::from(ns);
    // Ours minus theirs, so that adding it to their times gives ours.
    let doubled = signed(asked_ns) - signed(received_ns) + signed(got_ns) - signed(answered_ns);
    let round_trip_ns = (got_ns - asked_ns).saturating_sub(answered_ns.saturating_sub(received_ns));
    Ok(PeerClock {
        at_ns: asked_ns + (got_ns - asked_ns) / 2,
        peer: peer.to_string(),
        boot_id,
        offset_ns: i64::try_from(doubled / 2).map_err(|_| no_answer())?,
        error_ns: round_trip_ns.div_ceil(2),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn is_patience(error: &io::Error) -> bool {
    // A port without a listener says so with the next call.
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_ns;

    #[test]
    fn the_offset_of_another_clock_is_found_within_its_bound() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = socket.local_addr().unwrap();
        let stop = AtomicBool::new(false);
        let ahead_ns = 1_000_000_000_000;
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&socket, "other-boot", || monotonic_ns() + ahead_ns, &stop));
            let found = ask(peer, monotonic_ns);
            stop.store(true, Ordering::Relaxed);
            let found = found.unwrap();
            let off_ns = (found.offset_ns + ahead_ns as i64).unsigned_abs();
            assert!(off_ns <= found.error_ns, "{off_ns} ns off, bound {}", found.error_ns);
            assert!(found.error_ns < 50_000_000, "{found:?}");
            assert_eq!(found.boot_id, "other-boot");
        });
    }

    #[test]
    fn nobody_and_somebody_else_are_told() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = ask(silent.local_addr().unwrap(), monotonic_ns).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

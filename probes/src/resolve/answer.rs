//! What answers at a port: `INFO server` says which process it is, as its own namespace numbers it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A server that is stopped, or busy for long, does not answer: it is watched all the same.
const PATIENCE: Duration = Duration::from_millis(300);

/// The section is shorter than this in every version.
const MOST_BYTES: usize = 16_384;

/// The first byte of a TLS alert: the answer to plain text.
const TLS_ALERT: u8 = 0x15;

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A server that says which one it is.
    Info(ServerInfo),
    /// One that does not: it wants a password, or TLS.
    Refused,
    /// Nothing came in time, or nobody listens on loopback.
    Silent,
    /// It speaks something else.
    Foreign,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerInfo {
    /// Its process id in its own pid namespace.
    pub(super) process_id: u32,
    /// Its port in its own network namespace.
    pub(super) port: u16,
}

/// Asks on loopback.
pub(super) fn ask(port: u16) -> Answer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
        return Answer::Silent;
    };
    let asked = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.write_all(b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"));
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while asked.is_ok() && !is_whole(&bytes) && bytes.len() < MOST_BYTES {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => break,
        }
    }
    read(&bytes)
}

/// Whether the port has come, which stands after the process id, or an error's line.
fn is_whole(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(b'$' | b'=') => {
            let text = String::from_utf8_lossy(bytes);
            text.find("tcp_port:").is_some_and(|at| text[at..].contains('\n'))
        }
        Some(_) => bytes.ends_with(b"\n"),
        None => false,
    }
}

fn read(bytes: &[u8]) -> Answer {
    match bytes.first() {
        None => Answer::Silent,
        Some(b'-') | Some(&TLS_ALERT) => Answer::Refused,
        Some(b'$' | b'=') => {
            let text = String::from_utf8_lossy(bytes);
            let field =
                |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let process_id = field("process_id:").and_then(|id| id.parse().ok());
            let port = field("tcp_port:").and_then(|port| port.parse().ok()).unwrap_or(0);
            process_id
                .map_or(Answer::Refused, |process_id| Answer::Info(ServerInfo { process_id, port }))
        }
        Some(_) => Answer::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let info = b"$80\r\n# Server\r\nprocess_id:42\r\ntcp_port:6379\r\n\r\n";
        assert!(is_whole(info) && !is_whole(&info[..40]));
        assert_eq!(read(info), Answer::Info(ServerInfo { process_id: 42, port: 6379 }));
        assert_eq!(read(b"-NOAUTH Authentication required.\r\n"), Answer::Refused);
        assert_eq!(read(b"\x15\x03\x01\x00\x02\x02\x46"), Answer::Refused);
        assert_eq!(read(b""), Answer::Silent);
        assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n"), Answer::Foreign);
        assert_eq!(read(b"$5\r\nhello\r\n"), Answer::Refused, "a proxy that answers by itself");
    }
}

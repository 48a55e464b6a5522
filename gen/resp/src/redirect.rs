//! What an error reply of a cluster asks for: another node for good, another node for once, or
//! patience.

use std::net::IpAddr;

use crate::units::{SLOTS, SlotId};

/// Where a node says that another one is. Its host may be empty: the one that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere<'a> {
    /// The slot that it is about.
    pub slot: SlotId,
    /// Host name or address, without brackets.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

/// An error reply that a cluster client acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// `MOVED slot host:port`: the slot is served there from now on.
    Moved(Elsewhere<'a>),
    /// `ASK slot host:port`: this key is there already; the next request after ASKING goes there.
    Ask(Elsewhere<'a>),
    /// `TRYAGAIN …`: several keys of a slot that is being moved lie on both sides.
    TryAgain,
    /// `CLUSTERDOWN …`: the slot, or the cluster, is not served.
    ClusterDown,
    /// `LOADING …`: the node reads its data set.
    Loading,
    /// `READONLY …`: the node became a replica.
    ReadOnly,
    /// `MASTERDOWN …`: a replica without its primary.
    MasterDown,
}

/// Reads the text of an error reply, without its sign; none when it is another error.
#[must_use]
pub fn read(text: &[u8]) -> Option<Redirect<'_>> {
    let text = std::str::from_utf8(text).ok()?;
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "MOVED" => Redirect::Moved(elsewhere(rest)?),
        "ASK" => Redirect::Ask(elsewhere(rest)?),
        "TRYAGAIN" => Redirect::TryAgain,
        "CLUSTERDOWN" => Redirect::ClusterDown,
        "LOADING" => Redirect::Loading,
        "READONLY" => Redirect::ReadOnly,
        "MASTERDOWN" => Redirect::MasterDown,
        _ => return None,
    })
}

/// `3999 127.0.0.1:6381`, `3999 ::1:6381`, `3999 :6381`, and a host name where the cluster prefers
/// names; anything behind the port (Redis 7 has put host names there) is passed over.
fn elsewhere(text: &str) -> Option<Elsewhere<'_>> {
    let mut words = text.split_whitespace();
    let slot: u16 = words.next()?.parse().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let known = host.is_empty() || host.parse::<IpAddr>().is_ok() || is_name(host);
    let port: u16 = port.split(',').next()?.parse().ok()?;
    (slot < SLOTS && port > 0 && known).then_some(Elsewhere { slot: SlotId(slot), host, port })
}

/// Letters, digits, dots, hyphens, underscores; Redis says `?` when it knows no name.
fn is_name(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn redirects_are_read() {
        let at = |slot, host, port| Elsewhere { slot: SlotId(slot), host, port };
        for (text, wanted) in [
            ("MOVED 3999 127.0.0.1:6381", Redirect::Moved(at(3_999, "127.0.0.1", 6_381))),
            ("MOVED 3999 ::1:6381", Redirect::Moved(at(3_999, "::1", 6_381))),
            ("ASK 0 [fe80::1]:7", Redirect::Ask(at(0, "fe80::1", 7))),
            ("ASK 16383 :7000", Redirect::Ask(at(16_383, "", 7_000))),
            ("MOVED 1 node-1.example:7", Redirect::Moved(at(1, "node-1.example", 7))),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Redirect::TryAgain),
            ("CLUSTERDOWN Hash slot not served", Redirect::ClusterDown),
            ("READONLY You can't write against a read only replica.", Redirect::ReadOnly),
            ("LOADING", Redirect::Loading),
        ] {
            assert_eq!(read(text.as_bytes()), Some(wanted), "{text}");
        }
        for text in [
            "MOVED",
            "MOVED x 1:2",
            "MOVED 16384 a:1",
            "MOVED 1 a:0",
            "MOVED 1 a:99999",
            "ASK 1 a/b:1",
            "ERR no",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_says_is_a_panic(text: Vec<u8>) {
            let _ = read(&text);
        }

        #[test]
        fn what_is_written_is_read(slot in 0..SLOTS, host in "[a-z0-9.-]{1,30}", port in 1_u16..) {
            let text = format!("MOVED {slot} {host}:{port}");
            let wanted = Redirect::Moved(Elsewhere { slot: SlotId(slot), host: &host, port });
            assert_eq!(read(text.as_bytes()), Some(wanted));
        }
    }
}

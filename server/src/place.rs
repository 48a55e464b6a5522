//! The place of a server, and all addresses of its name.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use serde::Serialize;

/// A server's place, as a user names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// TCP.
    Tcp {
        /// Name or address; an IPv6 address without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl Place {
    /// A server on TCP by its host and port; brackets around an IPv6 address are taken off.
    ///
    /// # Errors
    /// A sentence that names the host and what to give instead.
    pub fn tcp(host: &str, port: u16) -> Result<Self, String> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_v6 =
            |text: &str| text.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
        let bad =
            |letter: char| letter.is_whitespace() || letter.is_control() || "/@[]".contains(letter);
        match bare {
            Some(inner) if is_v6(inner) => Ok(Self::Tcp { host: inner.to_owned(), port }),
            Some(_) => {
                Err(format!("host {host:?}: brackets are for an IPv6 address, such as [::1]"))
            }
            None if host.is_empty() => {
                Err("the host is empty: give a name or an address".to_owned())
            }
            None if host.contains(':') && !is_v6(host) => Err(format!(
                "host {host:?} has a colon and is no IPv6 address: give the port by itself"
            )),
            None if host.contains(bad) => {
                Err(format!("host {host:?} is no name of a host: give a name or an address"))
            }
            None => Ok(Self::Tcp { host: host.to_owned(), port }),
        }
    }

    /// Reads `host:port` or `[v6]:port`, the form of a cluster's nodes and of a ring's servers.
    #[must_use]
    pub fn host_and_port(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port_of(port)?;
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        if is_bare_v6 { None } else { Self::tcp(host, port).ok() }
    }

    /// Its URL without user, password and database; `rediss://` if it is spoken to by TLS.
    #[must_use]
    pub fn url(&self, by_tls: bool) -> String {
        let url = self.to_string();
        match url.strip_prefix("redis://") {
            Some(place) if by_tls => format!("rediss://{place}"),
            _ => url,
        }
    }

    /// Whether the server is on this host, as far as its name tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => {
                write!(out, "redis://[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(out, "redis://{host}:{port}"),
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
        }
    }
}

/// A port from 1 to 65535, in digits only.
pub(crate) fn port_of(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_digits && *port > 0)
}

/// All addresses of a host, in the order in which they are tried: IPv4 first, because Redis binds it by
/// default. The resolver is asked anew each time; it blocks.
///
/// # Errors
/// The resolver's, or `NotFound` when the name has no address.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = in_order((host, port).to_socket_addrs()?.collect());
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    }
    Ok(found)
}

/// Each address once; IPv4 before IPv6, and otherwise in the resolver's order.
#[must_use]
pub fn in_order(mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    found.sort_by_key(SocketAddr::is_ipv6);
    let mut each: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for address in found {
        if !each.contains(&address) {
            each.push(address);
        }
    }
    each
}

/// Tries the addresses one after the other until `connect` succeeds with one.
///
/// # Errors
/// The only error when there is one address; otherwise one that names each address with its own.
pub fn first_that<T>(
    addresses: &[SocketAddr],
    mut connect: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut errors = Vec::new();
    for address in addresses {
        match connect(*address) {
            Ok(connected) => return Ok(connected),
            Err(error) => errors.push((*address, error)),
        }
    }
    if errors.len() < 2 {
        let none = || io::Error::new(io::ErrorKind::NotFound, "it has no address");
        return Err(errors.pop().map_or_else(none, |(_, error)| error));
    }
    let kind = errors[0].1.kind();
    let all: Vec<String> =
        errors.iter().map(|(address, error)| format!("{}: {error}", address.ip())).collect();
    Err(io::Error::new(kind, all.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_or_without_brackets() {
        let host = |text: &str| match Place::tcp(text, 7).unwrap() {
            Place::Tcp { host, .. } => host,
            Place::Unix(path) => panic!("{path:?}"),
        };
        assert_eq!(host("[::1]"), "::1");
        assert_eq!(host("::1"), "::1");
        assert_eq!(host("fe80::1%lo"), "fe80::1%lo");
        assert_eq!(host("db.example"), "db.example");
        for wrong in ["", "h:6379", "[h]", "[::1", "a b", "a/b", "u@h"] {
            assert!(Place::tcp(wrong, 7).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nodes_are_host_and_port() {
        let shown = |text: &str| Place::host_and_port(text).map(|place| place.to_string());
        assert_eq!(shown("a:7000").as_deref(), Some("redis://a:7000"));
        assert_eq!(shown("[::1]:7").as_deref(), Some("redis://[::1]:7"));
        for wrong in ["a", "a:0", ":1", "::1:7", "a:+7", "a:65536", "[a]:7"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        for host in ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"] {
            assert!(Place::tcp(host, 1).unwrap().is_local(), "{host}");
        }
        assert!(!Place::tcp("10.0.0.1", 1).unwrap().is_local());
    }

    #[test]
    fn all_addresses_are_tried_in_order_and_each_failure_is_told() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let all = in_order(["[::1]:7", "127.0.0.1:7", "[::1]:7"].map(address).to_vec());
        assert_eq!(all, ["127.0.0.1:7", "[::1]:7"].map(address));
        let only_v6 = |one: SocketAddr| match one.is_ipv6() {
            true => Ok(one),
            false => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
        };
        assert_eq!(first_that(&all, only_v6).unwrap(), all[1]);
        let none = |_| -> io::Result<()> { Err(io::ErrorKind::ConnectionRefused.into()) };
        let error = first_that(&all, none).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("127.0.0.1: ") && error.to_string().contains("::1: "));
        assert_eq!(first_that(&[], none).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

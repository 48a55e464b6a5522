//! Where the server is, and sockets to it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::{Domain, SockAddr, Socket, Type};

use stallion_engine::limits::MAX_NODES;

/// A server's address, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether it is reached by TCP.
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Host and port, if it is reached by TCP.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether the server is on this host, as far as the address tells.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// As the socket calls take it.
    ///
    /// # Errors
    /// A unix path longer than the kernel allows (107 bytes).
    pub fn to_sockaddr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Tcp(address) => Ok(SockAddr::from(*address)),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }

    /// A new socket of the right family, with Nagle's algorithm off.
    ///
    /// # Errors
    /// The system's: too many open files, for one.
    pub fn socket(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.set_tcp_nodelay(true)?;
                Ok(socket)
            }
            Self::Unix(_) => Socket::new(Domain::UNIX, Type::STREAM, None),
        }
    }
}

/// The places of a ring: `first`, and room for the nodes of a cluster, so that no place ever moves.
pub(super) fn places(first: Address) -> io::Result<Vec<(Address, SockAddr)>> {
    let mut places = Vec::with_capacity(MAX_NODES + 1);
    let sockaddr = first.to_sockaddr()?;
    places.push((first, sockaddr));
    Ok(places)
}

/// The number of a place, which is added if it is new. A cluster has at most [`MAX_NODES`].
pub(super) fn place_of(places: &mut Vec<(Address, SockAddr)>, address: SocketAddr) -> usize {
    let wanted = Address::Tcp(address);
    if let Some(known) = places.iter().position(|(known, _)| *known == wanted) {
        return known;
    }
    debug_assert!(places.len() < places.capacity(), "places never move");
    places.push((wanted, SockAddr::from(address)));
    places.len() - 1
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

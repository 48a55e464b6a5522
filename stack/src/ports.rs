//! Ports of loopback on which nothing listens.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::stack_plan::StackKind;

/// Of the ports that the system gives, how many are tried as a cluster's bus.
const BUS_ATTEMPTS: u32 = 100;
/// A cluster's nodes talk to each other on a port above the clients' by this.
pub(crate) const BUS_OFFSET: u16 = 10_000;

/// A port that nothing listens on; for a cluster one whose bus port is free, too.
pub(crate) fn free_port(kind: StackKind) -> io::Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if kind != StackKind::Cluster {
        return Ok(free(0)?.local_addr()?.port());
    }
    for _ in 0..BUS_ATTEMPTS {
        // The system gives ports for bus, which are above most of what it gives to clients.
        let bus = free(0)?.local_addr()?.port();
        let Some(port) = bus.checked_sub(BUS_OFFSET).filter(|port| *port > 1_024) else { continue };
        if free(port).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

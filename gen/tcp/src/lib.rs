//! The client side of TCP, without an operating system: frames and the time come in, frames go out.
//!
//! Nothing here reads a clock, opens a socket or allocates once a connection is open (reordered data and
//! a changed path MTU are the exceptions). The same code runs over AF_XDP and over the simulated network
//! of the tests. Only active opens exist: this is the client of a load generator.
//!
//! The modules in the order of their use:
//!
//! 1. [`limits`]: every bound.
//! 2. [`seq`]: sequence numbers that wrap.
//! 3. [`wire`]: Ethernet, ARP, neighbour discovery, IP, ICMP and TCP as bytes.
//! 4. [`rtt`], [`congestion`]: when to send again, and how much may be on its way.
//! 5. [`send_buffer`], [`in_flight`], [`reorder`]: bytes that wait on either side.
//! 6. [`connection`]: one connection.
//! 7. [`station`]: a card's address among its neighbours, and frames around segments.

pub mod limits;

pub mod seq;

pub mod wire;

pub mod rtt;

pub mod congestion;

pub mod send_buffer;

pub mod in_flight;

pub mod reorder;

pub mod connection;

pub mod station;

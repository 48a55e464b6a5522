//! How a worker talks to its server: io_uring, epoll, TLS over one of them, or a simulated kernel and
//! server. All of the engine's unsafe code is here.
//!
//! The modules in the order of their use; each uses only those above it.

pub mod wait;

pub mod socket;

pub mod thread;

mod token;

mod raw_completion;

mod buffers;

mod outgoing;

pub mod uring;

pub mod epoll;

pub mod tls;

pub mod tls_files;

pub mod tls_ring;

pub mod simulated;

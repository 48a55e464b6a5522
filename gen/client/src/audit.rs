//! What bears on a run besides its requests: the link, the sockets' buffers, the host. Read before
//! and during a run, judged by [`crate::verdict`].

pub mod link;

pub mod sockets;

pub mod host;

pub mod kernel_tls;

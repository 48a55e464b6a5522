//! fsync and fdatasync: hooks in: uprobes and uretprobes on libc's functions. Stall out:
//! [`StallClass::Fsync`] with the thread's role, for background threads too.

use stallion_probes_common::fsync::Sync;
use stallion_timeline::{Stall, StallClass, ThreadRole};

use super::{block_io, from_span};
use crate::server::Server;

/// The stall of one call.
pub fn stall(event: &Sync, server: &mut Server) -> Stall {
    let function = server.symbols.describe(event.function);
    let file = server.file(event.fd);
    let file = file.rsplit('/').next().unwrap_or_default();
    let mut what = format!("{function} {file}").trim().to_owned();
    if server.role(event.span.tid) == ThreadRole::Background {
        what = format!("{what} by {}", server.thread_name(event.span.tid));
    }
    let mut stall = from_span(StallClass::Fsync, &event.span, server, what);
    block_io::explain(&mut stall, server, Some(event.fd));
    stall
}

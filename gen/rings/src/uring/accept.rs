//! The other side of a connection: what a server needs of a ring that a client does not.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use io_uring::opcode;
use io_uring::types::Fd;
use socket2::Socket;

use super::Uring;
use crate::raw_completion::RawCompletion;
use crate::token::Purpose;
use stallion_engine::ring::Reason;
use stallion_engine::units::ConnId;

impl Uring {
    /// Waits for a client of `listener` on a connection that is not open; ends in `Opened` or
    /// `Closed`.
    pub fn accept(&mut self, connection: ConnId, listener: &Socket) {
        let listener = Fd(listener.as_raw_fd());
        let entry = opcode::Accept::new(listener, std::ptr::null_mut(), std::ptr::null_mut())
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(self.token(connection, Purpose::Accept));
        self.push(&entry);
    }

    /// A client has come, or could not.
    pub(super) fn accepted(&mut self, connection: ConnId, result: i32) -> Option<RawCompletion> {
        let refused = |errno| Some(RawCompletion::Closed(connection, Reason::Refused(errno)));
        let Some(file) = file_of(result) else {
            return refused(-result);
        };
        let socket = Socket::from(file);
        // Not every family knows it.
        let _ = socket.set_tcp_nodelay(true);
        let files = [socket.as_raw_fd()];
        let submitter = self.ring.submitter();
        if let Err(error) = submitter.register_files_update(connection.0, &files) {
            return refused(error.raw_os_error().unwrap_or(libc::EIO));
        }
        self.slots[connection.index()].socket = Some(socket);
        self.arm_receive(connection);
        Some(RawCompletion::Opened(connection))
    }
}

/// Closes the file of a client that nobody waits for any more.
pub(super) fn discard(result: i32) {
    drop(file_of(result));
}

fn file_of(result: i32) -> Option<OwnedFd> {
    // SAFETY: an accept that did not fail returns a file that is ours alone.
    (result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(result) })
}

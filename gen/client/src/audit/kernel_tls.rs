//! Whether the kernel can do TLS itself (the upper layer protocol "tls" of TCP).

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// What a kernel says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelTls {
    /// It has it.
    There,
    /// It has not, with its error number.
    Missing(i32),
}

impl KernelTls {
    /// Asks the kernel, which loads its module for it where it can.
    #[must_use]
    pub fn of_this_host() -> Self {
        let refused = |error: io::Error| Self::Missing(error.raw_os_error().unwrap_or(libc::EIO));
        let socket = match Socket::new(Domain::IPV4, Type::STREAM, None) {
            Ok(socket) => socket,
            Err(error) => return refused(error),
        };
        let name = c"tls";
        // SAFETY: the option takes a name, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_TCP,
                libc::TCP_ULP,
                name.as_ptr().cast(),
                name.count_bytes() as libc::socklen_t,
            )
        };
        match io::Error::last_os_error() {
            _ if done == 0 => Self::There,
            // It knows the protocol, and wants it on a connection that is open.
            error if error.raw_os_error() == Some(libc::ENOTCONN) => Self::There,
            error => refused(error),
        }
    }

    /// In words, with what Stallion does.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::There => "this kernel has it; user space is used all the same".to_owned(),
            Self::Missing(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                format!("not in this kernel ({error}); user space is used")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_its_list_says() {
        // First, since asking may load the module.
        let found = KernelTls::of_this_host();
        let list = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp");
        let listed = list.is_ok_and(|names| names.split_whitespace().any(|name| name == "tls"));
        assert_eq!(found == KernelTls::There, listed);
        assert!(KernelTls::Missing(libc::ENOENT).words().contains("user space"));
    }
}

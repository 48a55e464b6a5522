//! Whether a pipeline fits into the kernel's socket buffers. One that does not is not wrong, but
//! its requests wait in the client's own kernel, and no network or server is to blame for it.

use std::fs;

/// The kernel's bounds on the buffers of one TCP socket, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Third number of net.ipv4.tcp_wmem.
    pub send_bytes: usize,
    /// Third number of net.ipv4.tcp_rmem.
    pub receive_bytes: usize,
}

impl Limits {
    /// Of this host; none where /proc says nothing.
    #[must_use]
    pub fn of_this_host() -> Option<Self> {
        let third = |path: &str| {
            fs::read_to_string(path).ok()?.split_whitespace().nth(2)?.parse::<usize>().ok()
        };
        Some(Self {
            send_bytes: third("/proc/sys/net/ipv4/tcp_wmem")?,
            receive_bytes: third("/proc/sys/net/ipv4/tcp_rmem")?,
        })
    }

    /// What a careful reader should know of `pipeline` requests in flight whose longest has
    /// `request_bytes`, with answers of up to `reply_bytes`; empty when all of it fits.
    #[must_use]
    pub fn warnings(
        self,
        pipeline: usize,
        request_bytes: usize,
        reply_bytes: usize,
    ) -> Vec<String> {
        // The kernel counts its own bookkeeping against the buffer: half of it is payload
        // (tcp(7), tcp_adv_win_scale).
        let sides = [
            ("requests", "send", "tcp_wmem", request_bytes, self.send_bytes / 2),
            ("answers", "receive", "tcp_rmem", reply_bytes, self.receive_bytes / 2),
        ];
        sides
            .into_iter()
            .filter(|(_, _, _, each, room)| pipeline * each > *room)
            .map(|(what, side, setting, each, room)| {
                format!(
                    "{pipeline} {what} of {each} bytes on a connection do not fit into its {side} \
                     buffer of about {room} bytes, and wait outside of it: raise \
                     net.ipv4.{setting}, or lower --pipeline"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let limits = Limits { send_bytes: 4 << 20, receive_bytes: 200_000 };
        assert!(limits.warnings(64, 200, 108).is_empty());
        let warnings = limits.warnings(64, 200, 4_108);
        assert!(warnings.len() == 1 && warnings[0].contains("tcp_rmem"), "{warnings:?}");
        assert!(Limits::of_this_host().is_some());
    }
}

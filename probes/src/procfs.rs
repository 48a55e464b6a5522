//! Pure readers of the few /proc files that matter here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Port and inode of each TCP socket that listens, from the text of /proc/net/tcp or tcp6.
#[must_use]
pub fn listeners(text: &str) -> Vec<(u16, u64)> {
    const LISTEN: &str = "0A";
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, hex) = fields.get(1)?.rsplit_once(':')?;
            let port = u16::from_str_radix(hex, 16).ok()?;
            (fields.get(3) == Some(&LISTEN)).then(|| Some((port, fields.get(9)?.parse().ok()?)))?
        })
        .collect()
}

/// Inodes of the unix sockets that accept connections at a path, from the text of /proc/net/unix.
#[must_use]
pub fn unix_listeners(text: &str) -> Vec<u64> {
    /// `__SO_ACCEPTCON` among the flags.
    const ACCEPTS: &str = "00010000";
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let accepts = fields.get(3) == Some(&ACCEPTS) && fields.get(7).is_some();
            accepts.then(|| fields.get(6)?.parse().ok())?
        })
        .collect()
}

/// Inodes of the TCP sockets that listen on `port`, from the text of /proc/net/tcp or tcp6.
#[must_use]
pub fn listening_inodes(text: &str, port: u16) -> Vec<u64> {
    listeners(text).into_iter().filter(|(at, _)| *at == port).map(|(_, inode)| inode).collect()
}

/// A connection whose peer does not take any more: its window is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClosedWindow {
    /// This side's port.
    pub local_port: u16,
    /// The other side.
    pub peer: SocketAddr,
    /// Bytes that wait for it.
    pub queued_bytes: u64,
}

/// Connections of `ports` on which the kernel probes a zero window, from the text of
/// /proc/net/tcp or tcp6.
#[must_use]
pub fn closed_windows(text: &str, ports: &[u16]) -> Vec<ClosedWindow> {
    const ZERO_WINDOW_PROBE: &str = "04";
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (timer, _) = fields.get(5)?.split_once(':')?;
            if timer != ZERO_WINDOW_PROBE {
                return None;
            }
            let local = socket_address(fields.get(1)?)?;
            let (queued, _) = fields.get(4)?.split_once(':')?;
            ports.contains(&local.port()).then(|| {
                Some(ClosedWindow {
                    local_port: local.port(),
                    peer: socket_address(fields.get(2)?)?,
                    queued_bytes: u64::from_str_radix(queued, 16).ok()?,
                })
            })?
        })
        .collect()
}

/// `0100007F:18EB` as 127.0.0.1:6379: the address in words of the host's byte order.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let word = |at: usize| {
        let hex = address.get(at..at + 8)?;
        Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
    };
    let ip = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let mut bytes = [0; 16];
        for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
            part.copy_from_slice(&word(index * 8)?);
        }
        IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The inode in a link such as `socket:[12345]`.
#[must_use]
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Process ids of one process from the outermost namespace that this /proc shows to its own.
#[must_use]
pub fn namespace_pids(status: &str) -> Vec<u32> {
    field(status, "NSpid:")
        .map(|rest| rest.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
        .unwrap_or_default()
}

/// The rest of the line that starts with `name`.
#[must_use]
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// One executable mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset of `start` in the file.
    pub offset: u64,
    /// The file, as the process sees it.
    pub path: String,
}

/// The executable file mappings in the text of /proc/PID/maps.
#[must_use]
pub fn executable_mappings(maps: &str) -> Vec<Mapping> {
    maps.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let permissions = fields.next()?;
            let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
            let path = fields.nth(2)?;
            (permissions.as_bytes().get(2) == Some(&b'x') && path.starts_with('/')).then(|| {
                Some(Mapping {
                    start: u64::from_str_radix(start, 16).ok()?,
                    end: u64::from_str_radix(end, 16).ok()?,
                    offset,
                    path: path.to_owned(),
                })
            })?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_that_accept_are_found() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 4242 /run/redis.sock\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 4243\n";
        assert_eq!(unix_listeners(text), [4242]);
    }

    #[test]
    fn listeners_are_found_by_port_and_state() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n\
             1: 0100007F:18EB 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 20 4 30 10 -1\n\
             2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100 0 0 10 0\n";
        assert_eq!(listening_inodes(text, 0x18eb), [4242]);
        assert_eq!(listening_inodes(text, 1), [0; 0]);
        assert_eq!(listening_inodes("", 80), [0; 0]);
        let six = "header\n 0: 00000000000000000000000000000000:18EB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 77 1 0";
        assert_eq!(listening_inodes(six, 6379), [77]);
    }

    #[test]
    fn only_connections_under_a_zero_window_probe_are_told() {
        let text = "header\n\
             0: 0100007F:18EB 0100007F:D431 01 00265A11:00000000 04:00000014 00000000     0        0 4243 3 0 20 4 30 10 -1\n\
             1: 0100007F:18EB 0100007F:D432 01 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 20 4 30 10 -1\n\
             2: 0100007F:0050 0100007F:D433 01 00000001:00000000 04:00000000 00000000     0        0 4245 1 0 20 4 30 10 -1\n";
        let found = closed_windows(text, &[6379]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].peer.to_string(), "127.0.0.1:54321");
        assert_eq!((found[0].local_port, found[0].queued_bytes), (6379, 0x26_5a11));
        let six = "h\n 0: 0000000000000000FFFF00000100007F:18EB 00000000000000000000000001000000:D431 01 00000001:0 04:0 0 0 0 1";
        assert_eq!(closed_windows(six, &[6379])[0].peer.to_string(), "[::1]:54321");
    }

    #[test]
    fn links_and_status_are_read() {
        assert_eq!(socket_inode("socket:[31]"), Some(31));
        assert_eq!(socket_inode("pipe:[31]"), None);
        assert_eq!(namespace_pids("Name:\tx\nNSpid:\t22620\t1\n"), [22620, 1]);
        assert_eq!(namespace_pids("Name:\tx\n"), [0; 0]);
        assert_eq!(field("A: 1\nSigQ:\t2/3\n", "SigQ:"), Some("2/3"));
    }

    #[test]
    fn only_executable_files_are_mapped() {
        let maps = "55d0-55d8 r--p 00000000 fe:00 12 /usr/bin/redis-server\n\
                    55d8-56d8 r-xp 00008000 fe:00 12 /usr/bin/redis-server\n\
                    7f00-7f10 r-xp 00000000 00:00 0 \n\
                    7ff0-7ff8 r-xp 00000000 00:00 0 [vdso]\n";
        let found = executable_mappings(maps);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start, found[0].end, found[0].offset), (0x55d8, 0x56d8, 0x8000));
        assert_eq!(found[0].path, "/usr/bin/redis-server");
    }
}

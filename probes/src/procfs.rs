//! Pure readers of the few /proc files that matter here.

/// Inodes of the TCP sockets that listen on `port`, from the text of /proc/net/tcp or tcp6.
#[must_use]
pub fn listening_inodes(text: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, hex) = fields.get(1)?.rsplit_once(':')?;
            let matches =
                u16::from_str_radix(hex, 16) == Ok(port) && fields.get(3) == Some(&LISTEN);
            matches.then(|| fields.get(9)?.parse().ok()).flatten()
        })
        .collect()
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

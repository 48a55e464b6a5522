//! The null server's answers: made once, copied from then on.

use std::collections::VecDeque;

/// The field of INFO by which a client knows that it drives a null server.
pub const MARK: &str = "stallion_null";

/// Repetitions of a short reply are kept in blocks of this size, so that one copy answers a whole
/// pipeline; small enough to stay in the cache.
const BLOCK_BYTES: usize = 16 << 10;

/// Runs of different replies that a client may leave unread before it is cut off.
const MAX_RUNS: usize = 1 << 16;

/// Which of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The value, to GET.
    Value,
    /// `+OK`, to SET and to whatever is not named here.
    Ok,
    /// `+PONG`.
    Pong,
    /// The answer to `HELLO 3`: a map.
    Hello3,
    /// The answer to `HELLO` and `HELLO 2`: an array.
    Hello2,
    /// An array without elements, to COMMAND, SLOWLOG and LATENCY.
    Empty,
    /// One pair, to CONFIG GET.
    Config,
    /// The server's facts.
    Info,
    /// 0, to DBSIZE and other counts.
    Zero,
    /// This server has no cluster.
    NoCluster,
    /// There are too many clients.
    Full,
}

impl Kind {
    const COUNT: usize = Self::Full as usize + 1;

    /// The answer to a command, by the first bytes of its first two words, in any case.
    #[must_use]
    pub fn of(name: &[u8], second: &[u8]) -> Self {
        let mut upper = [0; 16];
        let name = &name[..name.len().min(upper.len())];
        let upper = &mut upper[..name.len()];
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        match &*upper {
            b"GET" => Self::Value,
            b"PING" => Self::Pong,
            b"HELLO" if second == b"3" => Self::Hello3,
            b"HELLO" => Self::Hello2,
            b"CONFIG" if second.eq_ignore_ascii_case(b"GET") => Self::Config,
            b"INFO" => Self::Info,
            b"DBSIZE" | b"EXISTS" | b"DEL" => Self::Zero,
            b"SLOWLOG" if second.eq_ignore_ascii_case(b"LEN") => Self::Zero,
            b"COMMAND" | b"SLOWLOG" | b"LATENCY" | b"KEYS" => Self::Empty,
            b"CLUSTER" => Self::NoCluster,
            _ => Self::Ok,
        }
    }
}

/// One reply, repeated.
#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    one: usize,
}

impl Block {
    fn of(reply: &[u8]) -> Self {
        Self { bytes: reply.repeat((BLOCK_BYTES / reply.len()).max(1)).into(), one: reply.len() }
    }
}

/// All answers, ready to be copied.
#[derive(Debug)]
pub struct Replies {
    blocks: [Block; Kind::COUNT],
}

impl Replies {
    /// Answers with values of `value_bytes`.
    #[must_use]
    pub fn new(value_bytes: usize) -> Self {
        let kinds = [
            Kind::Value,
            Kind::Ok,
            Kind::Pong,
            Kind::Hello3,
            Kind::Hello2,
            Kind::Empty,
            Kind::Config,
            Kind::Info,
            Kind::Zero,
            Kind::NoCluster,
            Kind::Full,
        ];
        Self { blocks: kinds.map(|kind| Block::of(&text(kind, value_bytes))) }
    }

    /// Bytes of one reply.
    #[must_use]
    pub const fn length(&self, kind: Kind) -> usize {
        self.blocks[kind as usize].one
    }

    /// Writes the answering thread's CPU time into INFO, in place: the length never changes, so
    /// a reply that is half sent stays whole.
    pub fn stamp(&mut self, cpu_ns: u64) {
        let info = info(cpu_ns);
        let block = &mut self.blocks[Kind::Info as usize];
        for one in block.bytes.chunks_exact_mut(block.one) {
            one.copy_from_slice(&info);
        }
    }
}

fn text(kind: Kind, value_bytes: usize) -> Vec<u8> {
    match kind {
        Kind::Value => bulk(&vec![b'x'; value_bytes]),
        Kind::Ok => b"+OK\r\n".to_vec(),
        Kind::Pong => b"+PONG\r\n".to_vec(),
        Kind::Hello3 => hello(b"%3\r\n", b":3\r\n"),
        Kind::Hello2 => hello(b"*6\r\n", b":2\r\n"),
        Kind::Empty => b"*0\r\n".to_vec(),
        Kind::Config => [b"*2\r\n".to_vec(), bulk(b"save"), bulk(b"")].concat(),
        Kind::Info => info(0),
        Kind::Zero => b":0\r\n".to_vec(),
        Kind::NoCluster => b"-ERR This instance has cluster support disabled\r\n".to_vec(),
        Kind::Full => b"-ERR max number of clients reached\r\n".to_vec(),
    }
}

fn bulk(body: &[u8]) -> Vec<u8> {
    let head = format!("${}\r\n", body.len()).into_bytes();
    [head.as_slice(), body, b"\r\n"].concat()
}

fn hello(head: &[u8], protocol: &[u8]) -> Vec<u8> {
    let (server, version) = (bulk(b"redis"), bulk(env!("CARGO_PKG_VERSION").as_bytes()));
    let parts: [&[u8]; 7] =
        [head, &bulk(b"server"), &server, &bulk(b"version"), &version, &bulk(b"proto"), protocol];
    parts.concat()
}

fn info(cpu_ns: u64) -> Vec<u8> {
    let (seconds, micros) = (cpu_ns / 1_000_000_000, cpu_ns / 1_000 % 1_000_000);
    bulk(
        format!(
            "# Server\r\nredis_version:{}\r\nredis_mode:standalone\r\n{MARK}:1\r\n\
             # Replication\r\nrole:master\r\n\
             # CPU\r\nused_cpu_sys_main_thread:0.000000\r\n\
             used_cpu_user_main_thread:{seconds:010}.{micros:06}\r\n",
            env!("CARGO_PKG_VERSION")
        )
        .as_bytes(),
    )
}

/// What one client is still to get, in order: runs of the same reply, by their bytes.
#[derive(Debug, Default)]
pub struct Owed {
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    kind: Kind,
    left_bytes: u64,
}

impl Owed {
    /// Adds `count` answers. False when the client has left too much unread.
    #[inline]
    #[must_use]
    pub fn add(&mut self, kind: Kind, count: u64, replies: &Replies) -> bool {
        let bytes = count * replies.length(kind) as u64;
        match self.runs.back_mut() {
            Some(run) if run.kind == kind => run.left_bytes += bytes,
            _ => self.runs.push_back(Run { kind, left_bytes: bytes }),
        }
        self.runs.len() <= MAX_RUNS
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The answer that comes next.
    #[must_use]
    pub fn next(&self) -> Option<Kind> {
        self.runs.front().map(|run| run.kind)
    }

    /// Writes as much as fits into `out`, and returns how much that was.
    pub fn write(&mut self, replies: &Replies, out: &mut [u8]) -> usize {
        let mut written = 0;
        while written < out.len()
            && let Some(run) = self.runs.front_mut()
        {
            let block = &replies.blocks[run.kind as usize];
            // How far into a reply the last copy came.
            let begun = match (run.left_bytes % block.one as u64) as usize {
                0 => 0,
                left => block.one - left,
            };
            let length = (block.bytes.len() - begun)
                .min(out.len() - written)
                .min(usize::try_from(run.left_bytes).unwrap_or(usize::MAX));
            out[written..written + length].copy_from_slice(&block.bytes[begun..begun + length]);
            written += length;
            run.left_bytes -= length as u64;
            if run.left_bytes == 0 {
                self.runs.pop_front();
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_resp::tree::Tree;

    const ALL: [Kind; 4] = [Kind::Value, Kind::Ok, Kind::Hello3, Kind::Info];

    #[test]
    fn every_reply_is_one_whole_reply() {
        for number in 0..Kind::COUNT {
            let replies = Replies::new(7);
            let block = &replies.blocks[number];
            let mut rest = &block.bytes[..block.one];
            assert!(Tree::read(&mut rest).unwrap().is_some() && rest.is_empty());
        }
    }

    #[test]
    fn what_is_owed_comes_out_whole_through_any_window() {
        let mut replies = Replies::new(20_000);
        for window in [1, 7, 100, 4_096, 70_000] {
            let mut owed = Owed::default();
            let mut expected = Vec::new();
            for (index, kind) in ALL.into_iter().cycle().take(9).enumerate() {
                let count = 1 + index as u64 * 3;
                assert!(owed.add(kind, count, &replies));
                expected.extend(text(kind, 20_000).repeat(count as usize));
            }
            let (mut out, mut written) = (vec![0; window], Vec::new());
            while !owed.is_empty() {
                let length = owed.write(&replies, &mut out);
                written.extend_from_slice(&out[..length]);
            }
            assert!(written == expected, "window {window}");
        }
        replies.stamp(12_345_678_901);
        let text = String::from_utf8_lossy(&replies.blocks[Kind::Info as usize].bytes).into_owned();
        assert!(text.contains("used_cpu_user_main_thread:0000000012.345678\r\n"));
        assert_eq!(info(u64::MAX / 2).len(), info(0).len());
    }

    #[test]
    fn a_client_that_reads_nothing_is_cut_off() {
        let replies = Replies::new(1);
        let mut owed = Owed::default();
        let added =
            (0..=MAX_RUNS).take_while(|index| owed.add(ALL[index % 2], 1, &replies)).count();
        assert_eq!(added, MAX_RUNS);
    }
}

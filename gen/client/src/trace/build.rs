//! From files to what a run replays.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::cache::{Access, Operation, read as read_access};
use super::format::{MAGIC, Reader};
use stallion_engine::limits::MAX_TRACE_BYTES;
use stallion_resp::command::{Command, Commands};
use stallion_resp::limits::{MAX_COMMANDS, MAX_KEYS, MAX_VALUE_BYTES};
use stallion_resp::trace::{Played, Record, Trace};
use stallion_resp::units::CommandId;

/// A word of a request that is being added.
#[derive(Debug, Clone, Copy)]
pub enum TraceWord<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A value of so many bytes, which is not recorded; at most one in a request.
    Value(usize),
}

/// Why a file cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TraceError {
    /// Neither a trace nor a cache trace.
    #[error(
        "{file}:{line}: this is neither a file of `stallion capture` nor a line \
         timestamp,key,key size,value size,client id,operation,TTL"
    )]
    Foreign {
        /// The file.
        file: String,
        /// Its first line that is neither.
        line: usize,
    },
    /// Nothing in it can be sent.
    #[error("{file}: there is no request in it that can be replayed{left_out}")]
    Empty {
        /// The file.
        file: String,
        /// What was left out.
        left_out: String,
    },
    /// More than memory shall hold.
    #[error("{file}: its requests take more than {MAX_TRACE_BYTES} bytes: replay a part of it")]
    TooLong {
        /// The file.
        file: String,
    },
}

/// What of a file is not replayed: by command, those that cannot be; and what cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// By name.
    pub commands: BTreeMap<String, u64>,
    /// Lines or records that are none, or values beyond Redis's limit.
    pub unreadable: u64,
    /// The file ends within a request.
    pub cut: bool,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> =
            self.commands.iter().map(|(name, count)| format!("{count} x {name}")).collect();
        if self.unreadable > 0 {
            parts.push(format!("{} unreadable", self.unreadable));
        }
        if self.cut {
            parts.push("the last, which is cut off".to_owned());
        }
        if parts.is_empty() { Ok(()) } else { write!(out, "; left out: {}", parts.join(", ")) }
    }
}

/// Gathers requests.
#[derive(Debug, Default)]
pub struct Builder {
    trace: Trace,
    list: Vec<Command>,
    by_name: BTreeMap<Vec<u8>, CommandId>,
    left_out: LeftOut,
}

impl Builder {
    /// Adds a request that came so long after the first. One that cannot be sent is left out.
    pub fn push(&mut self, at_ns: u64, words: &[TraceWord<'_>]) {
        let Some(TraceWord::Bytes(name)) = words.first() else { return };
        let Some(command) = self.command(name) else {
            let name = String::from_utf8_lossy(name).to_lowercase();
            *self.left_out.commands.entry(name).or_default() += 1;
            return;
        };
        let start = self.trace.bytes.len();
        let (mut hole_at, mut hole_bytes) = (0, 0);
        let bytes = &mut self.trace.bytes;
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        for word in words {
            match *word {
                TraceWord::Bytes(word) => {
                    bytes.extend(format!("${}\r\n", word.len()).into_bytes());
                    bytes.extend_from_slice(word);
                }
                TraceWord::Value(length) => {
                    bytes.extend(format!("${length}\r\n").into_bytes());
                    (hole_at, hole_bytes) = (bytes.len() - start, length);
                }
            }
            bytes.extend(b"\r\n");
        }
        let length = bytes.len() - start;
        let fits = hole_bytes <= MAX_VALUE_BYTES && length <= MAX_VALUE_BYTES;
        if !fits || self.trace.len() as u64 >= MAX_KEYS {
            self.trace.bytes.truncate(start);
            self.left_out.unreadable += 1;
            return;
        }
        self.trace.records.push(Record {
            start: start as u64,
            length: length as u32,
            hole_at: hole_at as u32,
            hole_bytes: hole_bytes as u32,
            command,
        });
        let last = self.trace.times_ns.last().copied().unwrap_or(0);
        self.trace.times_ns.push(at_ns.max(last));
    }

    /// The id of a command's name; none when it must not be sent.
    fn command(&mut self, name: &[u8]) -> Option<CommandId> {
        let upper = name.to_ascii_uppercase();
        if let Some(id) = self.by_name.get(&upper) {
            return Some(*id);
        }
        let command = Command::recorded(&String::from_utf8_lossy(&upper))?;
        // The last place is for all that have none of their own.
        if self.list.len() + 1 < MAX_COMMANDS {
            self.list.push(command);
        } else if self.list.len() < MAX_COMMANDS {
            self.list.push(Command { name: "other".to_owned(), ..command });
        }
        let id = CommandId((self.list.len() - 1) as u8);
        self.by_name.insert(upper, id);
        Some(id)
    }

    /// All of it, and what was left out.
    fn finish(self, file: &str, speed: f64) -> Result<(Played, LeftOut), TraceError> {
        if self.trace.is_empty() {
            let (file, left_out) = (file.to_owned(), self.left_out.to_string());
            return Err(TraceError::Empty { file, left_out });
        }
        let (trace, commands) = (Arc::new(self.trace), Commands::of(self.list));
        Ok((Played { trace, commands, speed }, self.left_out))
    }

    fn is_too_long(&self) -> bool {
        self.trace.bytes.len() > MAX_TRACE_BYTES
    }
}

/// Reads a file of `stallion capture`, or a cache trace; `file` is how errors call it.
///
/// # Errors
/// [`TraceError`].
pub fn parse(file: &str, bytes: &[u8], speed: f64) -> Result<(Played, LeftOut), TraceError> {
    let builder = match Reader::new(bytes) {
        Some(reader) => of_capture(reader),
        None if bytes.starts_with(MAGIC) => Builder::default(),
        None => of_cache_trace(file, bytes)?,
    };
    if builder.is_too_long() {
        return Err(TraceError::TooLong { file: file.to_owned() });
    }
    builder.finish(file, speed)
}

fn of_capture(mut reader: Reader<'_>) -> Builder {
    let mut builder = Builder::default();
    let mut first_us = None;
    for request in reader.by_ref() {
        let first_us = *first_us.get_or_insert(request.unix_us);
        let words: Vec<TraceWord<'_>> =
            request.words.iter().map(|word| TraceWord::Bytes(word)).collect();
        builder.push((request.unix_us - first_us).saturating_mul(1_000), &words);
        if builder.is_too_long() {
            break;
        }
    }
    builder.left_out.cut = reader.is_cut();
    builder
}

fn of_cache_trace(file: &str, bytes: &[u8]) -> Result<Builder, TraceError> {
    let mut builder = Builder::default();
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    let mut accesses: Vec<Access<'_>> = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        match read_access(line) {
            Some(access) => accesses.push(access),
            None if accesses.is_empty() => {
                return Err(TraceError::Foreign { file: file.to_owned(), line: index + 1 });
            }
            None => builder.left_out.unreadable += 1,
        }
    }
    let first = accesses.first().map_or(0, |access| access.second);
    // Times are whole seconds: the accesses of one are spread evenly over it.
    for same in accesses.chunk_by(|left, right| left.second == right.second) {
        let begin_ns = same[0].second.saturating_sub(first).saturating_mul(1_000_000_000);
        for (index, access) in same.iter().enumerate() {
            let within_ns = index as u64 * 1_000_000_000 / same.len() as u64;
            push_access(&mut builder, begin_ns.saturating_add(within_ns), access);
        }
        if builder.is_too_long() {
            break;
        }
    }
    Ok(builder)
}

fn push_access(builder: &mut Builder, at_ns: u64, access: &Access<'_>) {
    let word = |text: &'static str| TraceWord::Bytes(text.as_bytes());
    let (key, value) = (TraceWord::Bytes(access.key), TraceWord::Value(access.value_bytes));
    let ttl = access.ttl_s.to_string();
    let mut words = match access.operation {
        Operation::Get => vec![word("GET"), key],
        Operation::Set | Operation::Add => vec![word("SET"), key, value],
        Operation::Append => vec![word("APPEND"), key, value],
        Operation::Delete => vec![word("DEL"), key],
        Operation::Increment => vec![word("INCR"), key],
        Operation::Decrement => vec![word("DECR"), key],
    };
    if matches!(access.operation, Operation::Set | Operation::Add) && access.ttl_s > 0 {
        words.extend([word("EX"), TraceWord::Bytes(ttl.as_bytes())]);
    }
    if access.operation == Operation::Add {
        words.push(word("NX"));
    }
    builder.push(at_ns, &words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::format::Writer;
    use stallion_resp::units::KeyId;

    #[test]
    fn a_cache_trace_is_spread_over_its_seconds() {
        let text = "5,a,1,3,1,get,0\n5,a,1,3,1,set,60\n7,b,1,0,2,delete,0\nrubbish\n";
        let (played, left_out) = parse("t.csv", text.as_bytes(), 1.0).unwrap();
        assert_eq!(*played.times_ns(None), [0, 500_000_000, 2_000_000_000]);
        assert_eq!(*played.times_ns(Some(10)), [0, 100_000_000, 200_000_000]);
        assert_eq!(left_out.unreadable, 1);
        let (front, hole, back) = played.trace.request(KeyId(1));
        assert_eq!(front, b"*5\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\n");
        assert_eq!((hole, back), (3, b"\r\n$2\r\nEX\r\n$2\r\n60\r\n".as_slice()));
        assert_eq!(played.trace.longest(), front.len() + hole + back.len());
        let names: Vec<&str> = played.commands.list.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["get", "set", "del"]);
    }

    #[test]
    fn what_cannot_be_sent_is_left_out_by_name() {
        let mut writer = Writer::new(Vec::new(), 0).unwrap();
        for words in [&["SUBSCRIBE", "news"][..], &["get", "k"], &["CLIENT", "LIST"], &["GET", "k"]]
        {
            let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            writer.append(10, 0, &words).unwrap();
        }
        let mut file = writer.finish().unwrap();
        file.extend([1, 0, 9]);
        let (played, left_out) = parse("t", &file, 1.0).unwrap();
        assert_eq!((played.trace.len(), played.commands.list.len()), (2, 1));
        assert_eq!(
            left_out.to_string(),
            "; left out: 1 x client, 1 x subscribe, the last, which is cut off"
        );
    }

    #[test]
    fn more_commands_than_counters_share_the_last() {
        let mut builder = Builder::default();
        for number in 0..100 {
            builder.push(0, &[TraceWord::Bytes(format!("CMD{number}").as_bytes())]);
        }
        let (played, _) = builder.finish("t", 1.0).unwrap();
        assert_eq!(played.commands.list.len(), MAX_COMMANDS);
        assert_eq!(played.commands.list[MAX_COMMANDS - 1].name, "other");
        assert_eq!(played.trace.records[99].command, CommandId(MAX_COMMANDS as u8 - 1));
    }

    #[test]
    fn foreign_files_are_refused() {
        for (bytes, words) in [
            (&b"hello\n"[..], "t:1"),
            (b"", "no request"),
            (b"STALTRC1", "no request"),
            (b"\n\n#x\n", "t:3"),
        ] {
            let error = parse("t", bytes, 1.0).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

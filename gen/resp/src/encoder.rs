//! Op -> bytes: a template copied and patched, 2 to 4 ns for a GET (`write!` takes 38).

use std::sync::Arc;

use super::template::{Form, Short, append_ttl, ttl_bytes};
use super::tree::Tree;
use crate::command::words::{Piece, Word};
use crate::command::{Command, Commands};
use crate::limits::{KEY_DIGITS, MAX_COMMANDS};
use crate::op::{Distributions, Draw, Op, Rest};
use crate::trace::{Played, Trace};
use crate::units::{CommandId, KeyId};
use crate::values::{Values, write_version};

/// Encodes operations as RESP arrays.
#[derive(Debug, Clone)]
pub struct Encoder {
    requests: Box<[Request]>,
    /// By command: the request as it is nearly always sent, where that is short.
    short: [Short; MAX_COMMANDS],
    commands: Arc<Commands>,
    prefix: Arc<str>,
    values: Values,
    trace: Option<Arc<Trace>>,
    /// By bit: commands whose script the server does not know, to be sent once in full.
    unknown_scripts: u32,
}

/// What one command is sent as.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few of them, and following a pointer is 2 ns of a GET's 5"
)]
enum Request {
    /// Its words.
    Words {
        /// Without a time to live.
        plain: Form,
        /// To be followed by a time to live.
        expiring: Form,
        /// With its script in full, which makes the server know it.
        in_full: Option<Form>,
    },
    /// So many commands of the mix between MULTI and EXEC.
    Transaction(usize),
    /// What the trace has at the number that is the operation's key.
    Recorded,
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Words that a time to live adds.
const TTL_WORDS: usize = 2;

impl Encoder {
    /// The commands of a run. Keys are `prefix`, a tag for their type, and twelve digits; values
    /// come from `values`.
    #[must_use]
    pub fn new(commands: Commands, prefix: &str, values: Values) -> Self {
        let mut requests: Vec<Request> =
            commands.list.iter().map(|command| Request::words(command, prefix, &values)).collect();
        requests.extend(commands.transaction.map(Request::Transaction));
        let mut short = [Short::NONE; MAX_COMMANDS];
        for (short, request) in short.iter_mut().zip(&requests) {
            *short = request.short();
        }
        Self {
            requests: requests.into(),
            short,
            commands: Arc::new(commands),
            prefix: prefix.into(),
            values,
            trace: None,
            unknown_scripts: 0,
        }
    }

    /// The requests of a trace.
    #[must_use]
    pub fn of_trace(played: &Played, values: Values) -> Self {
        Self {
            requests: vec![Request::Recorded; played.commands.len()].into(),
            short: [Short::NONE; MAX_COMMANDS],
            commands: Arc::new(played.commands.clone()),
            prefix: "".into(),
            values,
            trace: Some(Arc::clone(&played.trace)),
            unknown_scripts: 0,
        }
    }

    /// Bytes of the longest request.
    #[must_use]
    pub fn longest(&self) -> usize {
        let of_words = |request: &Request| match request {
            Request::Words { plain, expiring, in_full } => [plain, expiring]
                .into_iter()
                .chain(in_full)
                .map(|form| form.longest(&self.values))
                .max()
                .unwrap_or(0),
            Request::Transaction(_) | Request::Recorded => 0,
        };
        if let Some(trace) = &self.trace {
            return trace.longest();
        }
        let one = self.requests.iter().map(of_words).max().unwrap_or(0);
        match self.commands.transaction {
            Some(count) => MULTI.len() + count.saturating_mul(one) + EXEC.len(),
            None => one,
        }
    }

    /// Writes `op`, drawn by `distributions`, to the front of `out` (which has room for
    /// [`Encoder::longest`]) and returns its length.
    #[inline(always)]
    pub fn encode(
        &mut self,
        op: Op,
        distributions: Distributions<'_, impl Draw>,
        out: &mut [u8],
    ) -> usize {
        if op.ttl_s == 0 {
            let length = self.short[op.command.index()].write(op.key, out);
            if length != 0 {
                return length;
            }
        }
        self.encode_longer(op, distributions, out)
    }

    /// Writes an operation that is not short.
    #[inline(never)]
    fn encode_longer(
        &mut self,
        op: Op,
        distributions: Distributions<'_, impl Draw>,
        out: &mut [u8],
    ) -> usize {
        if self.unknown_scripts != 0 {
            return self.encode_after_loss(op, distributions, out);
        }
        self.encode_one(op, || distributions.rest(op), 0, out)
    }

    /// Writes one operation; scripts whose bit is in `unknown` in full.
    #[inline(always)]
    fn encode_one<'a, D: Draw + 'a>(
        &self,
        op: Op,
        rest: impl FnOnce() -> Rest<'a, D>,
        unknown: u32,
        out: &mut [u8],
    ) -> usize {
        match &self.requests[op.command.index()] {
            Request::Words { in_full: Some(form), .. } if unknown >> op.command.0 & 1 != 0 => {
                form.write(op.key, &self.values, rest, out)
            }
            Request::Words { plain, .. } if op.ttl_s == 0 => {
                plain.write(op.key, &self.values, rest, out)
            }
            Request::Words { expiring, .. } => {
                let length = expiring.write(op.key, &self.values, rest, out);
                append_ttl(op.ttl_s, length, out)
            }
            Request::Transaction(count) => {
                self.encode_transaction(*count, op, rest(), unknown, out)
            }
            Request::Recorded => self.encode_recorded(op, out),
        }
    }

    #[inline(never)]
    fn encode_transaction(
        &self,
        count: usize,
        op: Op,
        mut rest: Rest<'_, impl Draw>,
        unknown: u32,
        out: &mut [u8],
    ) -> usize {
        out[..MULTI.len()].copy_from_slice(MULTI);
        let (mut at, mut before) = (MULTI.len(), None);
        for _ in 0..count {
            let (op, rest) = rest.command(before, op.key);
            before = Some(op.key);
            at += self.encode_one(op, || rest, unknown, &mut out[at..]);
        }
        out[at..at + EXEC.len()].copy_from_slice(EXEC);
        at + EXEC.len()
    }

    #[inline(never)]
    fn encode_recorded(&self, op: Op, out: &mut [u8]) -> usize {
        let Some(trace) = &self.trace else { return 0 };
        let (front, hole, back) = trace.request(op.key);
        let (value_at, back_at) = (front.len(), front.len() + hole);
        out[..value_at].copy_from_slice(front);
        self.values.write(op.key, &mut out[value_at..back_at]);
        out[back_at..back_at + back.len()].copy_from_slice(back);
        back_at + back.len()
    }

    /// Sends a script in full where the server has said that it knows it no longer.
    #[cold]
    fn encode_after_loss(
        &mut self,
        op: Op,
        distributions: Distributions<'_, impl Draw>,
        out: &mut [u8],
    ) -> usize {
        let unknown = self.unknown_scripts;
        self.unknown_scripts &= match self.requests[op.command.index()] {
            Request::Words { .. } => !(1 << op.command.index()),
            Request::Transaction(_) | Request::Recorded => 0,
        };
        self.encode_one(op, || distributions.rest(op), unknown, out)
    }

    /// As [`Encoder::encode`], with its script in full.
    #[cold]
    pub fn encode_in_full(
        &self,
        op: Op,
        distributions: Distributions<'_, impl Draw>,
        out: &mut [u8],
    ) -> usize {
        self.encode_one(op, || distributions.rest(op), u32::MAX, out)
    }

    /// The server does not know the script of this command (`NOSCRIPT`): the next request of it
    /// carries the script in full, which loads it.
    pub fn forget_script(&mut self, command: CommandId) {
        // A transaction does not say which of its scripts it was.
        let is_transaction = self.commands.transaction_id() == Some(command);
        self.unknown_scripts |= if is_transaction { u32::MAX } else { 1 << command.index() };
    }

    /// Writes a version into the value of a SET, which is the end of `request` but for its time to
    /// live.
    pub fn put_version(&self, op: Op, version: u64, request: &mut [u8]) {
        let size = self.values.size_of(op.key);
        let tail = if op.ttl_s > 0 { ttl_bytes(op.ttl_s) } else { 0 };
        let end = request.len().saturating_sub(tail + b"\r\n".len());
        if let Some(value) = end.checked_sub(size).and_then(|start| request.get_mut(start..end)) {
            write_version(version, value);
        }
    }

    /// The commands that it encodes.
    #[must_use]
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The values that writes carry.
    #[must_use]
    pub const fn values(&self) -> &Values {
        &self.values
    }

    /// The key of a request of `command`, as the server sees it; of a transaction, that of a
    /// string.
    #[must_use]
    pub fn key_text(&self, command: CommandId, key: KeyId) -> Vec<u8> {
        if let Some(trace) = &self.trace {
            return recorded_key(trace, key);
        }
        let plain = || key_text(&self.prefix, key).into_bytes();
        let Some(command) = self.commands.list.get(command.index()) else {
            return plain();
        };
        let prefix = tagged(&self.prefix, command);
        let has_key = |word: &&Word| word.0.contains(&Piece::Key);
        let Some(word) = command.words.iter().find(has_key) else {
            return plain();
        };
        let bytes_of = |piece: &Piece| match piece {
            Piece::Text(bytes) => bytes.clone(),
            Piece::Key => key_text(&prefix, key).into_bytes(),
            _ => Vec::new(),
        };
        word.0.iter().flat_map(bytes_of).collect()
    }
}

impl Request {
    /// The request as it is nearly always sent, where that is short; never one that may have to
    /// carry its script.
    fn short(&self) -> Short {
        match self {
            Self::Words { plain, in_full: None, .. } => plain.short(),
            Self::Words { .. } | Self::Transaction(_) | Self::Recorded => Short::NONE,
        }
    }

    fn words(command: &Command, prefix: &str, values: &Values) -> Self {
        let prefix = tagged(prefix, command);
        let form = |words: &[Word], more| Form::new(words, more, &prefix, values);
        let in_full = command.script.as_ref().map(|script| {
            let front = [Word::text("EVAL"), Word::text(script)];
            let words: Vec<Word> =
                front.into_iter().chain(command.words.iter().skip(2).cloned()).collect();
            form(&words, 0)
        });
        Self::Words {
            plain: form(&command.words, 0),
            expiring: form(&command.words, TTL_WORDS),
            in_full,
        }
    }
}

/// The second word of a recorded request, which is the key of most commands.
fn recorded_key(trace: &Trace, number: KeyId) -> Vec<u8> {
    let (front, ..) = trace.request(number);
    let mut rest = front.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default();
    let mut words = std::iter::from_fn(|| Tree::read(&mut rest).ok().flatten());
    match words.nth(1) {
        Some(Tree::Text(key)) => key,
        _ => Vec::new(),
    }
}

fn tagged(prefix: &str, command: &Command) -> String {
    format!("{prefix}{}", command.key_type.tag())
}

/// The text of a key of type string, as the templates write it.
#[must_use]
pub fn key_text(prefix: &str, key: KeyId) -> String {
    format!("{prefix}{:0width$}", key.0, width = KEY_DIGITS)
}

/// A request of any words, for hand-shakes and control; allocates.
#[must_use]
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

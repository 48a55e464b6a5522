//! Bytes -> replies: RESP2 and RESP3, incremental, without allocation after the first bytes.
//!
//! A value is never copied: its bytes are shown to a callback as they arrive (`--verify` compares
//! them there) and otherwise stepped over. Only the beginnings of lines that were cut by the end
//! of a buffer are kept, up to [`MAX_LINE_BYTES`].

pub use super::line::ProtocolError;

use super::line::{is_type, number, short_length};
use crate::limits::{MAX_LINE_BYTES, MAX_REPLY_DEPTH, MAX_VALUE_BYTES};

/// One whole reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// `+OK` or another status (its text is [`Parser::text`]; for `+OK` it is empty).
    Status,
    /// `-ERR …`: its text is [`Parser::text`], without the sign.
    Error,
    /// `:n` and also RESP3's booleans, as 0 and 1.
    Integer(i64),
    /// A value (bulk or verbatim string, big number or double) of so many bytes.
    Value(u64),
    /// Nothing: `$-1`, `*-1` or `_`.
    Null,
    /// An array, set or map of so many elements, all of which have been read.
    Aggregate(u64),
    /// A push message of RESP3, which answers no request.
    Push(u64),
}

/// Where the bytes lie that a parser shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The first one's place in its value.
    pub offset: u64,
    /// The value is an element of a push message.
    pub pushed: bool,
}

/// Where in a reply the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a line (or before the first byte of one).
    Line,
    /// In a value's bytes.
    Body { offset: u64, left: u64 },
    /// In the CR LF after a value.
    Ending { left: u8 },
}

/// An incremental parser for one connection's replies.
#[derive(Debug, Clone)]
pub struct Parser {
    place: Place,
    line: Vec<u8>,
    /// Elements still to come on each level of nesting.
    open: [u64; MAX_REPLY_DEPTH],
    depth: usize,
    /// The levels that are attributes, by bit: the element that they describe comes after them.
    attributes: u32,
    /// What the outermost element turned out to be.
    outer: Reply,
    /// The last byte of an overlong line was a CR.
    last_byte: u8,
    line_bytes: usize,
    fresh: bool,
    inside: Inside,
}

/// What is kept of an aggregate's elements.
#[derive(Debug, Clone, Copy, Default)]
struct Inside {
    /// Elements of the outermost level that are nothing.
    nulls: u64,
    /// The first word of the first error among all of them, as far as it fits.
    error: [u8; ERROR_WORD_BYTES],
    error_bytes: usize,
}

/// Longest first word of an error inside of an aggregate; Redis's longest is CLUSTERDOWN.
const ERROR_WORD_BYTES: usize = 16;

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser at the border between two replies.
    #[must_use]
    pub fn new() -> Self {
        Self {
            place: Place::Line,
            line: Vec::with_capacity(MAX_LINE_BYTES),
            open: [0; MAX_REPLY_DEPTH],
            depth: 0,
            attributes: 0,
            outer: Reply::Null,
            last_byte: 0,
            line_bytes: 0,
            fresh: true,
            inside: Inside::default(),
        }
    }

    /// Forgets a half reply: the connection was opened anew.
    pub fn reset(&mut self) {
        self.place = Place::Line;
        self.line.clear();
        (self.depth, self.last_byte, self.line_bytes, self.fresh) = (0, 0, 0, true);
        self.attributes = 0;
    }

    /// Whether the next byte begins a reply.
    #[must_use]
    pub const fn at_border(&self) -> bool {
        self.fresh
    }

    /// The text of the last status or error, without its sign and CR LF, cut at
    /// [`MAX_LINE_BYTES`].
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.line.get(1..).unwrap_or_default()
    }

    /// Elements of the last aggregate that are nothing, its outermost level alone.
    #[must_use]
    pub const fn nulls_inside(&self) -> u64 {
        self.inside.nulls
    }

    /// The first word of the first error inside of the last aggregate; empty without one.
    #[must_use]
    pub fn error_inside(&self) -> &[u8] {
        &self.inside.error[..self.inside.error_bytes]
    }

    /// Reads the next reply off the front of `input`; none when `input` is used up first.
    /// `on_body` is shown the bytes of a value that is not inside an aggregate, and those of the
    /// elements of a push message.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer speaks no RESP; the connection is of no more use.
    #[inline]
    pub fn next(
        &mut self,
        input: &mut &[u8],
        mut on_body: impl FnMut(At, &[u8]),
    ) -> Result<Option<Reply>, ProtocolError> {
        if self.fresh
            && let Some((reply, length)) = whole_reply(input, &mut on_body)
        {
            *input = &input[length..];
            self.line.clear();
            return Ok(Some(reply));
        }
        self.next_slow(input, &mut on_body)
    }

    fn next_slow(
        &mut self,
        input: &mut &[u8],
        on_body: &mut impl FnMut(At, &[u8]),
    ) -> Result<Option<Reply>, ProtocolError> {
        while !input.is_empty() {
            if self.fresh {
                self.fresh = false;
                self.inside = Inside::default();
                self.start_line();
            }
            let element_ended = match self.place {
                Place::Line => self.read_line(input)?,
                Place::Body { offset, left } => {
                    let length = left.min(input.len() as u64);
                    let (body, rest) = input.split_at(length as usize);
                    let pushed = self.depth > 0 && matches!(self.outer, Reply::Push(_));
                    if self.depth == 0 || pushed {
                        on_body(At { offset, pushed }, body);
                    }
                    *input = rest;
                    self.place = match left - length {
                        0 => Place::Ending { left: 2 },
                        left => Place::Body { offset: offset + length, left },
                    };
                    false
                }
                Place::Ending { left } => self.read_ending(left, input)?,
            };
            if element_ended && self.close_levels() {
                self.fresh = true;
                return Ok(Some(self.outer));
            }
        }
        Ok(None)
    }

    fn start_line(&mut self) {
        self.line.clear();
        (self.place, self.last_byte, self.line_bytes) = (Place::Line, 0, 0);
    }

    /// Reads up to the end of a line. True when that ended an element.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<bool, ProtocolError> {
        if self.line_bytes == 0 && !is_type(input[0]) {
            return Err(ProtocolError::Type(input[0]));
        }
        let newline = input.iter().position(|byte| *byte == b'\n');
        let (part, rest) = input.split_at(newline.map_or(input.len(), |at| at + 1));
        let room = MAX_LINE_BYTES - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        self.line_bytes += part.len();
        *input = rest;
        let before = if part.len() > 1 { part[part.len() - 2] } else { self.last_byte };
        self.last_byte = part[part.len() - 1];
        if newline.is_none() {
            return Ok(false);
        }
        if before != b'\r' {
            return Err(ProtocolError::Ending);
        }
        while matches!(self.line.last(), Some(b'\r' | b'\n')) {
            self.line.pop();
        }
        self.begin_element()
    }

    /// Reads the CR LF after a value. True when it is complete.
    fn read_ending(&mut self, left: u8, input: &mut &[u8]) -> Result<bool, ProtocolError> {
        let wanted = if left == 2 { b'\r' } else { b'\n' };
        if input[0] != wanted {
            return Err(ProtocolError::Ending);
        }
        *input = &input[1..];
        self.place = Place::Ending { left: left - 1 };
        Ok(left == 1)
    }

    /// Understands a line that is whole. True when the element has no more bytes.
    fn begin_element(&mut self) -> Result<bool, ProtocolError> {
        let (kind, text) = (self.line[0], &self.line[1..]);
        let element = match kind {
            b'+' => Reply::Status,
            b'-' => {
                self.note_error_inside();
                Reply::Error
            }
            b':' => Reply::Integer(number(text)?),
            b'#' => Reply::Integer(i64::from(text == b"t")),
            b'_' => Reply::Null,
            b',' | b'(' => Reply::Value(text.len() as u64),
            b'$' | b'=' | b'!' => match number(text)? {
                -1 => Reply::Null,
                length if (0..=MAX_VALUE_BYTES as i64).contains(&length) => {
                    let left = length as u64;
                    self.place = if left == 0 {
                        Place::Ending { left: 2 }
                    } else {
                        Place::Body { offset: 0, left }
                    };
                    self.set_outer(if kind == b'!' { Reply::Error } else { Reply::Value(left) });
                    return Ok(false);
                }
                _ => return Err(ProtocolError::Number),
            },
            _ => return self.begin_aggregate(kind),
        };
        self.set_outer(element);
        Ok(true)
    }

    fn begin_aggregate(&mut self, kind: u8) -> Result<bool, ProtocolError> {
        let count = number(&self.line[1..])?;
        if count == -1 && kind == b'*' {
            self.set_outer(Reply::Null);
            return Ok(true);
        }
        let elements = u64::try_from(count).map_err(|_| ProtocolError::Number)?;
        let parts = match kind {
            b'%' | b'|' => elements.checked_mul(2).ok_or(ProtocolError::Number)?,
            _ => elements,
        };
        let is_attribute = kind == b'|';
        match kind {
            b'|' => {}
            b'>' => self.set_outer(Reply::Push(elements)),
            _ => self.set_outer(Reply::Aggregate(elements)),
        }
        if parts == 0 {
            // An attribute stands before the element that it describes.
            self.start_line();
            return Ok(!is_attribute);
        }
        *self.open.get_mut(self.depth).ok_or(ProtocolError::Depth)? = parts;
        self.attributes |= u32::from(is_attribute) << self.depth;
        self.depth += 1;
        self.start_line();
        Ok(false)
    }

    fn set_outer(&mut self, element: Reply) {
        if self.depth == 0 {
            self.outer = element;
        }
        self.inside.nulls += u64::from(self.depth == 1 && element == Reply::Null);
    }

    /// Keeps the first word of the line, which is an error, when it is the first in an aggregate.
    fn note_error_inside(&mut self) {
        if self.depth == 0 || self.inside.error_bytes > 0 {
            return;
        }
        let text = self.line.get(1..).unwrap_or_default();
        let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let bytes = word.len().min(ERROR_WORD_BYTES);
        self.inside.error[..bytes].copy_from_slice(&word[..bytes]);
        // An error without a word is one, too.
        self.inside.error_bytes = bytes.max(1);
    }

    /// An element ended: does the whole reply end with it?
    fn close_levels(&mut self) -> bool {
        while self.depth > 0 {
            self.open[self.depth - 1] -= 1;
            if self.open[self.depth - 1] > 0 {
                self.start_line();
                return false;
            }
            self.depth -= 1;
            let bit = 1 << self.depth;
            if self.attributes & bit != 0 {
                self.attributes &= !bit;
                if self.depth == 0 {
                    self.inside = Inside::default();
                }
                self.start_line();
                return false;
            }
        }
        true
    }
}

/// The replies that make up nearly all traffic, when they lie whole at the front of `input`.
#[inline]
fn whole_reply(input: &[u8], on_body: &mut impl FnMut(At, &[u8])) -> Option<(Reply, usize)> {
    match *input.first()? {
        b'+' => input.starts_with(b"+OK\r\n").then_some((Reply::Status, 5)),
        b':' => {
            let (number, header) = short_length(&input[1..])?;
            Some((Reply::Integer(number as i64), 1 + header))
        }
        b'$' if input.starts_with(b"$-1\r\n") => Some((Reply::Null, 5)),
        b'$' => {
            let (length, header) = short_length(&input[1..])?;
            let body = &input[1 + header..];
            if body.len() < length + 2 || body[length] != b'\r' || body[length + 1] != b'\n' {
                return None;
            }
            on_body(At { offset: 0, pushed: false }, &body[..length]);
            Some((Reply::Value(length as u64), 1 + header + length + 2))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

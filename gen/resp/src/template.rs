//! A request as parts, and the fast form of those that are one key and at most one value of a
//! fixed size: copied whole and patched.

use crate::command::words::{FIELD_DIGITS, FIELDS, NUMBER_DIGITS, Piece, Word};
use crate::limits::KEY_DIGITS;
use crate::op::{Draw, Rest};
use crate::units::KeyId;
use crate::values::Values;

/// Digits of the longest time to live, a u32 in seconds.
const TTL_DIGITS: usize = 10;

/// What a time to live adds to the longest request.
const TTL_BYTES: usize = "$2\r\nEX\r\n$10\r\n\r\n".len() + TTL_DIGITS;

/// A request with holes.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// One key, and at most one value of a fixed size. Not boxed: following a pointer more was 2 ns.
    Fixed(Fixed),
    /// Anything else.
    Parts(Box<[Part]>),
}

/// What stands where in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// These bytes.
    Text(Box<[u8]>),
    /// The digits of the key.
    Key,
    /// The digits of another key.
    Other,
    /// The value of the key that was named last, with its length.
    Data,
    /// A field.
    Field,
    /// A number.
    Number,
}

/// A request with a hole for the digits of the key, and perhaps one for its value.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    /// What stands before the value (a request without one has all of it there), in a block that
    /// is copied whole, longer or not: four vector moves instead of a call of memcpy.
    front: [u8; FRONT_BYTES],
    bytes: Box<[u8]>,
    digits_at: usize,
    value_at: usize,
    value_bytes: usize,
}

/// Room for a command, and for the key with a prefix of some twenty bytes.
const FRONT_BYTES: usize = 64;

/// A request with one key and no value, that fits in the block: most reads are one. What makes it
/// short is decided once, so that each of them takes two comparisons, and is small enough to stand in
/// the loop that draws (7.0 ns with its draw became 5.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    front: [u8; FRONT_BYTES],
    digits_at: u32,
    /// 0 for a request that is not short.
    length: u32,
}

impl Short {
    /// No request.
    pub(super) const NONE: Self = Self { front: [0; FRONT_BYTES], digits_at: 0, length: 0 };

    /// Writes the request to the front of `out` and returns its length; nothing and 0 when it is
    /// not short, or `out` has no room for the block.
    #[inline(always)]
    pub(super) fn write(&self, key: KeyId, out: &mut [u8]) -> usize {
        let Some(front) = out.first_chunk_mut::<FRONT_BYTES>() else { return 0 };
        if self.length != 0 {
            *front = self.front;
            if let Some(digits) = front[self.digits_at as usize..].first_chunk_mut() {
                write_key(key.0, digits);
            }
        }
        self.length as usize
    }
}

impl Form {
    /// A request of these words, with keys of this prefix; `more` words follow that the caller
    /// appends.
    pub(super) fn new(words: &[Word], more: usize, prefix: &str, values: &Values) -> Self {
        let parts = parts(words, more, prefix);
        match (&*parts, values.sizes().fixed()) {
            ([Part::Text(before), Part::Key, Part::Text(after)], _) => {
                Self::Fixed(Fixed::new(before, after, None))
            }
            ([Part::Text(before), Part::Key, Part::Text(middle), Part::Data], Some(size)) => {
                Self::Fixed(Fixed::new(before, middle, Some(size)))
            }
            _ => Self::Parts(parts),
        }
    }

    /// The same as a short request; none when it is not.
    pub(super) fn short(&self) -> Short {
        match self {
            Self::Fixed(fixed) if fixed.value_at == fixed.bytes.len() => fixed.short(),
            Self::Fixed(_) | Self::Parts(_) => Short::NONE,
        }
    }

    /// Bytes of the longest request, with a time to live.
    pub(super) fn longest(&self, values: &Values) -> usize {
        let length = match self {
            Self::Fixed(fixed) => fixed.bytes.len(),
            Self::Parts(parts) => parts.iter().map(|part| part.longest(values)).sum(),
        };
        length + TTL_BYTES
    }

    /// Writes the request to the front of `out` and returns its length.
    #[inline(always)]
    pub(super) fn write<'a, D: Draw + 'a>(
        &self,
        key: KeyId,
        values: &Values,
        rest: impl FnOnce() -> Rest<'a, D>,
        out: &mut [u8],
    ) -> usize {
        match self {
            Self::Fixed(fixed) => fixed.write(key, values, out),
            Self::Parts(parts) => write_parts(parts, key, values, rest(), out),
        }
    }
}

impl Part {
    fn longest(&self, values: &Values) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Key | Self::Other => KEY_DIGITS,
            Self::Data => values.sizes().longest() + "$536870912\r\n\r\n".len(),
            Self::Field => FIELD_DIGITS,
            Self::Number => NUMBER_DIGITS,
        }
    }
}

fn parts(words: &[Word], more: usize, prefix: &str) -> Box<[Part]> {
    let mut parts = Vec::new();
    let mut text = format!("*{}\r\n", words.len() + more).into_bytes();
    let mut push = |text: &mut Vec<u8>, part: Option<Part>| {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text).into()));
        }
        parts.extend(part);
    };
    let bytes_of = |piece: &Piece| match piece {
        Piece::Text(bytes) => bytes.len(),
        Piece::Key | Piece::Other => prefix.len() + KEY_DIGITS,
        Piece::Field => FIELD_DIGITS,
        Piece::Number => NUMBER_DIGITS,
        Piece::Data => 0,
    };
    for word in words {
        if word.0 == [Piece::Data] {
            push(&mut text, Some(Part::Data));
            continue;
        }
        let length: usize = word.0.iter().map(bytes_of).sum();
        text.extend(format!("${length}\r\n").into_bytes());
        for piece in &word.0 {
            let hole = match piece {
                Piece::Text(bytes) => {
                    text.extend(bytes);
                    continue;
                }
                Piece::Key => Part::Key,
                Piece::Other => Part::Other,
                Piece::Field => Part::Field,
                Piece::Number => Part::Number,
                Piece::Data => Part::Data,
            };
            if matches!(hole, Part::Key | Part::Other) {
                text.extend(prefix.as_bytes());
            }
            push(&mut text, Some(hole));
        }
        text.extend(b"\r\n");
    }
    push(&mut text, None);
    parts.into()
}

#[inline(never)]
fn write_parts(
    parts: &[Part],
    key: KeyId,
    values: &Values,
    mut rest: Rest<'_, impl Draw>,
    out: &mut [u8],
) -> usize {
    let mut last = key;
    let mut page = Page { out, at: 0 };
    for part in parts {
        match part {
            Part::Text(text) => page.put(text),
            Part::Key => {
                last = key;
                page.put(&digits(key.0));
            }
            Part::Other => {
                last = rest.key(last);
                page.put(&digits(last.0));
            }
            Part::Field => page.put(&digits(rest.below(FIELDS))[KEY_DIGITS - FIELD_DIGITS..]),
            Part::Number => {
                let first = 10_u64.pow(NUMBER_DIGITS as u32 - 1);
                page.put(&digits(first + rest.below(9 * first)));
            }
            Part::Data => {
                let size = values.size_of(last);
                page.put(b"$");
                page.put(significant(&digits(size as u64)));
                page.put(b"\r\n");
                values.write(last, page.next(size));
                page.put(b"\r\n");
            }
        }
    }
    page.at
}

/// What is written from the front of a buffer on.
struct Page<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Page<'_> {
    /// The next `length` bytes, to be written.
    fn next(&mut self, length: usize) -> &mut [u8] {
        let from = self.at;
        self.at += length;
        &mut self.out[from..self.at]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.next(bytes.len()).copy_from_slice(bytes);
    }
}

impl Fixed {
    /// `before` the key's digits, `after` them, and a value of so many bytes at the end.
    fn new(before: &[u8], after: &[u8], value_bytes: Option<usize>) -> Self {
        let mut text = [before, &[b'0'; KEY_DIGITS], after].concat();
        if let Some(length) = value_bytes {
            text.extend(format!("${length}\r\n").into_bytes());
        }
        let value_at = text.len();
        if let Some(length) = value_bytes {
            text.resize(text.len() + length, 0);
            text.extend(b"\r\n");
        }
        let mut front = [0; FRONT_BYTES];
        let known = value_at.min(FRONT_BYTES);
        front[..known].copy_from_slice(&text[..known]);
        let value_bytes = value_bytes.unwrap_or(0);
        Self { front, bytes: text.into(), digits_at: before.len(), value_at, value_bytes }
    }

    fn short(&self) -> Short {
        if self.bytes.len() > FRONT_BYTES {
            return Short::NONE;
        }
        let (digits_at, length) = (self.digits_at as u32, self.bytes.len() as u32);
        Short { front: self.front, digits_at, length }
    }

    /// Copies the request around its value, patches the key in, and writes the value.
    #[inline(always)]
    fn write(&self, key: KeyId, values: &Values, out: &mut [u8]) -> usize {
        let length = self.bytes.len();
        match out.first_chunk_mut() {
            Some(front) if self.value_at <= FRONT_BYTES => *front = self.front,
            _ => out[..self.value_at].copy_from_slice(&self.bytes[..self.value_at]),
        }
        if let Some(digits) = out[self.digits_at..].first_chunk_mut() {
            write_key(key.0, digits);
        }
        if length > self.value_at {
            let tail = self.value_at + self.value_bytes;
            out[tail..length].copy_from_slice(&self.bytes[tail..]);
            values.write(key, &mut out[self.value_at..tail]);
        }
        length
    }
}

/// Appends `EX` and a time to live to a request, and returns its length.
pub(super) fn append_ttl(ttl_s: u32, at: usize, out: &mut [u8]) -> usize {
    let padded = digits(u64::from(ttl_s));
    let text = significant(&padded);
    let mut page = Page { out, at };
    page.put(b"$2\r\nEX\r\n$");
    page.put(significant(&digits(text.len() as u64)));
    for part in [b"\r\n", text, b"\r\n"] {
        page.put(part);
    }
    page.at
}

/// How many bytes [`append_ttl`] appends.
pub(super) fn ttl_bytes(ttl_s: u32) -> usize {
    let mut page = [0; TTL_BYTES];
    append_ttl(ttl_s, 0, &mut page)
}

/// A number below 10^12 as twelve digits.
fn digits(number: u64) -> [u8; KEY_DIGITS] {
    let mut digits = [b'0'; KEY_DIGITS];
    write_key(number, &mut digits);
    digits
}

/// Digits without the zeros before them.
fn significant(padded: &[u8; KEY_DIGITS]) -> &[u8] {
    let zeros = padded.iter().take_while(|digit| **digit == b'0').count();
    &padded[zeros.min(KEY_DIGITS - 1)..]
}

/// Writes the twelve digits of a key over twelve zeros.
#[inline]
fn write_key(number: u64, digits: &mut [u8; KEY_DIGITS]) {
    const LOW: u64 = 100_000_000;
    let (high, low) = (number / LOW, number % LOW);
    // Four or eight, in the order of the text.
    digits[4..].copy_from_slice(&eight_digits(low));
    if high > 0 {
        digits[..4].copy_from_slice(&eight_digits(high)[4..]);
    }
}

/// Eight decimal digits of a number below 10^8, by multiplications on lanes of one word (after
/// Paul Khuong, "How to print integers really fast", pvk.ca 2017): 2 ns.
#[inline]
const fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // x / 100 for x < 10^4.
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = (fours - 100 * hundreds) << 16 | hundreds;
    // x / 10 for x < 100.
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = (pairs - 10 * tens) << 8 | tens;
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

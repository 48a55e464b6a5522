//! What the lines of RESP are made of, and what makes them none.

use thiserror::Error;

use crate::limits::{MAX_REPLY_DEPTH, MAX_VALUE_BYTES};

/// The peer does not speak RESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A reply began with a byte that begins none.
    #[error("a reply began with byte 0x{0:02x}, which begins none in RESP")]
    Type(u8),
    /// A length or number that is none.
    #[error("a reply had a length or number that is none")]
    Number,
    /// A line or a value did not end in CR LF.
    #[error("a reply did not end in CR LF")]
    Ending,
    /// Nested deeper than [`MAX_REPLY_DEPTH`].
    #[error("a reply was nested deeper than {MAX_REPLY_DEPTH}")]
    Depth,
}

/// Whether a reply can begin with this byte.
pub(super) const fn is_type(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b':'
            | b'$'
            | b'*'
            | b'_'
            | b','
            | b'#'
            | b'!'
            | b'='
            | b'('
            | b'%'
            | b'~'
            | b'>'
            | b'|'
    )
}

/// A length of up to eight digits and its CR LF; anything else is for the slow path.
#[inline]
pub(super) fn short_length(input: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0_usize;
    for (at, &byte) in input.iter().take(9).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            length = length * 10 + usize::from(digit);
        } else {
            let ended = at > 0 && byte == b'\r' && input.get(at + 1) == Some(&b'\n');
            return (ended && length <= MAX_VALUE_BYTES).then_some((length, at + 2));
        }
    }
    None
}

/// The integer that a line holds.
pub(super) fn number(text: &[u8]) -> Result<i64, ProtocolError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ProtocolError::Number)
}

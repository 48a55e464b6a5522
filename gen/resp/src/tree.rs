//! Whole replies as trees, for control traffic (INFO, SLOWLOG, CLUSTER …). It allocates, and is
//! therefore not for the hot path.

use super::line::{ProtocolError, number};
use crate::limits::{MAX_REPLY_DEPTH, MAX_VALUE_BYTES};

/// A reply with all that is in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A status, value or number that is no integer, as its bytes.
    Text(Vec<u8>),
    /// An error, without its sign.
    Error(String),
    /// An integer or boolean.
    Integer(i64),
    /// Nothing.
    Null,
    /// An array, set, map (keys and values in turn) or push.
    List(Vec<Tree>),
}

impl Tree {
    /// Reads one reply off the front of `input`; none when it is not all there.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer speaks no RESP.
    pub fn read(input: &mut &[u8]) -> Result<Option<Self>, ProtocolError> {
        Self::read_at(input, 0)
    }

    fn read_at(input: &mut &[u8], depth: usize) -> Result<Option<Self>, ProtocolError> {
        if depth > MAX_REPLY_DEPTH {
            return Err(ProtocolError::Depth);
        }
        let mut rest = *input;
        let Some(line) = read_line(&mut rest)? else {
            return Ok(None);
        };
        let (&kind, text) = line.split_first().ok_or(ProtocolError::Ending)?;
        let tree = match kind {
            b'+' | b',' | b'(' => Self::Text(text.to_vec()),
            b'-' => Self::Error(String::from_utf8_lossy(text).into_owned()),
            b':' => Self::Integer(number(text)?),
            b'#' => Self::Integer(i64::from(text == b"t")),
            b'_' => Self::Null,
            b'$' | b'=' | b'!' => match read_body(&mut rest, number(text)?)? {
                Some(Some(body)) if kind == b'!' => {
                    Self::Error(String::from_utf8_lossy(body).into_owned())
                }
                Some(Some(body)) => Self::Text(body.to_vec()),
                Some(None) => Self::Null,
                None => return Ok(None),
            },
            b'*' | b'~' | b'>' | b'%' => {
                let pairs = if kind == b'%' { 2 } else { 1 };
                match Self::read_elements(&mut rest, (kind, number(text)?), pairs, depth)? {
                    Some(tree) => tree,
                    None => return Ok(None),
                }
            }
            // An attribute stands before the element that it describes.
            b'|' => {
                if Self::read_elements(&mut rest, (kind, number(text)?), 2, depth)?.is_none() {
                    return Ok(None);
                }
                match Self::read_at(&mut rest, depth + 1)? {
                    Some(tree) => tree,
                    None => return Ok(None),
                }
            }
            other => return Err(ProtocolError::Type(other)),
        };
        *input = rest;
        Ok(Some(tree))
    }

    /// The elements of an aggregate; none when they are not all there. Only an array may be absent.
    fn read_elements(
        input: &mut &[u8],
        (kind, count): (u8, i64),
        pairs: u64,
        depth: usize,
    ) -> Result<Option<Self>, ProtocolError> {
        if count == -1 && kind == b'*' {
            return Ok(Some(Self::Null));
        }
        let count = u64::try_from(count).ok().and_then(|count| count.checked_mul(pairs));
        let mut list = Vec::new();
        for _ in 0..count.ok_or(ProtocolError::Number)? {
            match Self::read_at(input, depth + 1)? {
                Some(tree) => list.push(tree),
                None => return Ok(None),
            }
        }
        Ok(Some(Self::List(list)))
    }

    /// The text of a status or value.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The integer, also one that came as text.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The elements of a list; empty for anything else.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

fn read_line<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ProtocolError> {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(ProtocolError::Ending)?;
    *input = &input[end + 1..];
    Ok(Some(line))
}

/// The bytes of a value: none when not all there, none within for a null.
fn read_body<'a>(
    input: &mut &'a [u8],
    length: i64,
) -> Result<Option<Option<&'a [u8]>>, ProtocolError> {
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 { Ok(Some(None)) } else { Err(ProtocolError::Number) };
    };
    if length > MAX_VALUE_BYTES {
        return Err(ProtocolError::Number);
    }
    let Some(body) = input.get(..length) else {
        return Ok(None);
    };
    match input.get(length..length + 2) {
        None => Ok(None),
        Some(b"\r\n") => {
            *input = &input[length + 2..];
            Ok(Some(Some(body)))
        }
        Some(_) => Err(ProtocolError::Ending),
    }
}

#[cfg(test)]
mod tests;

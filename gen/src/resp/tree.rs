//! Whole replies as trees, for control traffic (INFO, SLOWLOG, CLUSTER …). It allocates, and is
//! therefore not for the hot path.

use super::reply::ProtocolError;
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
                let count = number(text)?;
                let factor = if kind == b'%' { 2 } else { 1 };
                let mut list = Vec::new();
                for _ in 0..count.max(0) * factor {
                    match Self::read_at(&mut rest, depth + 1)? {
                        Some(tree) => list.push(tree),
                        None => return Ok(None),
                    }
                }
                if count < 0 { Self::Null } else { Self::List(list) }
            }
            other => return Err(ProtocolError::Type(other)),
        };
        *input = rest;
        Ok(Some(tree))
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
        return Ok(Some(None));
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

fn number(text: &[u8]) -> Result<i64, ProtocolError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ProtocolError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_in_an_array_is_a_tree() {
        let bytes = b"*2\r\n%1\r\n$1\r\na\r\n:7\r\n$-1\r\n";
        let mut input = bytes.as_slice();
        let tree = Tree::read(&mut input).unwrap().unwrap();
        let map = Tree::List(vec![Tree::Text(b"a".to_vec()), Tree::Integer(7)]);
        assert_eq!(tree, Tree::List(vec![map, Tree::Null]));
        assert!(input.is_empty());
        for cut in 0..bytes.len() {
            assert_eq!(Tree::read(&mut &bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn garbage_is_an_error() {
        assert_eq!(Tree::read(&mut b"HTTP\r\n".as_slice()), Err(ProtocolError::Type(b'H')));
        assert_eq!(Tree::read(&mut b"$1\r\nxyz".as_slice()), Err(ProtocolError::Ending));
    }
}

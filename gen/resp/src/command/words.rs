//! Templates as people write them: words as redis-cli splits them, with placeholders.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `__key__` | the request's key; may stand inside of a word |
//! | `__other__` | another key, drawn by the same distribution |
//! | `__data__` | the value of the key that was named last; a word of its own |
//! | `__field__` | one of 100 names of six digits |
//! | `__number__` | twelve random digits, the first of them not 0 |

use thiserror::Error;

/// One word of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Piece>);

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Text(Vec<u8>),
    /// The key.
    Key,
    /// Another key.
    Other,
    /// The value of the key that was named last.
    Data,
    /// A field or member.
    Field,
    /// A random number.
    Number,
}

/// Fields that `__field__` stands for.
pub const FIELDS: u64 = 100;

/// Digits of a field.
pub const FIELD_DIGITS: usize = 6;

/// Digits of a number.
pub const NUMBER_DIGITS: usize = 12;

const PLACEHOLDERS: [(&str, Piece); 5] = [
    ("__key__", Piece::Key),
    ("__other__", Piece::Other),
    ("__data__", Piece::Data),
    ("__field__", Piece::Field),
    ("__number__", Piece::Number),
];

/// Why a text cannot be split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WordsError {
    /// A quotation mark without its second.
    #[error("a quotation mark is not closed")]
    Unclosed,
    /// Something stands right behind a closing quotation mark.
    #[error("a closing quotation mark must be followed by a space")]
    Glued,
    /// A value inside of a word.
    #[error("__data__ must be a word of its own")]
    Data,
}

impl Word {
    /// A word without placeholders.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(vec![Piece::Text(text.as_bytes().to_vec())])
    }

    /// Its bytes, when it has no placeholders.
    #[must_use]
    pub fn literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [Piece::Text(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Whether a key is in it.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Key | Piece::Other))
    }

    fn of(mut bytes: &[u8]) -> Result<Self, WordsError> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        while let Some((&first, rest)) = bytes.split_first() {
            let found = PLACEHOLDERS.iter().find(|(name, _)| bytes.starts_with(name.as_bytes()));
            if let Some((name, piece)) = found {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(piece.clone());
                bytes = &bytes[name.len()..];
            } else {
                text.push(first);
                bytes = rest;
            }
        }
        if !text.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if pieces.len() > 1 && pieces.contains(&Piece::Data) {
            return Err(WordsError::Data);
        }
        Ok(Self(pieces))
    }
}

/// The words of a template.
///
/// # Errors
/// [`WordsError`].
pub fn split(text: &str) -> Result<Vec<Word>, WordsError> {
    split_bytes(text.as_bytes())?.iter().map(|word| Word::of(word)).collect()
}

/// Words as redis-cli takes and MONITOR writes them: parted by spaces, or within `"` (with the
/// escapes `\n \r \t \b \a \\ \" \xHH`) or `'` (with `\'`).
///
/// # Errors
/// [`WordsError`] when quotation marks do not match.
pub fn split_bytes(text: &[u8]) -> Result<Vec<Vec<u8>>, WordsError> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(&first) = rest.first() {
        let (word, left) = match first {
            b'"' | b'\'' => quoted(first, &rest[1..])?,
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        if left.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(WordsError::Glued);
        }
        words.push(word);
        rest = left.trim_ascii_start();
    }
    Ok(words)
}

/// What stands before the closing `mark`, and what follows it.
fn quoted(mark: u8, text: &[u8]) -> Result<(Vec<u8>, &[u8]), WordsError> {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        match *rest {
            [] => return Err(WordsError::Unclosed),
            [byte, ref left @ ..] if byte == mark => return Ok((word, left)),
            [b'\\', b'\'', ref left @ ..] if mark == b'\'' => {
                word.push(b'\'');
                rest = left;
            }
            [b'\\', b'x', high, low, ref left @ ..]
                if mark == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(high) << 4 | hex(low));
                rest = left;
            }
            [b'\\', escaped, ref left @ ..] if mark == b'"' => {
                word.push(unescaped(escaped));
                rest = left;
            }
            [byte, ref left @ ..] => {
                word.push(byte);
                rest = left;
            }
        }
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

const fn unescaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    /// As redis-server's `sdscatrepr` writes a word into MONITOR's stream.
    fn repr(word: &[u8]) -> String {
        let mut text = String::from("\"");
        for &byte in word {
            match byte {
                b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
                b'\n' => text.push_str("\\n"),
                b'\r' => text.push_str("\\r"),
                b'\t' => text.push_str("\\t"),
                0x07 => text.push_str("\\a"),
                0x08 => text.push_str("\\b"),
                b' '..=b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\x{byte:02x}")),
            }
        }
        text + "\""
    }

    proptest! {
        #[test]
        fn what_redis_quotes_is_read_back(
            words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
        ) {
            let line = words.iter().map(|word| repr(word)).collect::<Vec<_>>().join(" ");
            assert_eq!(split_bytes(line.as_bytes()), Ok(words));
        }

        #[test]
        fn no_text_is_a_panic(text: Vec<u8>) {
            let _ = split_bytes(&text);
        }
    }

    #[test]
    fn placeholders_are_found_inside_of_words() {
        let words = split("HSET {user:__key__}:cart 'a b' __data__").unwrap();
        assert_eq!(words[2].literal(), Some(&b"a b"[..]));
        assert_eq!(words[3].0, [Piece::Data]);
        let text = |text: &str| Piece::Text(text.as_bytes().to_vec());
        assert_eq!(words[1].0, [text("{user:"), Piece::Key, text("}:cart")]);
        assert_eq!(split("SET k x__data__"), Err(WordsError::Data));
        assert_eq!(split("SET \"k"), Err(WordsError::Unclosed));
        assert_eq!(split("SET \"k\"v"), Err(WordsError::Glued));
        assert_eq!(split("SET \"\"").unwrap()[1].literal(), Some(&b""[..]));
    }
}

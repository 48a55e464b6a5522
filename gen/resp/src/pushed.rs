//! The keys of an `invalidate` message of RESP3 (Redis documentation, "Client-side caching"), read
//! from the parts in which it comes.

use crate::limits::{KEY_DIGITS, MAX_PUSHED_KEYS};
use crate::units::KeyId;

/// Bytes of an element that are kept: its last twelve are a key's digits.
const TEXT_BYTES: usize = 256;

/// One message.
#[derive(Debug, Clone)]
pub struct Pushed {
    text: [u8; TEXT_BYTES],
    length: usize,
    /// Elements that have ended.
    elements: usize,
    invalidates: bool,
    keys: [KeyId; MAX_PUSHED_KEYS],
    count: usize,
    too_many: bool,
}

impl Default for Pushed {
    fn default() -> Self {
        Self {
            text: [0; TEXT_BYTES],
            length: 0,
            elements: 0,
            invalidates: false,
            keys: [KeyId(0); MAX_PUSHED_KEYS],
            count: 0,
            too_many: false,
        }
    }
}

impl Pushed {
    /// Takes in `part` of an element, which begins `offset` bytes into it.
    pub fn take(&mut self, offset: u64, part: &[u8]) {
        if offset == 0 {
            self.end();
        }
        let room = TEXT_BYTES - self.length;
        let part = &part[..part.len().min(room)];
        self.text[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    /// The element that came in last has ended.
    pub fn end(&mut self) {
        if self.length == 0 {
            return;
        }
        let text = &self.text[..self.length];
        if self.elements == 0 {
            self.invalidates = text == b"invalidate";
        } else if let Some(key) = number(text) {
            match self.keys.get_mut(self.count) {
                Some(place) => {
                    *place = key;
                    self.count += 1;
                }
                None => self.too_many = true,
            }
        }
        self.elements += 1;
        self.length = 0;
    }

    /// Every key may have changed: the server says so (FLUSHALL), or it named more than are kept.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.invalidates && (self.elements == 1 || self.too_many)
    }

    /// The keys that have changed.
    #[must_use]
    pub fn keys(&self) -> &[KeyId] {
        if self.invalidates { &self.keys[..self.count] } else { &[] }
    }

    /// Makes ready for the next message.
    pub fn clear(&mut self) {
        (self.length, self.elements, self.count) = (0, 0, 0);
        (self.invalidates, self.too_many) = (false, false);
    }
}

/// The number of a key, which is its last twelve digits.
fn number(text: &[u8]) -> Option<KeyId> {
    let digits = text.last_chunk::<KEY_DIGITS>()?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(KeyId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Parser, Reply};

    fn read(message: &str, cut: usize) -> Pushed {
        let (mut parser, mut pushed) = (Parser::new(), Pushed::default());
        let mut seen = None;
        for mut part in [&message.as_bytes()[..cut], &message.as_bytes()[cut..]] {
            let next = parser.next(&mut part, |at, bytes| {
                assert!(at.pushed);
                pushed.take(at.offset, bytes);
            });
            seen = seen.or(next.unwrap());
        }
        assert!(matches!(seen, Some(Reply::Push(2))));
        pushed.end();
        pushed
    }

    #[test]
    fn keys_are_read_however_the_message_is_cut() {
        let message = ">2\r\n$10\r\ninvalidate\r\n*2\r\n$16\r\nkey:000000000042\r\n\
                       $16\r\nkey:000000000007\r\n";
        for cut in 0..message.len() {
            let pushed = read(message, cut);
            assert_eq!(pushed.keys(), [KeyId(42), KeyId(7)]);
            assert!(!pushed.is_everything());
        }
    }

    #[test]
    fn a_flush_is_everything_and_other_messages_are_nothing() {
        assert!(read(">2\r\n$10\r\ninvalidate\r\n_\r\n", 9).is_everything());
        let other = read(">2\r\n$7\r\nmessage\r\n$16\r\nkey:000000000042\r\n", 9);
        assert!(other.keys().is_empty() && !other.is_everything());
    }

    #[test]
    fn more_keys_than_are_kept_are_everything() {
        let key = "$16\r\nkey:000000000042\r\n";
        let count = MAX_PUSHED_KEYS + 1;
        let message = format!(">2\r\n$10\r\ninvalidate\r\n*{count}\r\n{}", key.repeat(count));
        assert!(read(&message, 30).is_everything());
    }
}

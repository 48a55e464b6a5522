//! A key's hash slot: CRC16 (XMODEM) modulo 16 384, of the hash tag if there is one (Redis Cluster
//! Specification, "Key distribution model" and "Hash tags").

use crc16::{State, XMODEM};

use crate::limits::KEY_DIGITS;
use crate::units::{KeyId, SlotId};

/// Hash slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of any key.
#[must_use]
pub fn slot_of(key: &[u8]) -> SlotId {
    SlotId(State::<XMODEM>::calculate(tagged(key)) % SLOTS)
}

/// The part of a key that is hashed: what stands between the first `{` and the first `}` after it,
/// unless that is nothing.
fn tagged(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

/// Digits that one table answers for.
const CHUNK: usize = 4;

/// Numbers of so many digits.
const CHUNK_VALUES: usize = 10_usize.pow(CHUNK as u32);

/// The slots of keys that are a prefix and twelve digits, by look-up. A CRC is linear: the one of a
/// key is the one of the key with zeros for its digits, and for each chunk of four digits what they
/// change. Three look-ups take 3 ns where the general way takes 18 to 44 (`uring.md`).
#[derive(Debug, Clone)]
pub struct Slots {
    base: u16,
    /// The prefix has a hash tag, which alone counts.
    constant: bool,
    changes: Box<[[u16; CHUNK_VALUES]; KEY_DIGITS / CHUNK]>,
}

impl Slots {
    /// For keys of this prefix.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let text = |digits: String| [prefix.as_bytes(), digits.as_bytes()].concat();
        let zeros = text("0".repeat(KEY_DIGITS));
        let constant = tagged(&zeros).len() < zeros.len();
        let crc = |key: &[u8]| State::<XMODEM>::calculate(key);
        let base = if constant { crc(tagged(&zeros)) } else { crc(&zeros) };
        let mut changes = Box::new([[0; CHUNK_VALUES]; KEY_DIGITS / CHUNK]);
        if !constant {
            for (place, table) in changes.iter_mut().enumerate() {
                let behind = KEY_DIGITS - (place + 1) * CHUNK;
                for (value, change) in table.iter_mut().enumerate() {
                    let digits = format!("{value:0width$}", width = (place + 1) * CHUNK);
                    *change = crc(&text(digits + &"0".repeat(behind))) ^ base;
                }
            }
        }
        Self { base, constant, changes }
    }

    /// The slot of a key by its number.
    #[inline]
    #[must_use]
    pub fn of(&self, key: KeyId) -> SlotId {
        if self.constant {
            return SlotId(self.base % SLOTS);
        }
        let chunk = |divisor: u64| (key.0 / divisor % CHUNK_VALUES as u64) as usize;
        let [high, middle, low] = &*self.changes;
        let crc = self.base ^ high[chunk(100_000_000)] ^ middle[chunk(10_000)] ^ low[chunk(1)];
        SlotId(crc % SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::command::key_text;
    use proptest::prelude::proptest;

    #[test]
    fn slots_are_those_of_the_specification() {
        // `CLUSTER KEYSLOT` of redis-server 7.0.15.
        for (key, slot) in [("foo", 12_182), ("somekey", 11_058), ("123456789", 12_739)] {
            assert_eq!(slot_of(key.as_bytes()), SlotId(slot));
        }
        let same = [("{user1000}.following", "user1000"), ("foo{{bar}}zap", "{bar")];
        for (key, tag) in same {
            assert_eq!(
                slot_of(key.as_bytes()),
                SlotId(State::<XMODEM>::calculate(tag.as_bytes()) % SLOTS)
            );
        }
        assert_eq!(tagged(b"foo{}{bar}"), b"foo{}{bar}", "an empty tag is none");
        assert_eq!(tagged(b"foo{bar"), b"foo{bar");
    }

    proptest! {
        #[test]
        fn the_tables_say_what_the_general_way_says(
            key in 0_u64..1_000_000_000_000, prefix in "[a-z:{}]{0,12}",
        ) {
            let slots = Slots::new(&prefix);
            assert_eq!(slots.of(KeyId(key)), slot_of(key_text(&prefix, KeyId(key)).as_bytes()));
        }
    }
}

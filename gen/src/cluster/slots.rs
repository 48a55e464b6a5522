//! A key's hash slot: CRC16 (XMODEM) modulo 16 384, of the hash tag if there is one (Redis Cluster
//! Specification, "Key distribution model" and "Hash tags").

use crc16::{State, XMODEM};

use crate::limits::{KEY_DIGITS, MAX_COMMANDS};
use crate::units::{CommandId, KeyId, SlotId};

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

/// The slots of keys that are twelve digits in a constant text, by look-up. A CRC is linear: the one
/// of a key is the one of the key with zeros for its digits, and for each chunk of four digits what
/// they change. Three look-ups take 3 ns where the general way takes 18 to 44 (`uring.md`).
#[derive(Debug, Clone)]
pub struct Slots {
    base: u16,
    changes: Box<[[u16; CHUNK_VALUES]; KEY_DIGITS / CHUNK]>,
}

impl Slots {
    /// For keys of these names, which differ in nothing but their digits.
    #[must_use]
    pub fn new(name: impl Fn(KeyId) -> Vec<u8>) -> Self {
        let crc = |number: u64| State::<XMODEM>::calculate(tagged(&name(KeyId(number))));
        let base = crc(0);
        let mut changes = Box::new([[0; CHUNK_VALUES]; KEY_DIGITS / CHUNK]);
        for (place, table) in changes.iter_mut().enumerate() {
            let behind = 10_u64.pow((KEY_DIGITS - (place + 1) * CHUNK) as u32);
            for (value, change) in table.iter_mut().enumerate() {
                *change = crc(value as u64 * behind) ^ base;
            }
        }
        Self { base, changes }
    }

    /// The slot of a key by its number.
    #[inline]
    #[must_use]
    pub fn of(&self, key: KeyId) -> SlotId {
        let chunk = |divisor: u64| (key.0 / divisor % CHUNK_VALUES as u64) as usize;
        let [high, middle, low] = &*self.changes;
        let crc = self.base ^ high[chunk(100_000_000)] ^ middle[chunk(10_000)] ^ low[chunk(1)];
        SlotId(crc % SLOTS)
    }
}

/// The slots of a run's requests: commands whose keys have other names have tables of their own.
#[derive(Debug, Clone)]
pub struct RequestSlots {
    tables: Vec<Slots>,
    of_command: [u8; MAX_COMMANDS],
}

impl RequestSlots {
    /// For `count` commands, and the names of their keys.
    #[must_use]
    pub fn new(count: usize, name: impl Fn(CommandId, KeyId) -> Vec<u8>) -> Self {
        let (mut tables, mut firsts) = (Vec::new(), Vec::new());
        let mut of_command = [0; MAX_COMMANDS];
        for (index, place) in of_command.iter_mut().enumerate().take(count) {
            let name = |key| name(CommandId(index as u8), key);
            let first = name(KeyId(0));
            let known = firsts.iter().position(|known| *known == first);
            *place = known.unwrap_or_else(|| {
                firsts.push(first);
                tables.push(Slots::new(name));
                tables.len() - 1
            }) as u8;
        }
        Self { tables, of_command }
    }

    /// The slot of a request by its command and its key's number.
    #[inline]
    #[must_use]
    pub fn of(&self, command: CommandId, key: KeyId) -> SlotId {
        self.tables[usize::from(self.of_command[command.index()])].of(key)
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
            key in 0_u64..1_000_000_000_000, before in "[a-z:{}]{0,12}", after in "[a-z:{}]{0,3}",
        ) {
            let name = |key| (key_text(&before, key) + &after).into_bytes();
            let slots = Slots::new(name);
            assert_eq!(slots.of(KeyId(key)), slot_of(&name(KeyId(key))));
        }
    }

    #[test]
    fn commands_with_other_keys_have_other_slots() {
        let name = |command: CommandId, key: KeyId| {
            let prefix = ["key:", "key:", "key:h:"][command.index()];
            key_text(prefix, key).into_bytes()
        };
        let slots = RequestSlots::new(3, name);
        assert_eq!(slots.tables.len(), 2);
        for command in (0..3).map(CommandId) {
            assert_eq!(slots.of(command, KeyId(77)), slot_of(&name(command, KeyId(77))));
        }
    }
}

//! A key's hash slot: CRC16 (XMODEM) modulo 16 384, of the hash tag if there is one (Redis Cluster
//! Specification, "Key distribution model" and "Hash tags").

use std::sync::Arc;

use crc16::{State, XMODEM};

use super::hash_ring::HashRing;
use stallion_resp::limits::{KEY_DIGITS, MAX_COMMANDS, MAX_KEYS};
use stallion_resp::units::{CommandId, KeyId, SLOTS, SlotId};

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

/// Digits that one table answers for: tables of three digits stay in the first-level cache.
const CHUNK: usize = 3;

/// Numbers of half of a key's digits.
const HALF: u64 = 10_u64.pow(KEY_DIGITS as u32 / 2);

const _: () = assert!(KEY_DIGITS == 4 * CHUNK);

/// Numbers of so many digits.
const CHUNK_VALUES: usize = 10_usize.pow(CHUNK as u32);

/// The slots of keys that are twelve digits in a constant text, by look-up. A CRC is linear: the one
/// of a key is the one of the key with zeros for its digits, and for each chunk of digits what they
/// change. Four look-ups take 2 ns where the general way takes 18 to 44 (`uring.md`).
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
        // The key's numbers are below 10^12: halves of six digits divide as words of 32 bits. Zeros
        // change nothing, and most runs have no more than a million keys.
        let mut crc = self.base;
        let mut low = key.0;
        if low >= HALF {
            crc ^= self.change(0, (low / HALF % HALF) as u32);
            low %= HALF;
        }
        SlotId((crc ^ self.change(KEY_DIGITS / CHUNK / 2, low as u32)) % SLOTS)
    }

    /// What six digits change, of which the first three belong to the table at `place`.
    #[inline]
    fn change(&self, place: usize, digits: u32) -> u16 {
        let values = CHUNK_VALUES as u32;
        let of_table = |place: usize, chunk: u32| self.changes[place][chunk as usize];
        of_table(place, digits / values) ^ of_table(place + 1, digits % values)
    }
}

/// The slots of a run's requests: commands whose keys have other names have tables of their own.
/// Copies share the tables.
#[derive(Debug, Clone)]
pub struct RequestSlots {
    places: Places,
    of_command: [u8; MAX_COMMANDS],
}

/// What the slot of a key depends on, for each form that names of keys have.
#[derive(Debug, Clone)]
enum Places {
    /// Hash slots of a cluster.
    Slots(Arc<[Slots]>),
    /// A list of servers: the slot is the server's place in it.
    Ring(Arc<HashRing>, Arc<[Name]>),
}

/// The name of a key around its digits.
#[derive(Debug, Clone)]
struct Name {
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl Name {
    /// From the name of the key 0, and that of the key whose digits are all nines.
    fn of(zeros: &[u8], nines: &[u8]) -> Self {
        let first = zeros.iter().zip(nines).position(|(left, right)| left != right);
        let at = first.unwrap_or(zeros.len());
        let (before, rest) = zeros.split_at(at);
        Self { before: before.into(), after: rest.get(KEY_DIGITS..).unwrap_or_default().into() }
    }
}

/// The digits of a key's number.
fn digits(key: KeyId) -> [u8; KEY_DIGITS] {
    let (mut digits, mut left) = ([b'0'; KEY_DIGITS], key.0);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    digits
}

impl RequestSlots {
    /// For `count` commands, and the names of their keys.
    #[must_use]
    pub fn new(count: usize, name: impl Fn(CommandId, KeyId) -> Vec<u8>) -> Self {
        let (forms, of_command) = forms(count, &name);
        let tables = forms.into_iter().map(|command| Slots::new(|key| name(command, key)));
        Self { places: Places::Slots(tables.collect()), of_command }
    }

    /// The same for servers among which the client chooses itself.
    #[must_use]
    pub fn of_ring(
        ring: HashRing,
        count: usize,
        name: impl Fn(CommandId, KeyId) -> Vec<u8>,
    ) -> Self {
        let (forms, of_command) = forms(count, &name);
        let nines = KeyId(MAX_KEYS - 1);
        let names =
            forms.into_iter().map(|form| Name::of(&name(form, KeyId(0)), &name(form, nines)));
        Self { places: Places::Ring(Arc::new(ring), names.collect()), of_command }
    }

    /// The slot of a request by its command and its key's number.
    #[inline]
    #[must_use]
    pub fn of(&self, command: CommandId, key: KeyId) -> SlotId {
        let form = usize::from(self.of_command[command.index()]);
        match &self.places {
            Places::Slots(tables) => tables[form].of(key),
            Places::Ring(ring, names) => server_of(ring, &names[form], key),
        }
    }
}

/// Out of line: hashing is no look-up, and would keep the look-up from being inlined.
#[inline(never)]
fn server_of(ring: &HashRing, Name { before, after }: &Name, key: KeyId) -> SlotId {
    SlotId(ring.server_of_parts([before, &digits(key), after]).0)
}

/// One command for each form that names of keys have, and the form of each command.
fn forms(
    count: usize,
    name: impl Fn(CommandId, KeyId) -> Vec<u8>,
) -> (Vec<CommandId>, [u8; MAX_COMMANDS]) {
    let (mut forms, mut firsts) = (Vec::new(), Vec::new());
    let mut of_command = [0; MAX_COMMANDS];
    for (index, place) in of_command.iter_mut().enumerate().take(count) {
        let command = CommandId(index as u8);
        let first = name(command, KeyId(0));
        let known = firsts.iter().position(|known| *known == first);
        *place = known.unwrap_or_else(|| {
            firsts.push(first);
            forms.push(command);
            forms.len() - 1
        }) as u8;
    }
    (forms, of_command)
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;
    use stallion_resp::encoder::key_text;

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
        assert_eq!(forms(3, name).0.len(), 2);
        for command in (0..3).map(CommandId) {
            assert_eq!(slots.of(command, KeyId(77)), slot_of(&name(command, KeyId(77))));
        }
    }
    #[test]
    fn a_ring_gives_each_request_the_server_of_its_keys_name() {
        use crate::cluster::hash_ring::{DEFAULT_POINTS, Spreading};
        let name = |command: CommandId, key: KeyId| {
            let prefix = ["key:", "key:9:"][command.index()];
            (key_text(prefix, key) + "/x").into_bytes()
        };
        let servers: Vec<String> = (1..5).map(|host| format!("10.0.0.{host}:6379")).collect();
        for spreading in [Spreading::Ketama, Spreading::Modulo] {
            let ring = HashRing::new(spreading, DEFAULT_POINTS, &servers);
            let slots = RequestSlots::of_ring(ring.clone(), 2, name);
            for (command, key) in [(0, 0), (1, 77), (1, 999_999_999_999), (0, 123_456_789_012)] {
                let (command, key) = (CommandId(command), KeyId(key));
                let server = ring.server_of(&name(command, key));
                assert_eq!(slots.of(command, key), SlotId(server.0), "{command:?} {key:?}");
            }
        }
    }
}

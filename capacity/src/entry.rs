//! The bytes that one key with a string value takes, from the structures that hold it.
//!
//! Redis 7.0 (`dict.h`, `object.c`, `sds.h`): an entry of the table (`dictEntry`, three words) and its
//! place in the table (8 bytes; the table is a power of two, 1 to 2 places a key), the name as an sds
//! (1 byte of header below 32 bytes, 3 below 256, 5 below 65 536, and a zero at the end), and the value:
//! up to 44 bytes in one piece with its object of 16 bytes, else an object and an sds. jemalloc rounds
//! each piece up to a class: 16, 32, 48 … 128, then four steps to each power of two. A key that expires
//! stands in a second table, too, with an entry and a place of its own.

/// Bytes of `dictEntry` on 64 bits.
const ENTRY: u64 = 24;
/// Bytes of an object's head.
const OBJECT: u64 = 16;
/// Longest string that lies in one piece with its object.
const EMBEDDED: u64 = 44;
/// Bytes of an sds's header there.
const EMBEDDED_HEADER: u64 = 3;
/// Places in the table for each key: between 1 and 2, on average over all numbers of keys.
const PLACES: f64 = 1.5;
const PLACE: f64 = 8.0;

/// Bytes of one key, its value, and what holds them.
#[must_use]
pub fn bytes(key: u64, value: u64, expires: bool) -> f64 {
    let table = class(ENTRY) as f64 + PLACES * PLACE;
    let value = match value {
        short if short <= EMBEDDED => class(OBJECT + EMBEDDED_HEADER + short + 1),
        long => class(OBJECT) + class(sds(long)),
    };
    let tables = if expires { 2.0 * table } else { table };
    tables + class(sds(key)) as f64 + value as f64
}

/// A string with its header and its zero.
fn sds(length: u64) -> u64 {
    let header = match length {
        0..32 => 1,
        32..256 => 3,
        256..65_536 => 5,
        _ => 9,
    };
    header + length + 1
}

/// The size that the allocator gives.
fn class(bytes: u64) -> u64 {
    if bytes <= 128 {
        return bytes.max(1).next_multiple_of(16);
    }
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_allocator() {
        let all = [(1, 16), (16, 16), (17, 32), (104, 112), (129, 160), (161, 192), (257, 320)];
        for (bytes, size) in all {
            assert_eq!(class(bytes), size, "{bytes}");
        }
        assert_eq!([class(1_000), class(1_025), class(4_102)], [1_024, 1_280, 5_120]);
    }

    #[test]
    fn an_entry_has_its_parts() {
        // 32 entry, 12 place, 32 name of 16, 16 + 112 value of 100.
        assert_eq!(bytes(16, 100, false), 204.0);
        assert_eq!(bytes(16, 100, true), 204.0 + 44.0);
        assert_eq!(bytes(10, 20, false), 32.0 + 12.0 + 16.0 + 48.0);
        assert_eq!(bytes(10, 29, false), 32.0 + 12.0 + 16.0 + 64.0);
    }
}

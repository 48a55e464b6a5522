//! The trace file, binary-safe and compact.
//!
//! ```text
//! file    = "STALTRC1" unix_us:u64le record*
//! record  = delta_us database count { length byte* }*count
//! ```
//!
//! All numbers of a record are LEB128 (seven bits a byte, the lowest first): `delta_us` is the time
//! since the record before it (or since `unix_us`) in microseconds, which is MONITOR's resolution;
//! `count` is the number of words, and each word is its length and its bytes. A file that ends within
//! a record was cut off there; what is before is whole.

use std::io::{self, Write};

/// The first bytes of every trace file.
pub const MAGIC: &[u8; 8] = b"STALTRC1";

/// Bytes of the file's head.
pub const HEAD_BYTES: usize = 16;

/// One recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// When, in microseconds since the epoch.
    pub unix_us: u64,
    /// In which database.
    pub database: u64,
    /// Its words.
    pub words: Vec<&'a [u8]>,
}

/// Writes a trace file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    last_us: u64,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file whose times count from `unix_us`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(mut out: W, unix_us: u64) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&unix_us.to_le_bytes())?;
        Ok(Self { out, last_us: unix_us, bytes: HEAD_BYTES as u64 })
    }

    /// Appends a request; one that comes before the last in time is given the last one's.
    ///
    /// # Errors
    /// The system's.
    pub fn append(&mut self, unix_us: u64, database: u64, words: &[Vec<u8>]) -> io::Result<()> {
        let mut head = Vec::with_capacity(32);
        put(&mut head, unix_us.saturating_sub(self.last_us));
        put(&mut head, database);
        put(&mut head, words.len() as u64);
        self.last_us = self.last_us.max(unix_us);
        for word in words {
            put(&mut head, word.len() as u64);
            head.extend_from_slice(word);
        }
        self.bytes += head.len() as u64;
        self.out.write_all(&head)
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands everything to the system, and gives back what is written to.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads a trace file's requests. After the last one [`Reader::is_cut`] says whether it was whole.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    last_us: u64,
}

impl<'a> Reader<'a> {
    /// Over a file's bytes; none when it is no trace file.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (time, rest) = rest.split_first_chunk()?;
        Some(Self { rest, last_us: u64::from_le_bytes(*time) })
    }

    /// Whether bytes are left that are no whole request.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Request<'a>;

    fn next(&mut self) -> Option<Request<'a>> {
        let mut rest = self.rest;
        let unix_us = self.last_us.saturating_add(take(&mut rest)?);
        let (database, count) = (take(&mut rest)?, take(&mut rest)?);
        // Each word takes a byte or more: a count beyond that is damage, not a reason to allocate.
        let count = usize::try_from(count).ok().filter(|count| *count <= rest.len())?;
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::try_from(take(&mut rest)?).ok()?;
            let (word, behind) = rest.split_at_checked(length)?;
            words.push(word);
            rest = behind;
        }
        (self.rest, self.last_us) = (rest, unix_us);
        Some(Request { unix_us, database, words })
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_is_told(
            requests in proptest::collection::vec(
                (0_u64..1 << 40, 0_u64..16, proptest::collection::vec(
                    proptest::collection::vec(any::<u8>(), 0..200), 1..5)), 0..20),
            cut: proptest::sample::Index,
        ) {
            let mut writer = Writer::new(Vec::new(), 1_000).unwrap();
            let mut now = 1_000;
            for (gap, database, words) in &requests {
                now += gap;
                writer.append(now, *database, words).unwrap();
            }
            let bytes = writer.bytes();
            let file = writer.finish().unwrap();
            assert_eq!(file.len() as u64, bytes);
            let mut reader = Reader::new(&file).unwrap();
            let read: Vec<Request<'_>> = reader.by_ref().collect();
            assert!(!reader.is_cut());
            assert_eq!(read.len(), requests.len());
            for (found, (_, database, words)) in read.iter().zip(&requests) {
                assert_eq!((found.database, &found.words), (*database, &words.iter().map(Vec::as_slice).collect()));
            }
            assert_eq!(read.last().map_or(1_000, |last| last.unix_us), now);
            let end = cut.index(file.len() + 1).max(HEAD_BYTES);
            let mut reader = Reader::new(&file[..end]).unwrap();
            let some: Vec<Request<'_>> = reader.by_ref().collect();
            assert_eq!(some, read[..some.len()]);
        }

        #[test]
        fn damage_is_no_panic(bytes: Vec<u8>) {
            let file = [MAGIC.as_slice(), &[0; 8], &bytes].concat();
            let _ = Reader::new(&file).unwrap().count();
        }
    }
}

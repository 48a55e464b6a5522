//! Bytes from the first one that is not acknowledged to the last one that was given to be sent.

use crate::limits::SEND_BUFFER;
use crate::seq::Seq;

const _: () = assert!(SEND_BUFFER.is_power_of_two());

/// A ring of bytes, addressed by their sequence numbers.
#[derive(Debug)]
pub struct SendBuffer {
    bytes: Box<[u8]>,
    /// Number of the first byte.
    start: Seq,
    length: usize,
}

impl SendBuffer {
    /// An empty buffer whose first byte will have number `start`.
    #[must_use]
    pub fn new(start: Seq) -> Self {
        Self { bytes: vec![0; SEND_BUFFER].into_boxed_slice(), start, length: 0 }
    }

    /// Empties it; the next byte will have number `start`.
    pub const fn restart(&mut self, start: Seq) {
        (self.start, self.length) = (start, 0);
    }

    /// The number after the last byte.
    #[inline]
    #[must_use]
    pub const fn end(&self) -> Seq {
        Seq(self.start.0.wrapping_add(self.length as u32))
    }

    /// Takes as many bytes as there is room for, and says how many those are.
    pub fn push(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(SEND_BUFFER - self.length);
        let at = place(self.end());
        let first = taken.min(SEND_BUFFER - at);
        self.bytes[at..at + first].copy_from_slice(&data[..first]);
        self.bytes[..taken - first].copy_from_slice(&data[first..taken]);
        self.length += taken;
        taken
    }

    /// Forgets everything before `una`.
    pub fn acknowledge(&mut self, una: Seq) {
        let gone = (una.since(self.start) as usize).min(self.length);
        self.start += gone as u32;
        self.length -= gone;
    }

    /// `length` bytes from number `from` on, in up to two pieces; fewer when there are fewer.
    #[must_use]
    pub fn pieces(&self, from: Seq, length: usize) -> [&[u8]; 2] {
        let skipped = (from.since(self.start) as usize).min(self.length);
        let length = length.min(self.length - skipped);
        let at = place(self.start + skipped as u32);
        let first = length.min(SEND_BUFFER - at);
        [&self.bytes[at..at + first], &self.bytes[..length - first]]
    }
}

/// Where a byte lies.
const fn place(seq: Seq) -> usize {
    seq.0 as usize & (SEND_BUFFER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_by_their_numbers_across_both_wraps() {
        let start = Seq(u32::MAX - 2);
        let mut buffer = SendBuffer::new(start);
        assert_eq!(buffer.push(b"hello world"), 11);
        let [first, second] = buffer.pieces(start + 3, 5);
        assert_eq!([first, second].concat(), b"lo wo");
        buffer.acknowledge(start + 6);
        assert_eq!(buffer.pieces(start + 6, 100).concat(), b"world");
        assert_eq!(buffer.end(), start + 11);
    }

    #[test]
    fn it_takes_what_there_is_room_for() {
        let mut buffer = SendBuffer::new(Seq(9));
        let most = vec![7; SEND_BUFFER - 1];
        assert_eq!(buffer.push(&most), SEND_BUFFER - 1);
        assert_eq!(buffer.push(b"ab"), 1);
        assert_eq!(buffer.push(b"b"), 0);
        buffer.acknowledge(Seq(9) + 5);
        assert_eq!(buffer.push(b"bcdefgh"), 5);
    }
}

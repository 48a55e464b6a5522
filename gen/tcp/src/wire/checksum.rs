//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// A sum that is being made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// The pseudo-header of TCP or ICMPv6 over `length` bytes (RFC 9293, 3.1; RFC 8200, 8.1).
    #[must_use]
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Self {
        let mut sum = Self(u64::from(protocol) + length as u64);
        for address in [source, destination] {
            sum = match address {
                IpAddr::V4(address) => sum.and(&address.octets()),
                IpAddr::V6(address) => sum.and(&address.octets()),
            };
        }
        sum
    }

    /// Adds bytes that begin at an even place.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let words: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        Self(self.0 + words + u64::from(u32::from_be_bytes(last)))
    }

    /// What stands in the header.
    #[must_use]
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// Adds pieces that follow each other and may be of odd length.
#[must_use]
pub fn over(start: Sum, pieces: [&[u8]; 2]) -> Sum {
    let [first, second] = pieces;
    let sum = start.and(first);
    if first.len() % 2 == 0 {
        return sum.and(second);
    }
    // The second piece begins in the low half of a word.
    let (odd, even) = second.split_at(second.len().min(1));
    sum.and(&[0, odd.first().copied().unwrap_or(0)]).and(even)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().and(&bytes).finish(), !0xddf2);
    }

    #[test]
    fn pieces_of_any_length_are_as_their_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for split in 0..bytes.len() {
            let (first, second) = bytes.split_at(split);
            let whole = Sum::default().and(&bytes).finish();
            assert_eq!(over(Sum::default(), [first, second]).finish(), whole, "at {split}");
        }
    }
}

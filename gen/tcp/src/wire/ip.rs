//! IPv4 and IPv6 headers, as far as a TCP client needs them: fragments and extension headers are not
//! taken apart, and are refused by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::ethernet;

/// Protocol number of ICMP.
pub const ICMP: u8 = 1;
/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// Bytes of an IPv4 header without options.
pub const HEADER_V4: usize = 20;
/// Bytes of an IPv6 header.
pub const HEADER_V6: usize = 40;

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Who is meant.
    pub destination: IpAddr,
    /// What the payload is.
    pub protocol: u8,
    /// What is carried.
    pub payload: &'a [u8],
}

/// Why a packet is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too short for what it says, or of an unknown version.
    Malformed,
    /// The header's checksum is wrong.
    Checksum,
    /// A part of a packet: with the segment size that was agreed on there should be none.
    Fragment,
}

/// Reads the payload of an Ethernet frame of kind IPv4 or IPv6.
///
/// # Errors
/// [`Refused`] says why it is not taken.
pub fn parse(kind: u16, bytes: &[u8]) -> Result<Packet<'_>, Refused> {
    match kind {
        ethernet::IPV4 => parse_v4(bytes),
        ethernet::IPV6 => parse_v6(bytes),
        _ => Err(Refused::Malformed),
    }
}

fn parse_v4(bytes: &[u8]) -> Result<Packet<'_>, Refused> {
    let header: &[u8; HEADER_V4] = bytes.first_chunk().ok_or(Refused::Malformed)?;
    let length = usize::from(header[0] & 0xf) * 4;
    let whole = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || length < HEADER_V4 || whole < length || whole > bytes.len() {
        return Err(Refused::Malformed);
    }
    if Sum::default().and(&bytes[..length]).finish() != 0 {
        return Err(Refused::Checksum);
    }
    // All but the flag that forbids fragments: more of them, or an offset.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Refused::Fragment);
    }
    let address = |at: usize| {
        Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
    };
    Ok(Packet {
        source: address(12),
        destination: address(16),
        protocol: header[9],
        payload: &bytes[length..whole],
    })
}

fn parse_v6(bytes: &[u8]) -> Result<Packet<'_>, Refused> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_V6>().ok_or(Refused::Malformed)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || length > rest.len() {
        return Err(Refused::Malformed);
    }
    const FRAGMENT: u8 = 44;
    if header[6] == FRAGMENT {
        return Err(Refused::Fragment);
    }
    let address = |at: usize| {
        let octets: [u8; 16] = std::array::from_fn(|index| header[at + index]);
        Ipv6Addr::from(octets).into()
    };
    Ok(Packet {
        source: address(8),
        destination: address(24),
        protocol: header[6],
        payload: &rest[..length],
    })
}

/// Bytes of the header that [`write`] makes.
#[must_use]
pub const fn header_length(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => HEADER_V4,
        IpAddr::V6(_) => HEADER_V6,
    }
}

/// Writes a header before `length` bytes of payload. Both addresses are of one family; `hops` is the
/// time to live.
pub fn write(
    out: &mut [u8],
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hops: u8,
    length: usize,
) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = &mut out[..HEADER_V4];
            header.fill(0);
            header[0] = 0x45;
            header[2..4].copy_from_slice(&((HEADER_V4 + length) as u16).to_be_bytes());
            // No router may divide it, so that a narrow path tells.
            header[6] = 0x40;
            (header[8], header[9]) = (hops, protocol);
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
            let sum = Sum::default().and(header).finish();
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = &mut out[..HEADER_V6];
            header[..4].copy_from_slice(&[0x60, 0, 0, 0]);
            header[4..6].copy_from_slice(&(length as u16).to_be_bytes());
            (header[6], header[7]) = (protocol, hops);
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
        }
        _ => debug_assert!(false, "addresses of two families: {source} and {destination}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(source: &str, destination: &str) -> Vec<u8> {
        let (source, destination): (IpAddr, IpAddr) =
            (source.parse().unwrap(), destination.parse().unwrap());
        let mut bytes = vec![0; header_length(source)];
        write(&mut bytes, source, destination, TCP, 64, 5);
        bytes.extend_from_slice(b"hello and padding");
        bytes
    }

    #[test]
    fn what_is_written_is_read_and_padding_is_left_out() {
        for (kind, ends) in
            [(ethernet::IPV4, ["10.0.0.1", "10.0.0.2"]), (ethernet::IPV6, ["fd00::1", "fd00::2"])]
        {
            let bytes = written(ends[0], ends[1]);
            let packet = parse(kind, &bytes).unwrap();
            assert_eq!((packet.protocol, packet.payload), (TCP, &b"hello"[..]));
            assert_eq!([packet.source.to_string(), packet.destination.to_string()], ends);
        }
    }

    #[test]
    fn damage_and_fragments_are_told_apart() {
        let whole = written("10.0.0.1", "10.0.0.2");
        let mut damaged = whole.clone();
        damaged[15] ^= 1;
        assert_eq!(parse(ethernet::IPV4, &damaged), Err(Refused::Checksum));
        let mut fragment = whole.clone();
        fragment[6] |= 0x20;
        fragment[10..12].fill(0);
        let sum = Sum::default().and(&fragment[..HEADER_V4]).finish();
        fragment[10..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(parse(ethernet::IPV4, &fragment), Err(Refused::Fragment));
        assert_eq!(parse(ethernet::IPV4, &whole[..22]), Err(Refused::Malformed));
    }
}

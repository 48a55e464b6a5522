//! Which card has an IPv6 address (RFC 4861): solicitations and advertisements.

use std::net::{IpAddr, Ipv6Addr};

use super::checksum::Sum;
use super::ethernet::Mac;
use super::ip;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options: the sender's card, and the target's.
const SOURCE_CARD: u8 = 1;
const TARGET_CARD: u8 = 2;
/// Flags of an advertisement: solicited, and override.
const ANSWERED: u8 = 0x60;

/// Bytes of a message with the one option that is used.
pub const LENGTH: usize = 32;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Who has this address? With the asking card, if it says so.
    Solicitation(Ipv6Addr, Option<Mac>),
    /// This card has this address.
    Advertisement(Ipv6Addr, Mac),
}

/// Reads a message; none for others, and for those from another network.
#[must_use]
pub fn parse(packet: &ip::Packet<'_>) -> Option<Neighbour> {
    let (from, to, length) = (packet.source, packet.destination, packet.payload.len());
    let sum = Sum::pseudo_header(from, to, ip::ICMPV6, length).and(packet.payload).finish();
    if packet.protocol != ip::ICMPV6 || sum != 0 {
        return None;
    }
    let (header, options) = packet.payload.split_first_chunk::<24>()?;
    let address: [u8; 16] = *header[8..].first_chunk()?;
    let address = Ipv6Addr::from(address);
    match (header[0], header[1]) {
        (SOLICITATION, 0) => Some(Neighbour::Solicitation(address, card(options, SOURCE_CARD))),
        (ADVERTISEMENT, 0) => Some(Neighbour::Advertisement(address, card(options, TARGET_CARD)?)),
        _ => None,
    }
}

/// The card that an option names.
fn card(mut options: &[u8], kind: u8) -> Option<Mac> {
    // A length of zero would have no end.
    while let [found, eights, ..] = options
        && *eights > 0
    {
        let length = usize::from(*eights) * 8;
        let option = options.get(..length)?;
        if *found == kind {
            return option[2..].first_chunk().copied().map(Mac);
        }
        options = &options[length..];
    }
    None
}

/// Writes a message from `source` to `destination`; `card` is the sender's.
#[must_use]
pub fn write(
    message: Neighbour,
    card: Mac,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (kind, address, option) = match message {
        Neighbour::Solicitation(address, _) => (SOLICITATION, address, SOURCE_CARD),
        Neighbour::Advertisement(address, _) => (ADVERTISEMENT, address, TARGET_CARD),
    };
    bytes[0] = kind;
    if kind == ADVERTISEMENT {
        bytes[4] = ANSWERED;
    }
    bytes[8..24].copy_from_slice(&address.octets());
    (bytes[24], bytes[25]) = (option, 1);
    bytes[26..].copy_from_slice(&card.0);
    let ends = (IpAddr::V6(source), IpAddr::V6(destination));
    let sum = Sum::pseudo_header(ends.0, ends.1, ip::ICMPV6, LENGTH).and(&bytes).finish();
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The group of stations that may have an address, and its card address.
#[must_use]
pub fn solicited_group(address: Ipv6Addr) -> (Ipv6Addr, Mac) {
    let [.., a, b, c] = address.octets();
    let low = (u16::from(b) << 8) | u16::from(c);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low);
    (group, Mac([0x33, 0x33, 0xff, a, b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (ours, theirs): (Ipv6Addr, Ipv6Addr) =
            ("fd00::2".parse().unwrap(), "fd00::3".parse().unwrap());
        let mac = Mac([2, 0, 0, 0, 0, 9]);
        for message in
            [Neighbour::Solicitation(theirs, Some(mac)), Neighbour::Advertisement(theirs, mac)]
        {
            let bytes = write(message, mac, ours, theirs);
            let mut packet = ip::Packet {
                source: ours.into(),
                destination: theirs.into(),
                protocol: ip::ICMPV6,
                payload: &bytes,
            };
            assert_eq!(parse(&packet), Some(message));
            packet.payload = &bytes[..30];
            assert_eq!(parse(&packet), None);
        }
        let (group, card) = solicited_group(theirs);
        assert_eq!(group.to_string(), "ff02::1:ff00:3");
        assert_eq!(card, Mac([0x33, 0x33, 0xff, 0, 0, 3]));
    }
}

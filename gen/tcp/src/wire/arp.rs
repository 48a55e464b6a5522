//! Which card has an IPv4 address (RFC 826).

use std::net::Ipv4Addr;

use super::ethernet::Mac;

/// Bytes of a message.
pub const LENGTH: usize = 28;

/// Ethernet and IPv4, with the lengths of their addresses.
const FIXED: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target's address?
    Request,
    /// The sender has it.
    Reply,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// A question or an answer.
    pub operation: Operation,
    /// Card of the station that speaks.
    pub sender_mac: Mac,
    /// Its address; unspecified in a probe for duplicates (RFC 5227).
    pub sender: Ipv4Addr,
    /// Card of the station that is asked; zero in a question.
    pub target_mac: Mac,
    /// The address in question.
    pub target: Ipv4Addr,
}

/// Reads a message about Ethernet and IPv4.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Arp> {
    let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
    let operation = match (&bytes[..6], bytes[6], bytes[7]) {
        (fixed, 0, 1) if fixed == FIXED => Operation::Request,
        (fixed, 0, 2) if fixed == FIXED => Operation::Reply,
        _ => return None,
    };
    let mac = |at: usize| bytes[at..].first_chunk().copied().map(Mac);
    let address = |at: usize| bytes[at..].first_chunk::<4>().copied().map(Ipv4Addr::from);
    Some(Arp {
        operation,
        sender_mac: mac(8)?,
        sender: address(14)?,
        target_mac: mac(18)?,
        target: address(24)?,
    })
}

/// Writes a message.
#[must_use]
pub fn write(arp: &Arp) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..6].copy_from_slice(&FIXED);
    bytes[7] = match arp.operation {
        Operation::Request => 1,
        Operation::Reply => 2,
    };
    bytes[8..14].copy_from_slice(&arp.sender_mac.0);
    bytes[14..18].copy_from_slice(&arp.sender.octets());
    bytes[18..24].copy_from_slice(&arp.target_mac.0);
    bytes[24..].copy_from_slice(&arp.target.octets());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for operation in [Operation::Request, Operation::Reply] {
            let arp = Arp {
                operation,
                sender_mac: Mac([2; 6]),
                sender: Ipv4Addr::new(10, 0, 0, 2),
                target_mac: Mac([3; 6]),
                target: Ipv4Addr::new(10, 0, 0, 3),
            };
            assert_eq!(parse(&write(&arp)), Some(arp));
        }
        assert_eq!(parse(&[0; LENGTH]), None);
        assert_eq!(parse(&[0; LENGTH - 1]), None);
    }
}

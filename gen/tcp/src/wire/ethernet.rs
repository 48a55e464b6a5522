//! Ethernet frames, with or without a VLAN tag.

/// An address of a network card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a single station.
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0
    }
}

/// IPv4.
pub const IPV4: u16 = 0x0800;
/// Address resolution.
pub const ARP: u16 = 0x0806;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// A VLAN tag follows.
const VLAN: u16 = 0x8100;

/// Bytes before the payload, without a tag and with one.
pub const HEADER: usize = 14;
/// Bytes of a VLAN tag.
pub const TAG: usize = 4;

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who is meant.
    pub destination: Mac,
    /// Who sent it.
    pub source: Mac,
    /// Number of the VLAN; none without a tag.
    pub vlan: Option<u16>,
    /// What the payload is.
    pub kind: u16,
    /// What is carried.
    pub payload: &'a [u8],
}

/// Reads a frame; none when it is too short.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let (destination, rest) = bytes.split_first_chunk::<6>()?;
    let (source, rest) = rest.split_first_chunk::<6>()?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let (mut kind, mut payload) = (u16::from_be_bytes(*kind), rest);
    let mut vlan = None;
    if kind == VLAN {
        let (tag, rest) = payload.split_first_chunk::<2>()?;
        let (inner, rest) = rest.split_first_chunk::<2>()?;
        vlan = Some(u16::from_be_bytes(*tag) & 0x0fff);
        (kind, payload) = (u16::from_be_bytes(*inner), rest);
    }
    Some(Frame { destination: Mac(*destination), source: Mac(*source), vlan, kind, payload })
}

/// Writes a header, and gives its length. `out` has room for [`HEADER`] and [`TAG`].
pub fn write(out: &mut [u8], to: Mac, from: Mac, vlan: Option<u16>, kind: u16) -> usize {
    out[..6].copy_from_slice(&to.0);
    out[6..12].copy_from_slice(&from.0);
    let Some(vlan) = vlan else {
        out[12..14].copy_from_slice(&kind.to_be_bytes());
        return HEADER;
    };
    out[12..14].copy_from_slice(&VLAN.to_be_bytes());
    out[14..16].copy_from_slice(&vlan.to_be_bytes());
    out[16..18].copy_from_slice(&kind.to_be_bytes());
    HEADER + TAG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for vlan in [None, Some(7)] {
            let mut bytes = [0; 20];
            let length = write(&mut bytes, Mac::BROADCAST, Mac([2; 6]), vlan, ARP);
            let frame = parse(&bytes).unwrap();
            assert_eq!((frame.destination, frame.source), (Mac::BROADCAST, Mac([2; 6])));
            assert_eq!((frame.vlan, frame.kind, frame.payload.len()), (vlan, ARP, 20 - length));
            assert!(parse(&bytes[..13]).is_none());
        }
    }
}

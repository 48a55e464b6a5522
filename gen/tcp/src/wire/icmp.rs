//! What routers say of a path that is too narrow (RFC 792, RFC 1191, RFC 4443).

use std::net::IpAddr;

use super::checksum::Sum;
use super::ip;
use crate::seq::Seq;

/// A packet of ours was too big for some link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooBig {
    /// The largest packet that passes, its IP header included; 0 when an old router does not say.
    pub mtu: u32,
    /// Whom the packet was for.
    pub destination: IpAddr,
    /// Its ports, ours first.
    pub ports: (u16, u16),
    /// Its sequence number: what was never sent is not believed (RFC 5927).
    pub seq: Seq,
}

/// Reads an ICMP message that says so; none for all others.
#[must_use]
pub fn parse_too_big(packet: &ip::Packet<'_>) -> Option<TooBig> {
    let (header, quoted) = packet.payload.split_first_chunk::<8>()?;
    let (mtu, destination, segment) = match packet.protocol {
        ip::ICMP if header[..2] == [3, 4] => {
            let sum = Sum::default().and(packet.payload).finish();
            let mtu = u32::from(u16::from_be_bytes([header[6], header[7]]));
            let length = usize::from(quoted.first()? & 0xf) * 4;
            let destination: [u8; 4] = *quoted.get(16..)?.first_chunk()?;
            let is_tcp = *quoted.get(9)? == ip::TCP;
            (sum == 0 && is_tcp).then_some((mtu, destination.into(), quoted.get(length..)?))?
        }
        ip::ICMPV6 if header[..2] == [2, 0] => {
            let length = packet.payload.len();
            let (from, to) = (packet.source, packet.destination);
            let sum = Sum::pseudo_header(from, to, ip::ICMPV6, length).and(packet.payload).finish();
            let mtu = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let destination: [u8; 16] = *quoted.get(24..)?.first_chunk()?;
            let is_tcp = *quoted.get(6)? == ip::TCP;
            let segment = quoted.get(ip::HEADER_V6..)?;
            (sum == 0 && is_tcp).then_some((mtu, destination.into(), segment))?
        }
        _ => return None,
    };
    let start: &[u8; 8] = segment.first_chunk()?;
    Some(TooBig {
        mtu,
        destination,
        ports: (u16::from_be_bytes([start[0], start[1]]), u16::from_be_bytes([start[2], start[3]])),
        seq: Seq(u32::from_be_bytes([start[4], start[5], start[6], start[7]])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ethernet;

    #[test]
    fn a_router_names_the_connection_and_the_size() {
        let (ours, theirs): (IpAddr, IpAddr) =
            ("10.0.0.2".parse().unwrap(), "10.9.0.1".parse().unwrap());
        let mut quoted = vec![0; 28];
        ip::write(&mut quoted, ours, theirs, ip::TCP, 64, 8);
        quoted[20..].copy_from_slice(&[0x9c, 0x40, 0x18, 0xeb, 0, 0, 1, 2]);
        let mut message = vec![3, 4, 0, 0, 0, 0, 0x05, 0x14];
        message.extend_from_slice(&quoted);
        let sum = Sum::default().and(&message).finish();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut bytes = vec![0; 20];
        ip::write(&mut bytes, "10.0.0.1".parse().unwrap(), ours, ip::ICMP, 64, message.len());
        bytes.extend_from_slice(&message);
        let packet = ip::parse(ethernet::IPV4, &bytes).unwrap();
        let told = parse_too_big(&packet).unwrap();
        assert_eq!((told.mtu, told.destination), (1_300, theirs));
        assert_eq!((told.ports, told.seq), ((40_000, 6_379), Seq(258)));
        let cut = ip::Packet { payload: &packet.payload[..20], ..packet };
        assert_eq!(parse_too_big(&cut), None);
    }
}

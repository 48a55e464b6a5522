//! TCP segments (RFC 9293), with the options of RFC 7323 (window scale, timestamps) and RFC 2018
//! (selective acknowledgements).

use std::net::IpAddr;

use super::checksum::{self, Sum};
use super::ip;
use crate::seq::Seq;

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Bytes of the longest header.
pub const MAX_HEADER: usize = 60;
/// Stretches in one acknowledgement: beside a timestamp there is room for three.
pub const MAX_SACKS: usize = 3;

/// The control bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Self = Self(1);
    /// The first segment of a connection.
    pub const SYN: Self = Self(2);
    /// The connection is no more.
    pub const RST: Self = Self(4);
    /// To be handed on at once.
    pub const PSH: Self = Self(8);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(16);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The sender's clock, and what it heard of the other's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The newest clock of the other side that it has seen.
    pub echo: u32,
}

/// The options of a segment that are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The largest segment that the sender takes; of a SYN.
    pub mss: Option<u16>,
    /// The shift of its window field; of a SYN.
    pub window_shift: Option<u8>,
    /// It understands selective acknowledgements; of a SYN.
    pub may_sack: bool,
    /// Its clock.
    pub timestamps: Option<Timestamps>,
    /// What it has beyond the acknowledgement number; the first `sack_count` count.
    pub sacks: [(Seq, Seq); MAX_SACKS],
    /// How many those are.
    pub sack_count: usize,
}

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Number of the first byte.
    pub seq: Seq,
    /// Number of the next byte that the sender expects.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// The window, not shifted.
    pub window: u16,
    /// The options.
    pub options: Options,
    /// The data.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// Numbers that it takes: its data, and one each for SYN and FIN.
    #[must_use]
    pub fn length(&self) -> u32 {
        let control = u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN));
        self.payload.len() as u32 + control
    }
}

/// Whether the checksum of a segment was made by software that is trusted (or not made at all: two
/// hosts on one machine leave it to a card that is not there).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// They are checked.
    Check,
    /// They are not.
    Trust,
}

/// Reads a segment; none when it is malformed or damaged.
#[must_use]
pub fn parse<'a>(packet: &ip::Packet<'a>, checksums: Checksums) -> Option<Segment<'a>> {
    let bytes = packet.payload;
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let length = usize::from(header[12] >> 4) * 4;
    if length < HEADER || length > bytes.len() {
        return None;
    }
    if checksums == Checksums::Check {
        let (from, to) = (packet.source, packet.destination);
        if Sum::pseudo_header(from, to, ip::TCP, bytes.len()).and(bytes).finish() != 0 {
            return None;
        }
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    Some(Segment {
        source: half(0),
        destination: half(2),
        seq: Seq(word(4)),
        ack: Seq(word(8)),
        flags: Flags(header[13]),
        window: half(14),
        options: options(&bytes[HEADER..length]),
        payload: &bytes[length..],
    })
}

/// Reads options; what is not understood is passed over, and what is cut off ends them.
fn options(mut bytes: &[u8]) -> Options {
    let mut found = Options::default();
    while let [kind, rest @ ..] = bytes {
        if *kind == 0 {
            break;
        }
        if *kind == 1 {
            bytes = rest;
            continue;
        }
        let Some(length) = rest.first().map(|length| usize::from(*length)) else { break };
        let Some(body) = (length >= 2).then(|| bytes.get(2..length)).flatten() else { break };
        match (*kind, body) {
            (2, &[high, low]) => found.mss = Some(u16::from_be_bytes([high, low])),
            // A larger shift is used as 14 (RFC 7323, 2.3).
            (3, &[shift]) => found.window_shift = Some(shift.min(14)),
            (4, []) => found.may_sack = true,
            (5, _) => sacks(body, &mut found),
            (8, &[a, b, c, d, e, f, g, h]) => {
                found.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
            }
            _ => {}
        }
        bytes = &bytes[length..];
    }
    found
}

fn sacks(body: &[u8], found: &mut Options) {
    let (stretches, _) = body.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in stretches.iter().take(MAX_SACKS) {
        let (from, to) =
            (Seq(u32::from_be_bytes([a, b, c, d])), Seq(u32::from_be_bytes([e, f, g, h])));
        found.sacks[found.sack_count.min(MAX_SACKS - 1)] = (from, to);
        found.sack_count = (found.sack_count + 1).min(MAX_SACKS);
    }
}

/// Writes the header of a segment whose data is `pieces`, and gives its length. `out` has room for
/// [`MAX_HEADER`]. The checksum is left out when the card makes it.
pub fn write(
    out: &mut [u8],
    segment: &Segment<'_>,
    pieces: [&[u8]; 2],
    ends: Option<(IpAddr, IpAddr)>,
) -> usize {
    let mut at = HEADER;
    let options = &segment.options;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    if let Some(mss) = options.mss {
        let [high, low] = mss.to_be_bytes();
        put(&[2, 4, high, low]);
    }
    if let Some(shift) = options.window_shift {
        put(&[1, 3, 3, shift]);
    }
    if options.may_sack {
        put(&[1, 1, 4, 2]);
    }
    if let Some(Timestamps { value, echo }) = options.timestamps {
        put(&[1, 1, 8, 10]);
        put(&value.to_be_bytes());
        put(&echo.to_be_bytes());
    }
    if options.sack_count > 0 {
        put(&[1, 1, 5, 2 + 8 * options.sack_count as u8]);
        for (from, to) in &options.sacks[..options.sack_count] {
            put(&from.0.to_be_bytes());
            put(&to.0.to_be_bytes());
        }
    }
    let header = &mut out[..at];
    header[..2].copy_from_slice(&segment.source.to_be_bytes());
    header[2..4].copy_from_slice(&segment.destination.to_be_bytes());
    header[4..8].copy_from_slice(&segment.seq.0.to_be_bytes());
    header[8..12].copy_from_slice(&segment.ack.0.to_be_bytes());
    (header[12], header[13]) = ((at as u8 / 4) << 4, segment.flags.0);
    header[14..16].copy_from_slice(&segment.window.to_be_bytes());
    header[16..20].fill(0);
    if let Some((source, destination)) = ends {
        let length = at + pieces[0].len() + pieces[1].len();
        let start = Sum::pseudo_header(source, destination, ip::TCP, length).and(header);
        let sum = checksum::over(start, pieces).finish();
        header[16..18].copy_from_slice(&sum.to_be_bytes());
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (IpAddr, IpAddr) {
        ("10.0.0.2".parse().unwrap(), "10.0.0.3".parse().unwrap())
    }

    fn segment() -> Segment<'static> {
        Segment {
            source: 40_000,
            destination: 6_379,
            seq: Seq(u32::MAX),
            ack: Seq(7),
            flags: Flags::ACK.and(Flags::PSH),
            window: 500,
            options: Options::default(),
            payload: b"",
        }
    }

    fn written(segment: &Segment<'_>, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MAX_HEADER];
        let (first, second) = data.split_at(data.len() / 2);
        let length = write(&mut bytes, segment, [first, second], Some(ends()));
        bytes.truncate(length);
        bytes.extend_from_slice(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Segment<'_>> {
        let (source, destination) = ends();
        let packet = ip::Packet { source, destination, protocol: ip::TCP, payload: bytes };
        parse(&packet, Checksums::Check)
    }

    #[test]
    fn what_is_written_is_read() {
        let syn = Options {
            mss: Some(1_460),
            window_shift: Some(7),
            may_sack: true,
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            ..Options::default()
        };
        let mut sacks = Options { timestamps: syn.timestamps, sack_count: 3, ..Options::default() };
        sacks.sacks = [(Seq(1), Seq(2)), (Seq(3), Seq(4)), (Seq(5), Seq(6))];
        for options in [Options::default(), syn, sacks] {
            let segment = Segment { options, ..segment() };
            let bytes = written(&segment, b"PING\r\n-");
            assert_eq!(read(&bytes), Some(Segment { payload: b"PING\r\n-", ..segment }));
        }
    }

    #[test]
    fn damage_is_found_and_nonsense_is_passed_over() {
        let mut bytes = written(&segment(), b"data");
        bytes[21] ^= 4;
        assert_eq!(read(&bytes), None);
        assert_eq!(
            options(&[1, 1, 99, 4, 0, 0, 4, 2]),
            Options { may_sack: true, ..Options::default() }
        );
        for cut in [&[2_u8][..], &[2, 0], &[8, 10, 1], &[5, 9, 1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(options(cut), Options::default());
        }
    }
}

//! A station of a network: its addresses, its neighbours' cards, and the frames around segments.

mod neighbours;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::connection::Wire;
use crate::wire::arp::{self, Arp, Operation};
use crate::wire::ethernet::{self, Mac};
use crate::wire::icmp::{self, TooBig};
use crate::wire::neighbour::{self, Neighbour};
use crate::wire::segment::{self, Checksums, Segment};
use crate::wire::{ethernet::Frame, ip};

use neighbours::Neighbours;

/// Time to live of what is sent.
const HOPS: u8 = 64;
/// Neighbour discovery is not routed: its messages must not have passed a router.
const HOPS_ON_LINK: u8 = 255;

/// Bytes of headers before a segment's options, at most: Ethernet with a VLAN, and IPv6.
pub const HEADERS: usize = ethernet::HEADER + ethernet::TAG + ip::HEADER_V6;

/// Frames to be filled and sent.
pub trait Frames {
    /// An empty frame, with room for the largest packet; none when all are in use.
    fn frame(&mut self) -> Option<&mut [u8]>;

    /// Sends the first bytes of the frame that was given last.
    fn send(&mut self, length: usize);
}

/// What a station is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Its card.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
    /// Bits of the address that name its network: other addresses are reached by the gateway.
    pub prefix: u8,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// Number of its VLAN.
    pub vlan: Option<u16>,
    /// Whether arriving checksums are looked at.
    pub received: Checksums,
    /// Whether the card makes the checksums of what is sent.
    pub card_makes_checksums: bool,
}

/// What a frame brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// A segment from an address, for a port of ours.
    Segment(IpAddr, Segment<'a>),
    /// A path is too narrow.
    TooBig(TooBig),
    /// A station said that it has our address.
    Duplicate(Mac),
    /// Something about neighbours, which is done with.
    Neighbour,
    /// Nothing for us.
    Other,
    /// It is damaged, a fragment, or malformed.
    Refused,
}

/// A station.
#[derive(Debug)]
pub struct Station {
    settings: Settings,
    neighbours: Neighbours,
}

impl Station {
    /// A station that knows no neighbour.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, neighbours: Neighbours::default() }
    }

    /// What it is.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes in a frame. Questions of neighbours are answered by `frames`.
    pub fn receive<'a>(
        &mut self,
        bytes: &'a [u8],
        now_ns: u64,
        frames: &mut impl Frames,
    ) -> Received<'a> {
        let Some(frame) = ethernet::parse(bytes) else { return Received::Refused };
        let is_for_us = frame.destination == self.settings.mac || !frame.destination.is_unicast();
        if frame.vlan != self.settings.vlan || !is_for_us {
            return Received::Other;
        }
        match frame.kind {
            ethernet::ARP => self.on_arp(&frame, now_ns, frames),
            ethernet::IPV4 | ethernet::IPV6 => self.on_packet(&frame, now_ns, frames),
            _ => Received::Other,
        }
    }

    fn on_packet<'a>(
        &mut self,
        frame: &Frame<'a>,
        now_ns: u64,
        frames: &mut impl Frames,
    ) -> Received<'a> {
        let packet = match ip::parse(frame.kind, frame.payload) {
            Ok(packet) => packet,
            Err(_) => return Received::Refused,
        };
        if packet.protocol == ip::ICMPV6
            && let Some(message) = neighbour::parse(&packet)
        {
            return self.on_neighbour(message, &packet, now_ns, frames);
        }
        if packet.destination != self.settings.address {
            return Received::Other;
        }
        if packet.protocol == ip::TCP {
            return match segment::parse(&packet, self.settings.received) {
                Some(segment) => Received::Segment(packet.source, segment),
                None => Received::Refused,
            };
        }
        icmp::parse_too_big(&packet).map_or(Received::Other, Received::TooBig)
    }

    fn on_arp(
        &mut self,
        frame: &Frame<'_>,
        now_ns: u64,
        frames: &mut impl Frames,
    ) -> Received<'static> {
        let (Some(arp), IpAddr::V4(ours)) = (arp::parse(frame.payload), self.settings.address)
        else {
            return Received::Other;
        };
        if arp.sender_mac == self.settings.mac {
            return Received::Other;
        }
        // A probe for duplicates has no sender, and asks for the address that it wants.
        let probes = arp.sender.is_unspecified() && arp.target == ours;
        if arp.sender == ours || probes && arp.operation == Operation::Request {
            return Received::Duplicate(arp.sender_mac);
        }
        if arp.target != ours {
            return Received::Other;
        }
        self.neighbours.learn(arp.sender.into(), arp.sender_mac, now_ns);
        if arp.operation == Operation::Request {
            let answer = Arp {
                operation: Operation::Reply,
                sender_mac: self.settings.mac,
                sender: ours,
                target_mac: arp.sender_mac,
                target: arp.sender,
            };
            self.send_arp(&answer, arp.sender_mac, frames);
        }
        Received::Neighbour
    }

    fn on_neighbour(
        &mut self,
        message: Neighbour,
        packet: &ip::Packet<'_>,
        now_ns: u64,
        frames: &mut impl Frames,
    ) -> Received<'static> {
        let (IpAddr::V6(ours), IpAddr::V6(source)) = (self.settings.address, packet.source) else {
            return Received::Other;
        };
        match message {
            Neighbour::Solicitation(address, card) if address == ours => {
                let Some(card) = card else {
                    // Without a sender it is a probe for duplicates (RFC 4862, 5.4).
                    return Received::Duplicate(Mac::default());
                };
                self.neighbours.learn(source.into(), card, now_ns);
                let answer = Neighbour::Advertisement(ours, self.settings.mac);
                self.send_neighbour(answer, source, card, frames);
            }
            Neighbour::Advertisement(address, card) if address == ours => {
                return Received::Duplicate(card);
            }
            Neighbour::Advertisement(address, card) => {
                self.neighbours.learn(address.into(), card, now_ns);
            }
            Neighbour::Solicitation(..) => return Received::Other,
        }
        Received::Neighbour
    }

    /// The card by which an address is reached. While it is not known, the neighbour is asked, now and
    /// then, and there is none.
    pub fn card_of(
        &mut self,
        address: IpAddr,
        now_ns: u64,
        frames: &mut impl Frames,
    ) -> Option<Mac> {
        let hop = self.next_hop(address)?;
        let known = self.neighbours.look_up(hop, now_ns);
        if known.is_to_be_asked {
            self.ask(hop, frames);
        }
        known.card
    }

    /// Whom frames for an address go to; none when there is no way.
    fn next_hop(&self, address: IpAddr) -> Option<IpAddr> {
        let same = share_prefix(address, self.settings.address, self.settings.prefix);
        if same { Some(address) } else { self.settings.gateway }
    }

    /// Asks who has an address.
    fn ask(&self, address: IpAddr, frames: &mut impl Frames) {
        match (self.settings.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                self.send_arp(&self.question(ours, theirs), Mac::BROADCAST, frames);
            }
            (IpAddr::V6(_), IpAddr::V6(theirs)) => {
                let (group, card) = neighbour::solicited_group(theirs);
                let message = Neighbour::Solicitation(theirs, Some(self.settings.mac));
                self.send_neighbour(message, group, card, frames);
            }
            _ => {}
        }
    }

    /// Asks whether another station has our address: it is not used before one knows (RFC 5227).
    pub fn probe_for_duplicates(&self, frames: &mut impl Frames) {
        match self.settings.address {
            IpAddr::V4(ours) => {
                let probe = self.question(Ipv4Addr::UNSPECIFIED, ours);
                self.send_arp(&probe, Mac::BROADCAST, frames);
            }
            IpAddr::V6(ours) => self.ask(ours.into(), frames),
        }
    }

    fn question(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Arp {
        let (operation, target_mac) = (Operation::Request, Mac::default());
        Arp { operation, sender_mac: self.settings.mac, sender, target_mac, target }
    }

    fn send_arp(&self, arp: &Arp, to: Mac, frames: &mut impl Frames) {
        let Some(out) = frames.frame() else { return };
        let at = ethernet::write(out, to, self.settings.mac, self.settings.vlan, ethernet::ARP);
        out[at..at + arp::LENGTH].copy_from_slice(&arp::write(arp));
        frames.send(at + arp::LENGTH);
    }

    fn send_neighbour(
        &self,
        message: Neighbour,
        to: Ipv6Addr,
        card: Mac,
        frames: &mut impl Frames,
    ) {
        let IpAddr::V6(ours) = self.settings.address else { return };
        let Some(out) = frames.frame() else { return };
        let body = neighbour::write(message, self.settings.mac, ours, to);
        let at = ethernet::write(out, card, self.settings.mac, self.settings.vlan, ethernet::IPV6);
        let ends = (ours.into(), to.into());
        ip::write(&mut out[at..], ends.0, ends.1, ip::ICMPV6, HOPS_ON_LINK, body.len());
        let at = at + ip::HEADER_V6;
        out[at..at + body.len()].copy_from_slice(&body);
        frames.send(at + body.len());
    }

    /// The way to a server whose card is known.
    pub fn wire<'a, F: Frames>(
        &'a self,
        server: IpAddr,
        card: Mac,
        frames: &'a mut F,
    ) -> StationWire<'a, F> {
        StationWire { settings: &self.settings, server, card, frames }
    }
}

/// The way of segments to one server.
#[derive(Debug)]
pub struct StationWire<'a, F: Frames> {
    settings: &'a Settings,
    server: IpAddr,
    card: Mac,
    frames: &'a mut F,
}

impl<F: Frames> Wire for StationWire<'_, F> {
    #[inline]
    fn send(&mut self, segment: &Segment<'_>, pieces: [&[u8]; 2]) -> bool {
        let Settings { mac, address, vlan, card_makes_checksums, .. } = *self.settings;
        let Some(out) = self.frames.frame() else { return false };
        let kind = if address.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
        let network = ethernet::write(out, self.card, mac, vlan, kind);
        let transport = network + ip::header_length(address);
        let ends = (!card_makes_checksums).then_some((address, self.server));
        let header = segment::write(&mut out[transport..], segment, pieces, ends);
        let mut at = transport + header;
        for piece in pieces {
            out[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        let length = at - transport;
        ip::write(&mut out[network..], address, self.server, ip::TCP, HOPS, length);
        self.frames.send(at);
        true
    }
}

/// Whether two addresses are of one network.
fn share_prefix(left: IpAddr, right: IpAddr, bits: u8) -> bool {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            let differ = left.to_bits() ^ right.to_bits();
            differ.leading_zeros() >= u32::from(bits.min(32))
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => {
            let differ = left.to_bits() ^ right.to_bits();
            differ.leading_zeros() >= u32::from(bits.min(128))
        }
        _ => false,
    }
}

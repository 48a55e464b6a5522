//! Our side: connections that write random bytes, and hold what comes back against them.

use std::net::IpAddr;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_tcp::congestion::Policy;
use stallion_tcp::connection::{Connection, Counters, Event, NEVER, Settings, State};
use stallion_tcp::seq::Seq;
use stallion_tcp::station::{self, Frames, Received, Station};
use stallion_tcp::wire::ethernet::Mac;
use stallion_tcp::wire::segment::Checksums;

use crate::server::PORT;

#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub sent: Vec<Vec<u8>>,
    open: Option<Box<[u8]>>,
}

impl Frames for Sent {
    fn frame(&mut self) -> Option<&mut [u8]> {
        Some(self.open.insert(vec![0; 1_600].into_boxed_slice()))
    }

    fn send(&mut self, length: usize) {
        let mut frame = self.open.take().unwrap().into_vec();
        frame.truncate(length);
        self.sent.push(frame);
    }
}

#[derive(Debug)]
struct Stream {
    connection: Connection,
    data: Vec<u8>,
    written: usize,
    got: usize,
    is_begun: bool,
    is_closed: bool,
    has_ended: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    station: Station,
    server: IpAddr,
    streams: Vec<Stream>,
    pub frames: Sent,
    random: Xoshiro256PlusPlus,
    pub failed: usize,
    /// Of the failed ones, those of which no SYN was ever answered.
    pub never_opened: usize,
    asks_at: u64,
}

impl Client {
    pub(crate) fn new(
        [ours, theirs]: [IpAddr; 2],
        connections: usize,
        bytes: usize,
        seed: u64,
    ) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(!seed);
        let settings = station::Settings {
            mac: Mac([2, 0, 0, 0, 0, 2]),
            address: ours,
            prefix: if ours.is_ipv4() { 24 } else { 64 },
            gateway: None,
            vlan: None,
            received: Checksums::Check,
            card_makes_checksums: false,
        };
        let mss = if ours.is_ipv4() { 1_460 } else { 1_440 };
        let streams = (0..connections).map(|index| Stream {
            connection: Connection::new(Settings {
                source: 0,
                destination: PORT + index as u16,
                mss,
                policy: Policy::NewReno,
            }),
            data: (0..bytes).map(|_| random.random()).collect(),
            written: 0,
            got: 0,
            is_begun: false,
            is_closed: false,
            has_ended: false,
        });
        let streams = streams.collect();
        let frames = Sent::default();
        let station = Station::new(settings);
        Self {
            station,
            server: theirs,
            streams,
            frames,
            random,
            failed: 0,
            never_opened: 0,
            asks_at: 0,
        }
    }

    pub(crate) fn receive(&mut self, frame: &[u8], now_ns: u64) {
        let Received::Segment(from, segment) =
            self.station.receive(frame, now_ns, &mut self.frames)
        else {
            return;
        };
        assert_eq!(from, self.server);
        let Some(card) = self.station.card_of(from, now_ns, &mut self.frames) else { return };
        let of_port = |stream: &&mut Stream| stream.connection.source() == segment.destination;
        let Some(stream) = self.streams.iter_mut().find(of_port) else { return };
        let mut wire = self.station.wire(from, card, &mut self.frames);
        let (data, got) = (&stream.data, &mut stream.got);
        let event = stream.connection.on_segment(&segment, now_ns, &mut wire, |part| {
            assert_eq!(part, &data[*got..*got + part.len()], "at byte {got}");
            *got += part.len();
        });
        match event {
            Some(Event::Failed(_)) => self.failed += 1,
            Some(Event::Ended) => stream.has_ended = true,
            Some(Event::Opened) | None => {}
        }
        stream.connection.flush(now_ns, &mut wire);
    }

    pub(crate) fn act(&mut self, now_ns: u64) {
        self.asks_at = NEVER;
        let Some(card) = self.station.card_of(self.server, now_ns, &mut self.frames) else {
            self.asks_at = now_ns + 100_000_000;
            return;
        };
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let mut wire = self.station.wire(self.server, card, &mut self.frames);
            if !stream.is_begun {
                stream.is_begun = true;
                // Near the wrap as often as not.
                let near = Seq(u32::MAX - self.random.random_range(0..30_000));
                let isn = if self.random.random() { near } else { Seq(self.random.random()) };
                let port = 40_000 + index as u16;
                stream.connection.open(port, isn, now_ns, &mut wire);
            }
            let was_opening = stream.connection.state() == State::SynSent;
            if stream.connection.wakes_at() <= now_ns
                && stream.connection.on_time(now_ns, &mut wire).is_some()
            {
                self.never_opened += usize::from(was_opening);
                self.failed += 1;
            }
            if stream.connection.state() == State::Established {
                let piece = self.random.random_range(1..4_000);
                let end = stream.data.len().min(stream.written + piece);
                stream.written += stream.connection.write(&stream.data[stream.written..end]);
                stream.connection.flush(now_ns, &mut wire);
            }
            if stream.got == stream.data.len() && !stream.is_closed {
                stream.is_closed = true;
                stream.connection.close(now_ns, &mut wire);
            }
        }
    }

    pub(crate) fn wakes_at(&self) -> u64 {
        let timers = self.streams.iter().map(|stream| stream.connection.wakes_at());
        timers.min().unwrap_or(NEVER).min(self.asks_at)
    }

    /// All bytes came back and both sides have closed, or the connection was given up.
    pub(crate) fn is_done(&self) -> bool {
        let over = |stream: &Stream| stream.is_begun && stream.connection.state() == State::Closed;
        let whole = |stream: &Stream| stream.got == stream.data.len() && stream.has_ended;
        self.streams.iter().all(over)
            && self.streams.iter().filter(|stream| !whole(stream)).count() <= self.failed
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = Counters> {
        self.streams.iter().map(|stream| stream.connection.counters())
    }
}

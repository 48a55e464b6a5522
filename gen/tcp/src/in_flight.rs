//! Segments that were sent and are not acknowledged.

use std::collections::VecDeque;

use crate::limits::MAX_IN_FLIGHT;
use crate::seq::Seq;

/// One segment on its way. Its bytes are in the send buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Number of its first byte.
    pub seq: Seq,
    /// Its bytes; a FIN counts as one more.
    pub length: u32,
    /// When it was sent last.
    pub sent_ns: u64,
    /// How often it was sent again.
    pub resent: u32,
    /// The peer has it, and something before it is missing.
    pub is_sacked: bool,
    /// It is taken to be lost and is to be sent again.
    pub is_lost: bool,
    /// It ends the stream.
    pub is_fin: bool,
}

impl Sent {
    /// The number after its last byte.
    #[must_use]
    pub fn end(&self) -> Seq {
        self.seq + self.length
    }
}

/// What acknowledged segments tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Bytes that are acknowledged for the first time.
    pub bytes: u32,
    /// When the latest of them was sent, if it was sent once (Karn's rule).
    pub sent_ns: Option<u64>,
}

/// The segments in the order of their numbers.
#[derive(Debug)]
pub struct InFlight {
    sent: VecDeque<Sent>,
    /// Bytes that are neither acknowledged, nor at the peer, nor lost.
    on_the_way: u32,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { sent: VecDeque::with_capacity(MAX_IN_FLIGHT), on_the_way: 0 }
    }
}

impl InFlight {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.sent.clear();
        self.on_the_way = 0;
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether there is room for another one.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sent.len() < MAX_IN_FLIGHT
    }

    /// Bytes that are neither acknowledged, nor at the peer, nor lost.
    #[inline]
    #[must_use]
    pub const fn on_the_way(&self) -> u32 {
        self.on_the_way
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<&Sent> {
        self.sent.front()
    }

    /// Adds a segment that was sent just now.
    pub fn push(&mut self, sent: Sent) {
        self.on_the_way += sent.length;
        self.sent.push_back(sent);
    }

    /// Removes what lies before `una`.
    pub fn acknowledge(&mut self, una: Seq) -> Acknowledged {
        let mut told = Acknowledged::default();
        while let Some(first) = self.sent.front_mut() {
            if !first.seq.is_before(una) {
                break;
            }
            let whole = first.end().is_up_to(una);
            let bytes = if whole { first.length } else { una.since(first.seq) };
            if !first.is_sacked {
                told.bytes += bytes;
            }
            if !first.is_sacked && !first.is_lost {
                self.on_the_way -= bytes;
            }
            if !whole {
                (first.seq, first.length) = (una, first.length - bytes);
                break;
            }
            // The acknowledgement of a sacked one may have waited for a hole to be filled.
            told.sent_ns = (first.resent == 0 && !first.is_sacked).then_some(first.sent_ns);
            self.sent.pop_front();
        }
        told
    }

    /// Marks what lies wholly in a range as being at the peer; how many bytes are news.
    pub fn sack(&mut self, from: Seq, to: Seq) -> u32 {
        let mut news = 0;
        for sent in &mut self.sent {
            let within = from.is_up_to(sent.seq) && sent.end().is_up_to(to);
            if within && !sent.is_sacked {
                if !sent.is_lost {
                    self.on_the_way -= sent.length;
                }
                (sent.is_sacked, sent.is_lost) = (true, false);
                news += sent.length;
            }
        }
        news
    }

    /// Takes those to be lost behind which the peer has three segments or more (RFC 6675, 4): a
    /// segment that was sent again is not lost a second time by that.
    pub fn lose_by_sacks(&mut self) -> bool {
        let (mut behind, mut found) = (0, false);
        for sent in self.sent.iter_mut().rev() {
            if sent.is_sacked {
                behind += 1;
            } else if behind >= 3 && !sent.is_lost && sent.resent == 0 {
                (sent.is_lost, found) = (true, true);
                self.on_the_way -= sent.length;
            }
        }
        found
    }

    /// Takes the first one to be lost.
    pub fn lose_first(&mut self) {
        if let Some(first) =
            self.sent.front_mut().filter(|first| !first.is_lost && !first.is_sacked)
        {
            first.is_lost = true;
            self.on_the_way -= first.length;
        }
    }

    /// Takes all that the peer is not known to have to be lost: the timer has expired.
    pub fn lose_all(&mut self) {
        for sent in &mut self.sent {
            // A peer may forget what it said it has (RFC 2018, 8).
            (sent.is_lost, sent.is_sacked) = (true, false);
        }
        self.on_the_way = 0;
    }

    /// The first lost one, which the caller sends again now.
    pub fn resend(&mut self, now_ns: u64) -> Option<Sent> {
        let sent = self.sent.iter_mut().find(|sent| sent.is_lost)?;
        sent.is_lost = false;
        sent.resent += 1;
        sent.sent_ns = now_ns;
        self.on_the_way += sent.length;
        Some(*sent)
    }

    /// Whether something is lost.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.sent.iter().any(|sent| sent.is_lost)
    }

    /// Divides segments that are longer than `mss` and takes them to be lost: the path has become
    /// narrower.
    pub fn divide(&mut self, mss: u32) {
        let whole = std::mem::take(&mut self.sent);
        for mut sent in whole {
            while sent.length > mss {
                let first = Sent { length: mss, is_fin: false, ..sent };
                self.sent.push_back(first);
                (sent.seq, sent.length) = (sent.seq + mss, sent.length - mss);
            }
            self.sent.push_back(sent);
        }
        self.lose_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> InFlight {
        let mut flight = InFlight::default();
        for at in 0..5 {
            flight.push(Sent {
                seq: Seq(at * 100),
                length: 100,
                sent_ns: u64::from(at),
                resent: 0,
                is_sacked: false,
                is_lost: false,
                is_fin: false,
            });
        }
        flight
    }

    #[test]
    fn acknowledgements_may_end_within_a_segment() {
        let mut flight = three();
        assert_eq!(flight.acknowledge(Seq(150)), Acknowledged { bytes: 150, sent_ns: Some(0) });
        assert_eq!(flight.first().map(|sent| (sent.seq, sent.length)), Some((Seq(150), 50)));
        assert_eq!(flight.on_the_way(), 350);
        assert_eq!(flight.acknowledge(Seq(500)).bytes, 350);
        assert!(flight.is_empty() && flight.on_the_way() == 0);
    }

    #[test]
    fn three_segments_behind_a_hole_make_it_a_loss_once() {
        let mut flight = three();
        assert_eq!(flight.sack(Seq(100), Seq(300)), 200);
        assert!(!flight.lose_by_sacks());
        assert_eq!(flight.sack(Seq(100), Seq(400)), 100);
        assert!(flight.lose_by_sacks() && flight.on_the_way() == 100);
        assert_eq!(flight.resend(9).map(|sent| sent.seq), Some(Seq(0)));
        assert!(!flight.lose_by_sacks() && flight.resend(9).is_none());
        let told = flight.acknowledge(Seq(400));
        assert_eq!(told, Acknowledged { bytes: 100, sent_ns: None }, "Karn: it was sent twice");
    }

    #[test]
    fn a_narrower_path_divides_what_is_on_its_way() {
        let mut flight = three();
        flight.divide(60);
        let lengths: Vec<u32> =
            std::iter::from_fn(|| flight.resend(1)).map(|sent| sent.length).collect();
        assert_eq!(lengths, [60, 40, 60, 40, 60, 40, 60, 40, 60, 40]);
        assert_eq!(flight.on_the_way(), 500);
    }
}

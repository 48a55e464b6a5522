//! Stalls of the main thread, nested and overlapping, as time that adds up.
//!
//! The thread's time is cut at every begin and end of a stall. Going through the stalls by the
//! precedence of [`CLASSES`](crate::cause::CLASSES), each takes its time out of what is still
//! free in its span: all of it, if it is a single stall; its sum spread evenly over the free
//! part, if it stands for many small ones within a window. So no nanosecond is given twice, and
//! 20 ms of faults summed over a window that also holds a fork of 45 ms lie beside the fork.

use stallion_timeline::{Stall, ThreadRole};

use crate::cause::{CLIENT, NAMED, rank};

/// Time on the main thread that was given to one stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start_ns: u64,
    end_ns: u64,
    /// Time given within; at most `end_ns - start_ns`.
    busy_ns: u64,
}

/// Time by cause: one figure for each class in the order of precedence, then the client's.
pub type ByCause = [u64; NAMED];

/// All stalled time of the main thread, and what is left of the client's own, without overlap.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    lanes: [Lane; NAMED],
}

/// The pieces of one cause in the order of time.
#[derive(Debug, Clone, Default)]
struct Lane {
    pieces: Vec<Piece>,
    /// Busy time of all pieces before the one with the same index, and of all at the end.
    busy_before: Vec<u64>,
}

impl Ledger {
    /// Lays out the stalls of main threads (other threads' do not stall requests themselves) and
    /// the spans in which the client was late with a connection free.
    #[must_use]
    pub fn of(stalls: &[Stall], client_late: impl Iterator<Item = (u64, u64)>) -> Self {
        let claims = claims(stalls, client_late);
        let mut cuts: Vec<u64> =
            claims.iter().flat_map(|claim| [claim.start_ns, claim.end_ns]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut free_ns: Vec<u64> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mut ledger = Self::default();
        for claim in claims {
            let from = cuts.partition_point(|cut| *cut < claim.start_ns);
            let to = cuts.partition_point(|cut| *cut < claim.end_ns);
            let lane = &mut ledger.lanes[claim.place];
            take(&mut free_ns[from..to], &cuts[from..=to], claim.busy_ns, &mut lane.pieces);
        }
        ledger.lanes.iter_mut().for_each(Lane::settle);
        ledger
    }

    /// Time of each cause between two instants.
    #[must_use]
    pub fn within(&self, from_ns: u64, to_ns: u64) -> ByCause {
        std::array::from_fn(|index| self.lanes[index].busy_within(from_ns, to_ns))
    }

    /// The start of the dense stall that the instant lies in, or that ends at it. Dense: at
    /// least half of its span is stalled; a thin sum over a long window does not count.
    #[must_use]
    pub fn dense_start(&self, at_ns: u64) -> Option<u64> {
        let covering = self.lanes.iter().filter_map(|lane| lane.covering(at_ns));
        covering
            .filter(|piece| piece.busy_ns * 2 >= piece.end_ns - piece.start_ns)
            .map(|piece| piece.start_ns)
            .min()
    }
}

/// What a stall wants of the thread's time.
#[derive(Debug, Clone, Copy)]
struct Claim {
    place: usize,
    start_ns: u64,
    end_ns: u64,
    busy_ns: u64,
}

impl Claim {
    fn is_sum(&self) -> bool {
        self.busy_ns < self.end_ns - self.start_ns
    }
}

/// All claims in the order in which they are served: by precedence, single stalls before sums.
fn claims(stalls: &[Stall], client_late: impl Iterator<Item = (u64, u64)>) -> Vec<Claim> {
    let main = stalls.iter().filter(|stall| stall.thread == ThreadRole::Main);
    let stalled = main.map(|stall| Claim {
        place: rank(stall.class),
        start_ns: stall.start_ns,
        end_ns: stall.end_ns,
        busy_ns: stall.busy_ns,
    });
    let late = union(client_late.collect()).into_iter().map(|(start_ns, end_ns)| Claim {
        place: CLIENT,
        start_ns,
        end_ns,
        busy_ns: end_ns - start_ns,
    });
    let mut claims: Vec<Claim> = stalled
        .chain(late)
        .filter(|claim| claim.end_ns > claim.start_ns && claim.busy_ns > 0)
        .collect();
    claims.sort_by_key(|claim| (claim.place, claim.is_sum(), claim.start_ns));
    claims
}

/// Spans in the order of time, those that touch melted into one.
#[must_use]
pub fn union(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.retain(|(start, end)| end > start);
    spans.sort_unstable();
    let mut melted: Vec<(u64, u64)> = Vec::new();
    for (start, end) in spans {
        match melted.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => melted.push((start, end)),
        }
    }
    melted
}

/// Takes up to `busy_ns` out of consecutive segments, in proportion to what is free in each.
fn take(free_ns: &mut [u64], cuts: &[u64], busy_ns: u64, pieces: &mut Vec<Piece>) {
    let all_free: u64 = free_ns.iter().sum();
    let taken = busy_ns.min(all_free);
    if taken == 0 {
        return;
    }
    // Cumulative rounding: the parts add up to `taken` exactly, and none exceeds what is free.
    let share = |free: u64| (u128::from(taken) * u128::from(free) / u128::from(all_free)) as u64;
    let mut free_before = 0;
    for (free, cut) in free_ns.iter_mut().zip(cuts.windows(2)) {
        let part = share(free_before + *free) - share(free_before);
        free_before += *free;
        *free -= part;
        if part > 0 {
            pieces.push(Piece { start_ns: cut[0], end_ns: cut[1], busy_ns: part });
        }
    }
}

impl Lane {
    /// Sorts the pieces, melts those of one segment into one, and sums them up.
    fn settle(&mut self) {
        self.pieces.sort_unstable_by_key(|piece| piece.start_ns);
        self.pieces.dedup_by(|next, kept| {
            let same = next.start_ns == kept.start_ns;
            if same {
                kept.busy_ns += next.busy_ns;
            }
            same
        });
        let mut sum = 0;
        self.busy_before = std::iter::once(0)
            .chain(self.pieces.iter().map(|piece| {
                sum += piece.busy_ns;
                sum
            }))
            .collect();
    }

    fn busy_within(&self, from_ns: u64, to_ns: u64) -> u64 {
        if to_ns <= from_ns {
            return 0;
        }
        self.busy_until(to_ns) - self.busy_until(from_ns)
    }

    /// Busy time before an instant; within a piece it is spread evenly and rounded down.
    fn busy_until(&self, at_ns: u64) -> u64 {
        let begun = self.pieces.partition_point(|piece| piece.start_ns < at_ns);
        let Some(last) = begun.checked_sub(1) else {
            return 0;
        };
        let piece = self.pieces[last];
        let length = piece.end_ns - piece.start_ns;
        let elapsed = (at_ns - piece.start_ns).min(length);
        let part = u128::from(piece.busy_ns) * u128::from(elapsed) / u128::from(length);
        self.busy_before[last] + part as u64
    }

    fn covering(&self, at_ns: u64) -> Option<Piece> {
        let begun = self.pieces.partition_point(|piece| piece.start_ns < at_ns);
        let piece = *self.pieces.get(begun.checked_sub(1)?)?;
        (piece.end_ns >= at_ns).then_some(piece)
    }
}

//! A server with one FIFO queue that stands still during halts, and the requests it serves.

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000 * MS;
/// Any instant will do; it is far from zero so that mistakes with offsets show.
pub(crate) const START: u64 = 812 * S;

/// What the server gets to do.
pub(crate) struct Load {
    pub(crate) rate: u64,
    pub(crate) capacity: u64,
    pub(crate) seconds: u64,
    /// Spans in which the server does nothing, in order, without overlap.
    pub(crate) halts: Vec<(u64, u64)>,
    /// The client does not send in these spans (from the start), although connections are free.
    pub(crate) client_late: Vec<(u64, u64)>,
}

pub(crate) struct Done {
    pub(crate) due_ns: u64,
    pub(crate) sent_ns: u64,
    pub(crate) own_lag_ns: u64,
    pub(crate) done_ns: u64,
    pub(crate) key: u64,
}

/// A small deterministic generator (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Serves every request in the order of its intended time.
pub(crate) fn serve(load: &Load) -> Vec<Done> {
    let mut rng = Rng(7);
    let service_ns = S / load.capacity;
    let halts = &load.halts;
    let mut free_ns = START;
    (0..load.rate * load.seconds)
        .map(|number| {
            let due_ns = START + number * S / load.rate;
            let late = load
                .client_late
                .iter()
                .find(|(from, to)| (START + from..START + to).contains(&due_ns));
            let sent_ns = late.map_or(due_ns, |(_, to)| START + to);
            let begun_ns = free_ns.max(sent_ns + 40_000 + rng.below(30_000));
            let done_ns = worked(halts, begun_ns, service_ns * (70 + rng.below(60)) / 100);
            free_ns = done_ns;
            Done {
                due_ns,
                sent_ns,
                own_lag_ns: sent_ns - due_ns,
                done_ns,
                key: rng.below(1_000_000),
            }
        })
        .collect()
}

/// When work that begins at a time is finished, given that nothing moves during halts.
fn worked(halts: &[(u64, u64)], begun_ns: u64, work_ns: u64) -> u64 {
    let mut now = begun_ns;
    let mut left = work_ns;
    let first = halts.partition_point(|(_, to)| *to <= begun_ns);
    for (from, to) in &halts[first..] {
        let before = from.saturating_sub(now);
        if before >= left {
            break;
        }
        left -= before;
        now = (*to).max(now);
    }
    now + left
}

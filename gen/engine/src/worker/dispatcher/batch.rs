//! Requests that go out together on one connection.

use crate::units::Nanos;
use crate::worker::connection::Connection;
use crate::worker::flight::Route;
use crate::worker::settings::Requests;
use stallion_resp::op::Op;

/// What goes out together.
pub(super) struct Batch<'a> {
    pub(super) now: Nanos,
    /// So many requests, or as many as are left.
    pub(super) wanted: usize,
    /// Where their bytes go.
    pub(super) out: &'a mut [u8],
}

/// Draws the requests of a batch that are due at one time, and encodes them for a connection; returns
/// how many there were.
#[inline]
pub(super) fn encode(
    connection: &mut Connection,
    requests: &mut Requests,
    due: Nanos,
    batch: Batch<'_>,
    route: impl Fn(&Op, usize) -> Option<Route>,
) -> usize {
    let Batch { now, wanted, out } = batch;
    let (flights, pending) = (&mut connection.flights, &mut connection.pending);
    flights.begin(due, due.max(connection.free_since), now);
    let mut bytes = 0;
    let added = requests.workload.draw_many(wanted, |op, distributions| {
        let length = requests.encoder.encode(op, distributions, &mut out[bytes..]);
        bytes += length;
        match route(&op, length) {
            Some(route) => flights.add_routed(op, route),
            None => flights.add(op),
        }
    });
    flights.added(added);
    connection.requests_left -= added as u64;
    pending.bytes += bytes;
    pending.requests += added;
    added
}

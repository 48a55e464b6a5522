//! Requests that go out together on one connection.

use super::Settings;
use crate::units::Nanos;
use crate::worker::connection::Connection;
use crate::worker::flight::Route;
use stallion_resp::op::Op;

/// Draws up to `wanted` requests, due and now as in `times`, and encodes them for a connection
/// into `out`; returns how many there were.
#[inline]
pub(super) fn encode(
    connection: &mut Connection,
    settings: &mut Settings,
    (due, now): (Nanos, Nanos),
    wanted: usize,
    out: &mut [u8],
    route: impl Fn(&Op, usize) -> Option<Route>,
) -> usize {
    let (flights, pending) = (&mut connection.flights, &mut connection.pending);
    flights.begin(due, due.max(connection.free_since), now);
    let mut bytes = 0;
    let added = settings.workload.draw_many(wanted, |op, distributions| {
        let length = settings.encoder.encode(op, distributions, &mut out[bytes..]);
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

//! A trace that the Perfetto UI opens: phases, spikes, disturbances, stalls and slow requests as spans,
//! latency, rates and the server's own figures as counters.

mod lanes;

mod packets;

mod tracks;

use prost::Message as _;
use stallion_timeline::Timeline;

use crate::source::{ExportError, client, shift_ns};

use packets::Trace;
use tracks::Tracks;

/// A stretch that somebody else found in the timelines: the report's spikes.
#[derive(Debug, Clone)]
pub struct Found {
    /// The track that it stands on.
    pub track: &'static str,
    /// What it is, in a few words.
    pub name: String,
    /// Start on the client's clock.
    pub start_ns: u64,
    /// End on the client's clock.
    pub end_ns: u64,
    /// Name and text of what is shown beside it.
    pub detail: Vec<(String, String)>,
}

/// A trace, and what did not fit into it.
#[derive(Debug)]
pub struct Written {
    /// Perfetto's protobuf (`perfetto.protos.Trace`), for a file `.pftrace`.
    pub bytes: Vec<u8>,
    /// Slow requests for which there was no lane.
    pub left_out: u64,
}

/// All timelines of one run in one trace, on the clock of its client (of the first timeline, if there
/// is no client).
///
/// # Errors
/// [`ExportError`] when there is no timeline, or a histogram is broken.
pub fn write(timelines: &[Timeline], found: &[Found]) -> Result<Written, ExportError> {
    let first = timelines.first().ok_or(ExportError::NoClient)?;
    let reference = client(timelines).unwrap_or(first);
    let mut tracks = Tracks::default();
    for timeline in timelines {
        tracks.timeline(timeline, shift_ns(timeline, reference))?;
    }
    tracks.found(found);
    let (packets, left_out) = tracks.packets();
    Ok(Written { bytes: Trace { packet: packets }.encode_to_vec(), left_out })
}

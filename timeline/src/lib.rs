//! The timeline: the only contract between Stallion's processes.
//!
//! A timeline is a file of JSON Lines. The first line is a [`Header`], the last a [`Footer`];
//! between them stand [`Record`]s in the order in which they became known, which is not always
//! the order of their times. A file without a footer is a truncated run, and readers say so.
//!
//! Every time is CLOCK_MONOTONIC in nanoseconds, the clock that `bpf_ktime_get_ns` reads, so
//! the client's and the probes' timelines of one host join without conversion. The header's
//! [`Clock`] gives the wall time of one instant for people, and the offset to another host.
//!
//! ```text
//! {"record":"header","schema":1,"role":"drive", ... }
//! {"record":"phase","name":"measure","start_ns":812000000000}
//! {"record":"interval","start_ns":812000000000,"end_ns":812100000000, ... }
//! {"record":"chaos","action":"bgsave","begin_ns":812500000000, ... }
//! {"record":"stall","class":"fork","start_ns":812500120000,"busy_ns":44700000, ... }
//! {"record":"footer","end_ns":815000000000, ... }
//! ```

pub mod clock;

pub mod host;

pub mod histogram;

pub mod at_least;

pub mod schema;

pub mod silence;

pub mod exchange;

pub mod writer;

pub mod reader;

pub use at_least::AtLeast;
pub use clock::Clock;
pub use host::HostFacts;
pub use reader::{ReadError, Timeline};
pub use schema::{
    Chaos, ClientLate, ClusterInterval, DividedRequests, Footer, Header, Interval, Loss, NodeShare,
    OpCounts, Outage, Outcome, PeerClock, Phase, PhaseName, ProbeState, ProbeStatus, Record,
    Redirects, Role, SCHEMA_VERSION, Server, SlotShare, SlowOp, SlowlogEntry, Stall, StallClass,
    StoreInterval, ThreadRole,
};
pub use silence::{Silence, SilenceKind, SilenceOnAxis};
pub use writer::Writer;

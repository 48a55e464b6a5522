//! What Prometheus scrapes while a run lasts: `GET /metrics`, in OpenMetrics.
//!
//! It is fed once a second by whoever records, answers on a thread of its own, and the engine never
//! waits for it. The modules in the order of their use:
//!
//! 1. [`catalogue`]: every metric with its kind and its help; names and units follow Prometheus.
//! 2. [`board`]: their values now.
//! 3. [`sources`]: what intervals, servers and stalls become.
//! 4. [`classic`]: the older text format, for whoever does not ask for OpenMetrics.
//! 5. [`serve`]: the HTTP server.

pub mod catalogue;

pub mod board;

pub mod sources;

pub mod classic;

pub mod serve;

pub use board::Board;
pub use serve::serve;

//! What a plan's target is.

use serde::Serialize;

/// What the target is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// One server, or something that looks like one.
    #[default]
    Node,
    /// A node of a cluster, of which all nodes are driven.
    Cluster {
        /// What happens to requests that fail for a while.
        on_error: OnError,
    },
}

/// What happens to a request of a cluster that TRYAGAIN, CLUSTERDOWN, LOADING, READONLY or MASTERDOWN
/// answered, or that was lost with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It is sent again, as often and as long as the bounds allow.
    Retry,
    /// It has failed, and counts as what it was answered.
    Count,
}

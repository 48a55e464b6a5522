//! What every fault and every task is to its caller.

use std::fmt;

use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::error::FaultError;

/// What a fault did, in figures, for the `detail` of its record.
pub type Detail = Map<String, Value>;

/// One kind of fault or task. Its fields are its arguments: flags of `stallion chaos NAME`, and keys of
/// a scenario.
pub trait Fault: fmt::Debug + Send + Sync {
    /// Whether it may harm those who use the server; such a one is kept to servers of our own.
    fn destructive(&self) -> bool {
        true
    }

    /// Does it, and returns when it is over.
    ///
    /// # Errors
    /// [`FaultError`], with the server as it was before.
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError>;
}

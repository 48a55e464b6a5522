//! What every fault is to its caller.

use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::parameters::{Parameter, Parameters};

/// What an action did, in figures, for the `detail` of its record.
pub type Detail = Map<String, Value>;

/// One kind of disturbance.
pub trait Fault: Sync {
    /// The name that `--action` and scenarios take.
    fn name(&self) -> &'static str;

    /// What it does, in one line for users.
    fn about(&self) -> &'static str;

    /// Which fields of [`Parameters`] it reads.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// Whether it may harm those who use the server; such a one is kept to servers of our own.
    fn destructive(&self) -> bool {
        false
    }

    /// Does it, and returns when it is over. Parameters that it does not name are absent.
    ///
    /// # Errors
    /// [`FaultError`], with the server as it was before.
    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError>;
}

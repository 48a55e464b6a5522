//! `partition`: nobody on the other side of a link is heard of.

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::isolation::isolate;
use crate::link::{device, meanwhile};
use crate::parameters::{Parameter, Parameters};

pub(crate) struct Partition;

impl Fault for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }

    fn about(&self) -> &'static str {
        "takes the network device `device` down for `for`; without one cuts the scenario's relay, or a \
         primary off from the rest of its cluster, and counts what it was told alone and lost"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Device, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        if let Some(relay) = endpoint.relay.clone().filter(|_| parameters.device.is_none()) {
            relay.cut(true);
            let waited = meanwhile(endpoint, parameters, &[], &[]);
            relay.cut(false);
            waited?;
            return Ok(Detail::from_iter([("by".to_owned(), json!("relay"))]));
        }
        if !endpoint.links.nodes.is_empty() && parameters.device.is_none() {
            return isolate(endpoint, parameters);
        }
        let device = device(self.name(), parameters)?;
        let set = ["ip", "link", "set", "dev", &device];
        let (down, up) = ([&set[..], &["down"]].concat(), [&set[..], &["up"]].concat());
        meanwhile(endpoint, parameters, &down, &up)?;
        Ok(Detail::from_iter([("device".to_owned(), json!(device))]))
    }
}

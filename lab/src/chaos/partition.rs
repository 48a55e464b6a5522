//! `partition`: nobody on the other side of a link is heard of.

use serde_json::json;

use super::isolation::isolate;
use super::link::{device, meanwhile};
use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};

pub(super) struct Partition;

impl Action for Partition {
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

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        if let Some(relay) = site.relay.clone().filter(|_| parameters.device.is_none()) {
            relay.cut(true);
            let waited = meanwhile(site, parameters, &[], &[]);
            relay.cut(false);
            waited?;
            return Ok(Detail::from_iter([("by".to_owned(), json!("relay"))]));
        }
        if !site.links.nodes.is_empty() && parameters.device.is_none() {
            return isolate(site, parameters);
        }
        let device = device(self.name(), parameters)?;
        let set = ["ip", "link", "set", "dev", &device];
        let (down, up) = ([&set[..], &["down"]].concat(), [&set[..], &["up"]].concat());
        meanwhile(site, parameters, &down, &up)?;
        Ok(Detail::from_iter([("device".to_owned(), json!(device))]))
    }
}

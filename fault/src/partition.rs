//! `partition`: nobody on the other side of a link is heard of.

use std::time::Duration;

use serde_json::json;

use crate::arguments::device;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::isolation::isolate;
use crate::link::{meanwhile, no_device};
use stallion_server::duration;

const DEFAULT_FOR: Duration = Duration::from_secs(5);
/// A cluster needs that long to elect a successor.
const APART_FOR: Duration = Duration::from_secs(8);

/// Take a network device down, or cut the scenario's relay, or a primary off from its cluster
#[derive(Debug, clap::Args)]
pub(crate) struct Partition {
    /// The network device, as veth0
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<String>,
    /// How long it lasts: 5s at a device or a single server, 8s in a cluster if not given
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    lasts: Option<Duration>,
}

impl Fault for Partition {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let lasts = self.lasts.unwrap_or(DEFAULT_FOR);
        if let Some(relay) = endpoint.relay.clone().filter(|_| self.device.is_none()) {
            relay.cut(true);
            let waited = meanwhile(endpoint, lasts, &[], &[]);
            relay.cut(false);
            waited?;
            return Ok(Detail::from_iter([("by".to_owned(), json!("relay"))]));
        }
        if !endpoint.links.nodes.is_empty() && self.device.is_none() {
            return isolate(endpoint, self.lasts.unwrap_or(APART_FOR));
        }
        let device = self.device.as_deref().ok_or_else(no_device)?;
        let set = ["ip", "link", "set", "dev", device];
        let (down, up) = ([&set[..], &["down"]].concat(), [&set[..], &["up"]].concat());
        meanwhile(endpoint, lasts, &down, &up)?;
        Ok(Detail::from_iter([("device".to_owned(), json!(device))]))
    }
}

//! `net-delay`: packets arrive later; without netem they come through a narrow bucket, whose queue
//! is the delay.

use std::time::Duration;

use serde_json::json;

use crate::arguments::device;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::link::{command, meanwhile, no_device};
use stallion_server::duration;

/// A bucket of the token kind: slow enough to queue, with room for as long as the delay.
const BUCKET: [&str; 4] = ["rate", "2mbit", "burst", "4kb"];

/// Delay packets that leave by a device (netem, else tbf), or the scenario's relay
#[derive(Debug, clap::Args)]
pub(crate) struct NetDelay {
    /// The network device, as veth0
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<String>,
    /// How much later they arrive
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "20ms")]
    delay: Duration,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for NetDelay {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let delay_ms = self.delay.as_millis().max(1);
        if let Some(relay) = endpoint.relay.clone().filter(|_| self.device.is_none()) {
            relay.hold(Duration::from_millis(delay_ms as u64));
            let waited = meanwhile(endpoint, self.lasts, &[], &[]);
            relay.hold(Duration::ZERO);
            waited?;
            return Ok(detail("relay", delay_ms));
        }
        let device = self.device.as_deref().ok_or_else(no_device)?;
        let delay = format!("{delay_ms}ms");
        let add = ["tc", "qdisc", "replace", "dev", device, "root"];
        let remove = ["tc", "qdisc", "del", "dev", device, "root"];
        let late = [&add[..], &["netem", "delay", &delay]].concat();
        let narrow = [&add[..], &["tbf"], &BUCKET, &["latency", &delay]].concat();
        let has_netem = command(&late).is_ok();
        if !has_netem {
            command(&narrow)?;
        }
        meanwhile(endpoint, self.lasts, &[], &remove)?;
        Ok(detail(if has_netem { "netem" } else { "tbf" }, delay_ms))
    }
}

fn detail(by: &str, delay_ms: u128) -> Detail {
    Detail::from_iter([
        ("by".to_owned(), json!(by)),
        ("delay_ms".to_owned(), json!(delay_ms as u64)),
    ])
}

//! `net-delay`: packets arrive later; without netem they come through a narrow bucket, whose queue
//! is the delay.

use std::time::Duration;

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::link::{command, device, meanwhile};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_DELAY_MS: u128 = 20;
/// A bucket of the token kind: slow enough to queue, with room for as long as the delay.
const BUCKET: [&str; 4] = ["rate", "2mbit", "burst", "4kb"];

pub(crate) struct NetDelay;

impl Fault for NetDelay {
    fn name(&self) -> &'static str {
        "net-delay"
    }

    fn about(&self) -> &'static str {
        "packets that leave by `device` are `delay` late (netem), or wait in a narrow bucket for at most \
         that long (tbf) where the kernel has no netem; without a device by the scenario's relay"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Device, Parameter::Delay, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let delay_ms = parameters.delay.map_or(DEFAULT_DELAY_MS, |delay| delay.as_millis()).max(1);
        if let Some(relay) = endpoint.relay.clone().filter(|_| parameters.device.is_none()) {
            relay.hold(Duration::from_millis(delay_ms as u64));
            let waited = meanwhile(endpoint, parameters, &[], &[]);
            relay.hold(Duration::ZERO);
            waited?;
            return Ok(detail("relay", delay_ms));
        }
        let device = device(self.name(), parameters)?;
        let delay = format!("{delay_ms}ms");
        let add = ["tc", "qdisc", "replace", "dev", &device, "root"];
        let remove = ["tc", "qdisc", "del", "dev", &device, "root"];
        let late = [&add[..], &["netem", "delay", &delay]].concat();
        let narrow = [&add[..], &["tbf"], &BUCKET, &["latency", &delay]].concat();
        let has_netem = command(&late).is_ok();
        if !has_netem {
            command(&narrow)?;
        }
        meanwhile(endpoint, parameters, &[], &remove)?;
        Ok(detail(if has_netem { "netem" } else { "tbf" }, delay_ms))
    }
}

fn detail(by: &str, delay_ms: u128) -> Detail {
    Detail::from_iter([
        ("by".to_owned(), json!(by)),
        ("delay_ms".to_owned(), json!(delay_ms as u64)),
    ])
}

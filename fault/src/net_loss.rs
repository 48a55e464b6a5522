//! `net-loss`: packets get lost.

use serde_json::json;

use crate::arguments::{device, share};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::link::meanwhile;
use stallion_server::duration;
use std::time::Duration;

/// Lose a share of the packets that leave by a device (netem)
#[derive(Debug, clap::Args)]
pub(crate) struct NetLoss {
    /// The network device, as veth0
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: String,
    /// The share that is lost, 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.01")]
    loss: f64,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for NetLoss {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let (device, loss) = (self.device.as_str(), self.loss);
        let percent = format!("{}%", loss * 100.0);
        let add = ["tc", "qdisc", "replace", "dev", device, "root", "netem", "loss", &percent];
        let remove = ["tc", "qdisc", "del", "dev", device, "root"];
        meanwhile(endpoint, self.lasts, &add, &remove)?;
        Ok(Detail::from_iter([
            ("device".to_owned(), json!(device)),
            ("loss".to_owned(), json!(loss)),
        ]))
    }
}

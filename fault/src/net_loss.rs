//! `net-loss`: packets get lost.

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::link::{device, meanwhile};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_LOSS: f64 = 0.01;

pub(crate) struct NetLoss;

impl Fault for NetLoss {
    fn name(&self) -> &'static str {
        "net-loss"
    }

    fn about(&self) -> &'static str {
        "a share `loss` of the packets that leave by `device` is lost (needs the kernel's netem)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Device, Parameter::Loss, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let device = device(self.name(), parameters)?;
        let loss = parameters.loss.unwrap_or(DEFAULT_LOSS);
        if !(0.0..=1.0).contains(&loss) {
            let text = "`loss` is a share, 0 to 1".to_owned();
            return Err(FaultError::Value { action: self.name(), text });
        }
        let percent = format!("{}%", loss * 100.0);
        let add = ["tc", "qdisc", "replace", "dev", &device, "root", "netem", "loss", &percent];
        let remove = ["tc", "qdisc", "del", "dev", &device, "root"];
        meanwhile(endpoint, parameters, &add, &remove)?;
        Ok(Detail::from_iter([
            ("device".to_owned(), json!(device)),
            ("loss".to_owned(), json!(loss)),
        ]))
    }
}

//! By which distribution a plan's keys are drawn.

use serde::Serialize;

use super::PlanError;

/// By which distribution keys are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Each key alike.
    Uniform,
    /// By Zipf's law with this exponent.
    Zipfian {
        /// The exponent s.
        s: f64,
    },
    /// A share of the keys gets a share of the requests, each above 0 and below 1.
    HotSpot {
        /// Share of the keys.
        keys: f64,
        /// Share of the requests.
        requests: f64,
    },
    /// By the normal distribution around the middle key.
    Gaussian {
        /// Standard deviation as a share of the keys.
        deviation: f64,
    },
    /// One after the other.
    Sequential,
}

impl Distribution {
    pub(super) fn check(self) -> Result<(), PlanError> {
        let is_share = |share: f64| share > 0.0 && share < 1.0;
        match self {
            Self::Zipfian { s } if !(0.1..=5.0).contains(&s) => {
                Err(PlanError::Exponent(s.to_string()))
            }
            Self::HotSpot { keys, requests } if !is_share(keys) || !is_share(requests) => {
                Err(PlanError::HotSpot(format!("{keys}:{requests}")))
            }
            Self::Gaussian { deviation } if !(deviation > 0.0 && deviation <= 1.0) => {
                Err(PlanError::Deviation(deviation.to_string()))
            }
            _ => Ok(()),
        }
    }
}

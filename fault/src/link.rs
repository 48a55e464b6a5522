//! A network device that is made worse for a while, by `tc` and `ip`.

use std::process::Command;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::parameters::Parameters;

const DEFAULT_FOR: Duration = Duration::from_secs(5);

/// The device that is meant. The loopback is everybody's, and never it.
pub(crate) fn device(action: &'static str, parameters: &Parameters) -> Result<String, FaultError> {
    let wrong = |text: &str| FaultError::Value { action, text: text.to_owned() };
    let device = parameters.device.as_deref();
    let device = device.ok_or_else(|| wrong("`device` names the device, such as veth0"))?;
    if device == "lo" {
        return Err(wrong("the loopback is everybody's: give a device of a network namespace"));
    }
    Ok(device.to_owned())
}

/// Runs `begin`, waits, and runs `end` whatever happens.
pub(crate) fn meanwhile(
    endpoint: &Endpoint,
    parameters: &Parameters,
    begin: &[&str],
    end: &[&str],
) -> Result<(), FaultError> {
    command(begin)?;
    let waited = endpoint.wait(parameters.lasts.unwrap_or(DEFAULT_FOR));
    command(end)?;
    waited
}

/// A command, with its own words when it fails.
pub(crate) fn command(words: &[&str]) -> Result<(), FaultError> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let told = Command::new(program).args(arguments).output();
    let told =
        told.map_err(|error| FaultError::Failed(format!("cannot run {program}: {error}")))?;
    if told.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&told.stderr).trim().to_owned();
    Err(FaultError::Failed(format!("`{}` failed: {said}", words.join(" "))))
}

//! A network device that is made worse for a while, by `tc` and `ip`.

use std::process::Command;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::error::FaultError;

/// Where neither a device is named nor a relay is there.
pub(crate) fn no_device() -> FaultError {
    FaultError::Failed("`--device` names the device, such as veth0".to_owned())
}

/// Runs `begin`, waits, and runs `end` whatever happens.
pub(crate) fn meanwhile(
    endpoint: &Endpoint,
    lasts: Duration,
    begin: &[&str],
    end: &[&str],
) -> Result<(), FaultError> {
    command(begin)?;
    let waited = endpoint.wait(lasts);
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

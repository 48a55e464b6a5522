//! Servers that are installed for their programs: no service of theirs is started or enabled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::shell;

/// Asked by packages whether a service may start; 101 is no.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const NO: &str =
    "#!/bin/sh\n# Of `cargo xtask`, while it installs: no service is started.\nexit 101\n";

/// While this lives, packages start no service; at its end those of the new packages are disabled.
pub(super) struct NotStarted {
    services: Vec<String>,
    /// Whether the policy is ours: a host's own stays.
    ours: bool,
}

impl NotStarted {
    pub(super) fn of(packages: &[&str]) -> anyhow::Result<Self> {
        let path = Path::new(POLICY);
        let ours = !path.exists();
        if ours {
            fs::write(path, NO).with_context(|| POLICY.to_owned())?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { services: packages.iter().map(ToString::to_string).collect(), ours })
    }
}

impl Drop for NotStarted {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("{POLICY} could not be removed, and no service will start: {error}");
        }
        // The services of these packages are named as they are.
        for service in &self.services {
            let unit = format!("/lib/systemd/system/{service}.service");
            let script = format!("/etc/init.d/{service}");
            let known = Path::new(&unit).exists() || Path::new(&script).exists();
            if known && shell::succeeds(&["update-rc.d", service, "disable"]) {
                println!("{service}: its service is disabled (update-rc.d {service} enable)");
            }
        }
    }
}

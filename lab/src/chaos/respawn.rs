//! A server's process: whether it lives, its death, and its return as a new process with the same
//! configuration and the data that it left on the disk.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::Connection;

use super::{ChaosError, Site};
use crate::info::Info;

/// Loading takes about a second for each million small keys.
const LOADS_WITHIN: Duration = Duration::from_secs(120);
/// Who drops its connections because it is killed is dead by then, whatever its memory.
const DIES_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a server of this host was started.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) pid: u32,
    executable: PathBuf,
    /// What it calls itself: some programs are several, and go by their name.
    name: String,
    configuration: PathBuf,
    folder: PathBuf,
}

impl Process {
    /// The process behind a connection.
    pub(super) fn of(site: &mut Site) -> Result<Self, ChaosError> {
        let pid = site.pid()?;
        let info = Info::ask(&mut site.connection, "server")?;
        let configuration = PathBuf::from(info.text("config_file"));
        if !configuration.is_file() {
            let text =
                "the server was not started with a configuration file: it cannot be started again";
            return Err(ChaosError::Failed(text.to_owned()));
        }
        let link = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_link(&path).map_err(|error| ChaosError::Failed(format!("{path}: {error}")))
        };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let (executable, folder) = (link("exe")?, link("cwd")?);
        Ok(Self { pid, executable, name: name.trim().to_owned(), configuration, folder })
    }

    /// Whether it runs: one that was killed stays in the table until its parent looks.
    pub(super) fn lives(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = text.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        !matches!(state, None | Some('Z' | 'X'))
    }

    /// Its death by SIGKILL; ends when it is dead.
    pub(super) fn kill(&self) -> Result<(), ChaosError> {
        // It may have died by itself since.
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGKILL);
        if self.dies() {
            return Ok(());
        }
        Err(ChaosError::Failed(format!("process {} lives {DIES_WITHIN:?} after SIGKILL", self.pid)))
    }

    /// Whether it is dead within a while, which an interrupt does not end.
    pub(super) fn dies(&self) -> bool {
        let start = Instant::now();
        while self.lives() {
            if start.elapsed() > DIES_WITHIN {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Starts it again, and gives a connection once it has loaded its data, with how long that took.
    pub(super) fn start_again(&self, site: &Site) -> Result<(Connection, Duration), ChaosError> {
        let refused = |error: std::io::Error| {
            ChaosError::Failed(format!(
                "{} does not start again: {error}",
                self.executable.display()
            ))
        };
        let log = self.folder.join("server.log");
        let output = OpenOptions::new().create(true).append(true).open(log).map_err(refused)?;
        let errors = output.try_clone().map_err(refused)?;
        let start = Instant::now();
        // It works in its stack's folder, by which it is found and killed when the stack goes.
        let mut child = Command::new(&self.executable)
            .arg0(&self.name)
            .arg(&self.configuration)
            .current_dir(&self.folder)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(refused)?;
        let connection = site.call_again(LOADS_WITHIN, || match child.try_wait() {
            Ok(Some(status)) => {
                let text = format!(
                    "the server ended when it was started again ({status}); its log says why"
                );
                Err(ChaosError::Failed(text))
            }
            _ => Ok(()),
        })?;
        Ok((connection, start.elapsed()))
    }
}

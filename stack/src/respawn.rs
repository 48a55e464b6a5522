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
use stallion_server::Target;
use stallion_server::info::Info;
use stallion_server::target::TargetError;
use thiserror::Error;

use crate::interrupt::Interrupt;

/// Loading takes about a second for each million small keys.
const LOADS_WITHIN: Duration = Duration::from_secs(120);
/// A process that drops its connections because it is killed is dead by then, whatever its memory.
const DIES_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often a server that is away is called.
const CALL_EVERY: Duration = Duration::from_millis(5);

/// Why a server's process was not found, did not die, or did not come back.
#[derive(Debug, Error)]
pub enum RespawnError {
    /// The server could not be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server refused a command.
    #[error("the server refused a command: {0}")]
    Refused(#[from] redis::RedisError),
    /// What the process or the system did.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// The process id on this host of the server behind a connection.
///
/// # Errors
/// [`RespawnError`] for a server on another host, or in a container.
pub fn pid_of(target: &Target, connection: &mut Connection) -> Result<u32, RespawnError> {
    if !target.is_local() {
        let text = format!("{target} is on another host: run it there");
        return Err(RespawnError::Failed(text));
    }
    let info = Info::ask(connection, "server")?;
    let pid = info.number("process_id").and_then(|pid| u32::try_from(pid).ok());
    // In a container the server knows itself by another number, which is another process's here.
    pid.filter(|pid| is_a_server(*pid)).ok_or_else(|| {
        let text = format!("no process of {target} is visible here: is it in a container?");
        RespawnError::Failed(text)
    })
}

fn is_a_server(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.starts_with("redis-server") || name.starts_with("valkey-server"))
}

/// A connection to a server as soon as it has loaded its data, within `patience`. `going_on` ends
/// the calls when it knows that there will be no answer.
///
/// # Errors
/// [`RespawnError`] when it does not answer in time, when `going_on` says so, or on an interrupt.
pub fn connect_again(
    target: &Target,
    interrupt: &Interrupt,
    patience: Duration,
    mut going_on: impl FnMut() -> Result<(), RespawnError>,
) -> Result<Connection, RespawnError> {
    let start = Instant::now();
    loop {
        match target.connect() {
            Ok(connection) => return Ok(connection),
            Err(error) if start.elapsed() > patience => return Err(error.into()),
            Err(_) => going_on()?,
        }
        if !interrupt.sleep(CALL_EVERY) {
            return Err(RespawnError::Interrupted);
        }
    }
}

/// How a server of this host was started.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number on this host.
    pub pid: u32,
    executable: PathBuf,
    /// What it calls itself: some programs are several, and go by their name.
    name: String,
    configuration: PathBuf,
    folder: PathBuf,
}

impl Process {
    /// The process behind a connection to a server.
    ///
    /// # Errors
    /// [`RespawnError`] for a server elsewhere, or one that was started without a configuration file.
    pub fn of(target: &Target, connection: &mut Connection) -> Result<Self, RespawnError> {
        let pid = pid_of(target, connection)?;
        let info = Info::ask(connection, "server")?;
        let configuration = PathBuf::from(info.text("config_file"));
        if !configuration.is_file() {
            let text =
                "the server was not started with a configuration file: it cannot be started again";
            return Err(RespawnError::Failed(text.to_owned()));
        }
        let link = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_link(&path).map_err(|error| RespawnError::Failed(format!("{path}: {error}")))
        };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let (executable, folder) = (link("exe")?, link("cwd")?);
        Ok(Self { pid, executable, name: name.trim().to_owned(), configuration, folder })
    }

    /// Whether it runs: one that was killed stays in the table until its parent looks.
    #[must_use]
    pub fn lives(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = text.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        !matches!(state, None | Some('Z' | 'X'))
    }

    /// Its death by SIGKILL; ends when it is dead.
    ///
    /// # Errors
    /// [`RespawnError`] when it lives on.
    pub fn kill(&self) -> Result<(), RespawnError> {
        // It may have died by itself since.
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGKILL);
        if self.dies() {
            return Ok(());
        }
        Err(RespawnError::Failed(format!(
            "process {} lives {DIES_WITHIN:?} after SIGKILL",
            self.pid
        )))
    }

    /// Whether it is dead within a while, which an interrupt does not end.
    #[must_use]
    pub fn dies(&self) -> bool {
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
    ///
    /// # Errors
    /// [`RespawnError`] when it does not start, does not answer in time, or on an interrupt.
    pub fn start_again(
        &self,
        target: &Target,
        interrupt: &Interrupt,
    ) -> Result<(Connection, Duration), RespawnError> {
        let refused = |error: std::io::Error| {
            RespawnError::Failed(format!(
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
        let connection =
            connect_again(target, interrupt, LOADS_WITHIN, || match child.try_wait() {
                Ok(Some(status)) => {
                    let text = format!(
                        "the server ended when it was started again ({status}); its log says why"
                    );
                    Err(RespawnError::Failed(text))
                }
                _ => Ok(()),
            })?;
        Ok((connection, start.elapsed()))
    }
}

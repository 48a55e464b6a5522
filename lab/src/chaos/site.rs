//! Where an action takes place.

use std::fs;
use std::time::{Duration, Instant};

use redis::Connection;

use super::ChaosError;
use crate::info::Info;
use crate::interrupt::Interrupt;
use crate::stack::{Links, Registry, Relay};
use crate::target::Target;

/// How often a server that is away is called.
const CALL_EVERY: Duration = Duration::from_millis(5);

/// A server, a connection to it, and what may be done there.
pub struct Site {
    /// The server.
    pub target: Target,
    /// An open connection to it.
    pub connection: Connection,
    /// The link through which its clients come, when it is one of ours.
    pub relay: Option<Relay>,
    /// What its servers hear each other through, when these links are ours.
    pub links: Links,
    interrupt: Interrupt,
    allow_foreign: bool,
}

impl Site {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`ChaosError::Target`].
    pub fn connect(
        target: &Target,
        interrupt: &Interrupt,
        allow_foreign: bool,
    ) -> Result<Self, ChaosError> {
        Ok(Self {
            target: target.clone(),
            connection: target.connect()?,
            relay: None,
            links: Links::default(),
            interrupt: interrupt.clone(),
            allow_foreign,
        })
    }

    /// The same place for a way back, which an interrupt does not cut short.
    pub(super) fn unhurried(site: &Self) -> Result<Self, ChaosError> {
        Self::connect(&site.target, &Interrupt::new(), site.allow_foreign)
    }

    /// Another server with the same login.
    pub(super) fn beside(&self, host: &str, port: u16) -> Result<Self, ChaosError> {
        Self::connect(&self.target.beside(host, port), &self.interrupt, self.allow_foreign)
    }

    /// The server is ours, or its owner allowed harm.
    pub(super) fn may_be_harmed(&mut self) -> bool {
        self.allow_foreign || self.pid().is_ok_and(|pid| Registry::of_this_user().owns(pid))
    }

    /// The server's process id on this host.
    pub(super) fn pid(&mut self) -> Result<u32, ChaosError> {
        if !self.target.is_local() {
            let text = format!("{} is on another host: run it there", self.target);
            return Err(ChaosError::Failed(text));
        }
        let info = Info::ask(&mut self.connection, "server")?;
        let pid = info.number("process_id").and_then(|pid| u32::try_from(pid).ok());
        // In a container the server knows itself by another number, which may be anybody's here.
        pid.filter(|pid| is_a_server(*pid)).ok_or_else(|| {
            let text =
                format!("no process of {} is visible here: is it in a container?", self.target);
            ChaosError::Failed(text)
        })
    }

    /// Waits; an interrupt ends it as an error, so that `?` leads to the way back.
    pub(super) fn wait(&self, duration: Duration) -> Result<(), ChaosError> {
        if self.interrupt.sleep(duration) { Ok(()) } else { Err(ChaosError::Interrupted) }
    }

    /// Lets the server crash and start again at once; a connection to it when it answers again, within
    /// `patience`.
    pub(super) fn crash_and_recover(
        &mut self,
        patience: Duration,
    ) -> Result<Connection, ChaosError> {
        // It answers by closing the connection.
        let crash = redis::cmd("DEBUG").arg("CRASH-AND-RECOVER").query::<()>(&mut self.connection);
        match crash {
            Err(error) if !error.is_io_error() => Err(error.into()),
            _ => self.call_again(patience, || Ok(())),
        }
    }

    /// A connection to the server as soon as it has loaded its data, within `patience`. `going_on` ends
    /// the calls when it knows that nobody will answer.
    pub(super) fn call_again(
        &self,
        patience: Duration,
        mut going_on: impl FnMut() -> Result<(), ChaosError>,
    ) -> Result<Connection, ChaosError> {
        let start = Instant::now();
        loop {
            match self.target.connect() {
                Ok(connection) => return Ok(connection),
                Err(error) if start.elapsed() > patience => return Err(error.into()),
                Err(_) => going_on()?,
            }
            self.wait(CALL_EVERY)?;
        }
    }
}

fn is_a_server(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.starts_with("redis-server") || name.starts_with("valkey-server"))
}

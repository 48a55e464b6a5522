//! Where a fault is made.

use std::time::Duration;

use redis::Connection;
use stallion_server::Target;
use stallion_stack::respawn::{Process, connect_again, pid_of};
use stallion_stack::{Interrupt, Links, Registry, Relay};

use crate::error::FaultError;

/// A server, a connection to it, and what may be done there.
pub struct Endpoint {
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

impl Endpoint {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`FaultError::Target`].
    pub fn connect(
        target: &Target,
        interrupt: &Interrupt,
        allow_foreign: bool,
    ) -> Result<Self, FaultError> {
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
    pub(crate) fn unhurried(endpoint: &Self) -> Result<Self, FaultError> {
        Self::connect(&endpoint.target, &Interrupt::new(), endpoint.allow_foreign)
    }

    /// Another server with the same login.
    pub(crate) fn beside(&self, host: &str, port: u16) -> Result<Self, FaultError> {
        Self::connect(&self.target.beside(host, port), &self.interrupt, self.allow_foreign)
    }

    /// The server is ours, or its owner allowed harm.
    pub(crate) fn may_be_harmed(&mut self) -> bool {
        self.allow_foreign || self.pid().is_ok_and(|pid| Registry::of_this_user().owns(pid))
    }

    /// The server's process id on this host.
    pub(crate) fn pid(&mut self) -> Result<u32, FaultError> {
        Ok(pid_of(&self.target, &mut self.connection)?)
    }

    /// The server's process, which can be killed and started again.
    pub(crate) fn process(&mut self) -> Result<Process, FaultError> {
        Ok(Process::of(&self.target, &mut self.connection)?)
    }

    /// Starts its process again; a connection once it has loaded its data, and how long that took.
    pub(crate) fn start_again(
        &self,
        process: &Process,
    ) -> Result<(Connection, Duration), FaultError> {
        Ok(process.start_again(&self.target, &self.interrupt)?)
    }

    /// Waits; an interrupt ends it as an error, so that `?` leads to the way back.
    pub(crate) fn wait(&self, duration: Duration) -> Result<(), FaultError> {
        if self.interrupt.sleep(duration) { Ok(()) } else { Err(FaultError::Interrupted) }
    }

    /// Lets the server crash and start again at once; a connection to it when it answers again, within
    /// `patience`.
    pub(crate) fn crash_and_recover(
        &mut self,
        patience: Duration,
    ) -> Result<Connection, FaultError> {
        // It answers by closing the connection.
        let crash = redis::cmd("DEBUG").arg("CRASH-AND-RECOVER").query::<()>(&mut self.connection);
        match crash {
            Err(error) if !error.is_io_error() => Err(error.into()),
            _ => Ok(connect_again(&self.target, &self.interrupt, patience, || Ok(()))?),
        }
    }
}

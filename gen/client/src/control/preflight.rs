//! Before a run: is there a server, does it speak RESP, does it let us in, will it serve?

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::greeting::greeting;
use super::refused::PATIENCE;
pub use super::refused::{StartError, connection_remedy};
use super::stream::Stream;
use crate::plan::{Credentials, Plan};
use stallion_resp::encoder::request;
use stallion_resp::tree::Tree;
use stallion_rings::socket::Address;
use stallion_server::Place;
use stallion_server::place::{addresses, first_that};

/// A blocking connection for a few questions.
#[derive(Debug)]
pub struct Caller {
    stream: Stream,
    input: Vec<u8>,
    target: String,
}

/// INFO as names and values.
pub type Info = BTreeMap<String, String>;

impl Caller {
    /// Connects, greets, and makes sure that the server serves.
    ///
    /// # Errors
    /// [`StartError`] that says what is wrong and what to do.
    pub fn connect(
        target: &Place,
        credentials: &Credentials,
        resp3: bool,
    ) -> Result<Self, StartError> {
        let name = credentials.url(target);
        let address = resolve(target)?;
        if let (Place::Tcp { host, .. }, Some(address)) = (target, address.tcp()) {
            credentials.note(address, host);
        }
        let refused = |error| StartError::Connect { target: name.clone(), error };
        let socket = address.socket().map_err(refused)?;
        let sockaddr = address.to_sockaddr().map_err(refused)?;
        socket.connect_timeout(&sockaddr, PATIENCE).map_err(refused)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(refused)?;
        let stream = Stream::over(socket, &address, credentials)
            .map_err(|error| StartError::broken(name.clone(), &error))?;
        let mut caller = Self { stream, input: Vec::new(), target: name };
        let greeting = greeting(credentials, resp3);
        let reply = caller.exchange(&greeting.bytes)?;
        caller.accept(reply)?;
        let pong = caller.ask(&[b"PING"])?;
        caller.accept(pong)?;
        Ok(caller)
    }

    /// Connects as a run does, and selects its database.
    ///
    /// # Errors
    /// As [`Caller::connect`].
    pub fn of(plan: &Plan) -> Result<Self, StartError> {
        let mut caller = Self::connect(&plan.target, &plan.credentials, plan.resp3)?;
        if plan.db > 0 {
            let reply = caller.ask(&[b"SELECT", plan.db.to_string().as_bytes()])?;
            caller.accept(reply)?;
        }
        Ok(caller)
    }

    /// Connects as a run does, and asks for INFO. Proxies know none of it and hang up, or say so: then
    /// there is nothing to be known, and the connection is a new one.
    ///
    /// # Errors
    /// As [`Caller::connect`].
    pub fn with_info(plan: &Plan) -> Result<(Self, Info), StartError> {
        let mut caller = Self::of(plan)?;
        match caller.info() {
            Ok(info) => Ok((caller, info)),
            Err(StartError::Silent { .. }) => Ok((Self::of(plan)?, Info::new())),
            Err(error) => Err(error),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`StartError`] when the connection breaks or the answer is no RESP.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Tree, StartError> {
        self.exchange(&request(words))
    }

    /// INFO as a map.
    ///
    /// # Errors
    /// As [`Caller::ask`].
    pub fn info(&mut self) -> Result<Info, StartError> {
        let reply = self.ask(&[b"INFO"])?;
        Ok(parse_info(&reply.text().unwrap_or_default()))
    }

    /// The connection itself, for a stream that has begun, and what has been read of that. A read
    /// waits so long at most.
    ///
    /// # Errors
    /// [`StartError::Silent`] when the connection is gone.
    pub(super) fn into_stream(self, patience: Duration) -> Result<(Stream, Vec<u8>), StartError> {
        let Self { stream, input, target } = self;
        stream
            .set_patience(patience)
            .map_err(|error| StartError::Silent { target, reason: error.to_string() })?;
        Ok((stream, input))
    }

    /// The version of TLS and its cipher; none without.
    #[must_use]
    pub fn agreed(&self) -> Option<(String, String)> {
        self.stream.agreed()
    }

    fn exchange(&mut self, bytes: &[u8]) -> Result<Tree, StartError> {
        let broken = |error| StartError::broken(self.target.clone(), &error);
        self.stream.write_all(bytes).map_err(broken)?;
        loop {
            let mut rest = self.input.as_slice();
            let tree = Tree::read(&mut rest).map_err(|error| StartError::Foreign {
                target: self.target.clone(),
                reason: error.to_string(),
            })?;
            if let Some(tree) = tree {
                self.input = rest.to_vec();
                return Ok(tree);
            }
            let mut part = [0; 16 << 10];
            match self.stream.read(&mut part).map_err(broken)? {
                0 => {
                    let reason = "it closed the connection without an answer".to_owned();
                    return Err(StartError::Silent { target: self.target.clone(), reason });
                }
                length => self.input.extend_from_slice(&part[..length]),
            }
        }
    }

    fn accept(&self, reply: Tree) -> Result<(), StartError> {
        match reply {
            Tree::Error(reply) => Err(StartError::of_reply(self.target.clone(), reply)),
            _ => Ok(()),
        }
    }
}

/// The address of a place. Of a name with several addresses it is the first that accepts a connection;
/// a single one is not tried, for those who connect see how that goes.
///
/// # Errors
/// [`StartError::Resolve`], and [`StartError::Connect`] when none of several accepts.
pub fn resolve(target: &Place) -> Result<Address, StartError> {
    match target {
        Place::Tcp { host, port } => {
            let target = || target.to_string();
            let all = addresses(host, *port)
                .map_err(|error| StartError::Resolve { target: target(), error })?;
            if let [only] = all[..] {
                return Ok(Address::Tcp(only));
            }
            let accepts = |one| TcpStream::connect_timeout(&one, PATIENCE).map(|_| one);
            first_that(&all, accepts)
                .map(Address::Tcp)
                .map_err(|error| StartError::Connect { target: target(), error })
        }
        Place::Unix(path) => Ok(Address::Unix(path.clone())),
    }
}

/// The lines `name:value` of INFO.
#[must_use]
pub fn parse_info(text: &str) -> Info {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

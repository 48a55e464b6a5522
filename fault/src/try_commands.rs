//! `try-commands`: which commands work through a proxy, of those that work at a server behind it.

use std::time::Duration;

use redis::{Connection, RedisError};
use serde_json::json;

use crate::arguments::{Address, address};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::Target;

/// A command without an answer for so long has none: twemproxy drops what it does not know.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
const KEY: &str = "{stallion:tried}:1";
const OTHER: &str = "stallion:tried:2";

/// What is tried, each with a name of its own.
const COMMANDS: [(&str, &[&str]); 25] = [
    ("PING", &["PING"]),
    ("SET", &["SET", KEY, "1"]),
    ("GET", &["GET", KEY]),
    ("INCR", &["INCR", KEY]),
    ("EXPIRE", &["EXPIRE", KEY, "100"]),
    ("MGET of two servers", &["MGET", KEY, OTHER]),
    ("MSET of two servers", &["MSET", KEY, "1", OTHER, "2"]),
    ("DEL of two servers", &["DEL", KEY, OTHER]),
    ("EVAL with a key", &["EVAL", "return 1", "1", KEY]),
    ("EVAL without a key", &["EVAL", "return 1", "0"]),
    ("SCRIPT LOAD", &["SCRIPT", "LOAD", "return 1"]),
    ("MULTI", &["MULTI"]),
    ("WATCH", &["WATCH", KEY]),
    ("BLPOP", &["BLPOP", "stallion:tried:list", "0.05"]),
    ("SUBSCRIBE", &["SUBSCRIBE", "stallion:tried"]),
    ("PUBLISH", &["PUBLISH", "stallion:tried", "1"]),
    ("SELECT", &["SELECT", "0"]),
    ("SCAN", &["SCAN", "0"]),
    ("KEYS", &["KEYS", "stallion:tried:none"]),
    ("DBSIZE", &["DBSIZE"]),
    ("INFO", &["INFO", "server"]),
    ("CLIENT SETNAME", &["CLIENT", "SETNAME", "tried"]),
    ("HELLO 3", &["HELLO", "3"]),
    ("WAIT", &["WAIT", "0", "10"]),
    ("RENAME across servers", &["RENAMENX", "stallion:tried:none", OTHER]),
];

/// Task: try commands at the server and through a proxy, and name those that fail there only
#[derive(Debug, clap::Args)]
pub(crate) struct TryCommands {
    /// The proxy before the server
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    to: Address,
}

impl Fault for TryCommands {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let proxy = endpoint.target.beside(&self.to.host, self.to.port);
        let (mut works, mut broken) = (Vec::new(), Vec::new());
        for (name, words) in COMMANDS {
            if attempt(&endpoint.target, words).is_err_and(|error| is_refusal(&error)) {
                // The server's version has no such command.
                continue;
            }
            match attempt(&proxy, words) {
                Err(error) if is_refusal(&error) => broken.push(name),
                Ok(()) | Err(_) => works.push(name),
            }
            endpoint.wait(Duration::ZERO)?;
        }
        redis::cmd("UNLINK").arg(KEY).arg(OTHER).query::<()>(&mut endpoint.connection)?;
        Ok(Detail::from_iter([
            ("tried".to_owned(), json!(works.len() + broken.len())),
            ("working".to_owned(), json!(works.len())),
            ("broken".to_owned(), json!(broken.len())),
            ("works".to_owned(), json!(works.join(", "))),
            ("breaks".to_owned(), json!(broken.join(", "))),
        ]))
    }
}

/// On a connection of its own, since a proxy closes one for what it does not know.
fn attempt(target: &Target, words: &[&str]) -> Result<(), RedisError> {
    let mut connection: Connection =
        target.connect_unasked().map_err(|error| RedisError::from(std::io::Error::other(error)))?;
    connection.set_read_timeout(Some(ANSWERS_WITHIN))?;
    let mut command = redis::cmd(words.first().copied().unwrap_or_default());
    command.arg(words.get(1..).unwrap_or_default());
    command.query::<redis::Value>(&mut connection).map(drop)
}

/// Whether the command is not had here; an answer such as "no such key" is one, too.
fn is_refusal(error: &RedisError) -> bool {
    if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
        return true;
    }
    let text = error.to_string().to_lowercase();
    ["unknown command", "unsupported", "not supported", "invalid"]
        .iter()
        .any(|word| text.contains(word))
}

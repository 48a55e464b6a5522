//! The URL of a server. One parser for all verbs: user, password and path are percent-decoded, the
//! database is honoured, and what is not supported is refused by name.
//!
//! ```text
//! redis://[user:password@]host[:port][/database]     valkey:// is the same
//! rediss://…                                         by TLS; valkeys:// is the same
//! unix://[user:password@]/path/of/the/socket[?db=N]
//! ```

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::login::Login;
use crate::place::{Place, port_of};

/// The port of a URL without one.
const USUAL_PORT: u16 = 6379;

/// What a URL says. Its `Debug` shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// The place.
    pub place: Place,
    /// User and password, as far as the URL has them.
    pub login: Login,
    /// The database, if one is named.
    pub database: Option<u32>,
    /// It is to be spoken to by TLS.
    pub by_tls: bool,
}

/// Why a URL cannot be understood. No text shows what may be a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("--target {shown}: {reason}")]
pub struct UrlError {
    shown: String,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Reason {
    #[error(
        "give redis://[user:password@]host[:port][/database], rediss:// for TLS, or unix:///path"
    )]
    Scheme,
    #[error("{0}")]
    Host(String),
    #[error("the port is no number from 1 to 65535")]
    Port,
    #[error("the path names the database and is no number: give /0, /1, …")]
    Database,
    #[error("the database is named twice, by the path and by ?db=: leave one out")]
    DatabaseTwice,
    #[error("?{0} is not supported: give only ?db=N; TLS, names and times have flags of their own")]
    Query(String),
    #[error("a fragment (#…) is not supported; a # of a user or password is written as %23")]
    Fragment,
    #[error("a % is not followed by two hexadecimal digits; a % itself is written as %25")]
    Percent,
    #[error("its {0} is no text once it is percent-decoded: write UTF-8")]
    Text(&'static str),
    #[error("the path of a unix socket begins with /: write unix:///run/redis.sock")]
    Path,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`]; its text never shows a password.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        read(text).map_err(|reason| UrlError { shown: without_login(text), reason })
    }
}

fn read(text: &str) -> Result<Url, Reason> {
    let (scheme, rest) = text.split_once("://").ok_or(Reason::Scheme)?;
    let by_tls = match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        "unix" => return unix(rest),
        _ => return Err(Reason::Scheme),
    };
    // A password may hold an @, and a / that a user forgot to encode: the login ends at the last @.
    let (login, place) = split_login(rest)?;
    let (place, queried) = split_query(place)?;
    let (place, path) = place.split_once('/').map_or((place, ""), |(place, path)| (place, path));
    let database = match (path, queried) {
        ("", queried) => queried,
        (path, None) => Some(number(path).ok_or(Reason::Database)?),
        (_, Some(_)) => return Err(Reason::DatabaseTwice),
    };
    let place = host_and_port(place)?;
    Ok(Url { place, login, database, by_tls })
}

fn unix(rest: &str) -> Result<Url, Reason> {
    let (login, path) = match rest.starts_with('/') {
        true => (Login::default(), rest),
        false => split_login(rest)?,
    };
    let (path, database) = split_query(path)?;
    if !path.starts_with('/') {
        return Err(Reason::Path);
    }
    let place = Place::Unix(PathBuf::from(decoded(path, "path")?));
    Ok(Url { place, login, database, by_tls: false })
}

/// User and password, and what stands behind them.
fn split_login(rest: &str) -> Result<(Login, &str), Reason> {
    let Some((login, place)) = rest.rsplit_once('@') else {
        return Ok((Login::default(), rest));
    };
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password, "password")?)),
        None => (login, None),
    };
    let user = decoded(user, "user")?;
    Ok((Login { user: (!user.is_empty()).then_some(user), password }, place))
}

/// What stands before the `?`, and the database that is named behind it.
fn split_query(text: &str) -> Result<(&str, Option<u32>), Reason> {
    if text.contains('#') {
        return Err(Reason::Fragment);
    }
    let Some((before, query)) = text.split_once('?') else { return Ok((text, None)) };
    let mut database = None;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("db", _)) if database.is_some() => return Err(Reason::DatabaseTwice),
            Some(("db", value)) => database = Some(number(value).ok_or(Reason::Database)?),
            // The value may be a password.
            Some((name, _)) => return Err(Reason::Query(format!("{name}="))),
            None => return Err(Reason::Query("…".to_owned())),
        }
    }
    Ok((before, database))
}

/// `host:port`, `host`, `[v6]:port` or `[v6]`.
fn host_and_port(place: &str) -> Result<Place, Reason> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| Reason::Host(no_end(place)))?;
            let port = match behind.strip_prefix(':') {
                Some(port) => Some(port),
                None if behind.is_empty() => None,
                None => return Err(Reason::Port),
            };
            (format!("[{}]", decoded(host, "host")?), port)
        }
        None => {
            let (host, port) = place.split_once(':').map_or((place, None), |(h, p)| (h, Some(p)));
            (decoded(host, "host")?, port)
        }
    };
    let port = port.map_or(Some(USUAL_PORT), port_of).ok_or(Reason::Port)?;
    if host.is_empty() {
        return Err(Reason::Scheme);
    }
    Place::tcp(&host, port).map_err(Reason::Host)
}

fn no_end(place: &str) -> String {
    format!("{place:?} begins with [ and has no ]: write an IPv6 address as [::1]")
}

/// A number of a database: digits only.
fn number(text: &str) -> Option<u32> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

/// `%40` is `@`: each part is decoded once, after the URL was cut.
fn decoded(text: &str, part: &'static str) -> Result<String, Reason> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let [high, low, behind @ ..] = rest else { return Err(Reason::Percent) };
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Reason::Percent);
        bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| Reason::Text(part))
}

/// The URL with stars for whatever may be a login. What stands behind a `?` may be a password, too.
fn without_login(text: &str) -> String {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    let (stars, place) = rest.rsplit_once('@').map_or(("", rest), |(_, place)| ("***@", place));
    let place = place.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{stars}{place}")
}

impl fmt::Display for Url {
    /// The place and the database, without user and password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.place.url(self.by_tls))?;
        match (self.database, &self.place) {
            (None, _) => Ok(()),
            (Some(number), Place::Tcp { .. }) => write!(out, "/{number}"),
            (Some(number), Place::Unix(_)) => write!(out, "?db={number}"),
        }
    }
}

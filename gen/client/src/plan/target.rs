//! Which server, and who to be there.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use stallion_rings::tls::TlsClient;

/// A server's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// How to get in: user and password, and TLS. Its `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// ACL user; none for `default`.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// By TLS, if so.
    pub tls: Option<TlsClient>,
}

impl Credentials {
    /// The server at this address is called so, which is what TLS holds its certificate against.
    pub fn note(&self, address: SocketAddr, host: &str) {
        if let Some(tls) = &self.tls {
            tls.note(address, host);
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials(hidden)")
    }
}

/// Why a `--target` cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Another scheme.
    #[error(
        "--target {0}: give redis://[user:password@]host[:port], rediss:// for TLS, or unix:///path"
    )]
    Scheme(String),
    /// The port is no number.
    #[error("--target {0}: the port is no number from 1 to 65535")]
    Port(String),
}

impl Target {
    /// Reads a URL. That `rediss://` and `valkeys://` mean TLS is for [`Target::wants_tls`] to say.
    ///
    /// # Errors
    /// [`TargetError`]; its text never shows a password.
    pub fn parse(url: &str) -> Result<(Self, Credentials), TargetError> {
        let shown = without_password(url);
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok((Self::Unix(PathBuf::from(path)), Credentials::default()));
        }
        let rest = SCHEMES
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| TargetError::Scheme(shown.clone()))?;
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(l, p)| (Some(l), p));
        let place = place.split('/').next().unwrap_or_default();
        let (host, port) = split_port(place).ok_or_else(|| TargetError::Port(shown.clone()))?;
        if host.is_empty() {
            return Err(TargetError::Scheme(shown));
        }
        let credentials = login.map_or_else(Credentials::default, |login| {
            let (user, password) = login.split_once(':').unwrap_or(("", login));
            Credentials {
                user: (!user.is_empty()).then(|| user.to_owned()),
                password: Some(password.to_owned()),
                tls: None,
            }
        });
        Ok((Self::Tcp { host: host.to_owned(), port }, credentials))
    }

    /// Its URL, by the scheme that these credentials make it spoken to: `rediss` by TLS. Without user
    /// and password.
    #[must_use]
    pub fn url(&self, credentials: &Credentials) -> String {
        let url = self.to_string();
        match url.strip_prefix(SCHEMES[0]) {
            Some(place) if credentials.tls.is_some() => format!("{}{place}", TLS_SCHEMES[0]),
            _ => url,
        }
    }

    /// Whether a URL asks for TLS.
    #[must_use]
    pub fn wants_tls(url: &str) -> bool {
        TLS_SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    }
}

const TLS_SCHEMES: [&str; 2] = ["rediss://", "valkeys://"];

const SCHEMES: [&str; 4] = ["redis://", "valkey://", TLS_SCHEMES[0], TLS_SCHEMES[1]];

/// `host:port`, `host`, `[v6]:port` or `[v6]`.
fn split_port(place: &str) -> Option<(&str, u16)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = after.strip_prefix(':').map_or(Ok(6379), str::parse).ok()?;
        return Some((host, port));
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok().filter(|port| *port > 0)?)),
        None => Some((place, 6379)),
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        (None, Some((_, place))) => format!("***@{place}"),
        _ => url.to_owned(),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => {
                write!(out, "redis://[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(out, "redis://{host}:{port}"),
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood_and_shown_without_secrets() {
        let (target, who) = Target::parse("redis://bob:p@ss@db.example:7000/0").unwrap();
        assert_eq!(target.to_string(), "redis://db.example:7000");
        assert_eq!((who.user.as_deref(), who.password.as_deref()), (Some("bob"), Some("p@ss")));
        assert!(!format!("{who:?}").contains("p@ss"));
        let (target, who) = Target::parse("redis://:secret@[::1]").unwrap();
        assert_eq!(target.to_string(), "redis://[::1]:6379");
        assert_eq!(who.user, None);
        let (target, who) = Target::parse("rediss://:secret@h:6380").unwrap();
        assert_eq!((target.to_string().as_str(), who.user.as_deref()), ("redis://h:6380", None));
        assert_eq!(target.url(&who), "redis://h:6380", "until TLS is set up");
        assert!(Target::wants_tls("rediss://h") && !Target::wants_tls("redis://rediss://"));
        assert_eq!(
            Target::parse("unix:///run/r.sock").unwrap().0,
            Target::Unix("/run/r.sock".into())
        );
    }

    #[test]
    fn bad_urls_are_refused_without_showing_a_password() {
        for url in [
            "http://a",
            "redis://",
            "redis://u:hidden@h:x",
            "u:hidden@h:7000",
            "redis://h:0",
            "rediss://",
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hidden") && error.contains("--target"), "{error}");
        }
    }
}

//! One server to talk to, as the user names it. Its password is never shown.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use thiserror::Error;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server could not be reached.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The address makes no sense. It is not repeated: it may hold a password.
    #[error(
        "the target is no address of a server ({0}); \
         write redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path/to/socket"
    )]
    Address(String),
    /// Nobody answered, or the answer was a refusal.
    #[error("cannot connect to {target}: {error}; {remedy}")]
    Connect {
        /// The server.
        target: String,
        /// What happened.
        error: RedisError,
        /// What to do.
        remedy: &'static str,
    },
}

/// How TLS is spoken where an address asks for it. Files are here as their bytes, which are PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// The authority to trust, instead of those of this host.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate, and its key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
    /// Do not look at the name in the server's certificate.
    pub any_name: bool,
    /// Look at nothing of it.
    pub insecure: bool,
    /// The flags by which the other verbs of this program are told the same.
    pub flags: Vec<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("flags", &self.flags).finish_non_exhaustive()
    }
}

impl Tls {
    fn certificates(&self) -> TlsCertificates {
        let own = |(client_cert, client_key)| ClientTlsConfig { client_cert, client_key };
        TlsCertificates { client_tls: self.own.clone().map(own), root_cert: self.ca.clone() }
    }

    /// A client that may look less closely.
    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        let client = Client::build_with_tls(info, self.certificates())?;
        let info = client.get_connection_info().clone();
        let mut address = info.addr().clone();
        address.set_danger_accept_invalid_hostnames(self.any_name);
        if let ConnectionAddr::TcpTls { insecure, .. } = &mut address {
            *insecure |= self.insecure;
        }
        Client::open(info.set_addr(address))
    }
}

/// One server: its address, and how to log in.
#[derive(Clone)]
pub struct Target {
    info: ConnectionInfo,
    /// How to speak TLS, if so.
    tls: Option<Tls>,
}

impl Target {
    /// Reads `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or `unix:///path`.
    ///
    /// # Errors
    /// [`TargetError::Address`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let info =
            url.into_connection_info().map_err(|error| TargetError::Address(error.to_string()))?;
        Ok(Self::of(info, None, None))
    }

    /// A server on TCP.
    #[must_use]
    pub fn tcp(host: &str, port: u16, user: Option<&str>, password: Option<&str>) -> Self {
        let address = ConnectionAddr::Tcp(host.to_owned(), port);
        match address.clone().into_connection_info() {
            Ok(info) => Self::of(info, user, password),
            // A pair of host and port always is an address.
            Err(_) => unreachable!("{address} is an address"),
        }
    }

    /// The same server by TLS, spoken so.
    #[must_use]
    pub fn by_tls(self, tls: &Tls) -> Self {
        let address = match self.info.addr().clone() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: tls.insecure, tls_params: None }
            }
            _ => return self,
        };
        Self { info: self.info.set_addr(address), tls: Some(tls.clone()) }
    }

    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_by_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Its host and port; loopback and 0 for a unix socket.
    #[must_use]
    pub fn place(&self) -> (&str, u16) {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host, *port)
            }
            _ => ("127.0.0.1", 0),
        }
    }

    /// Another server with the same login; the same host where `host` is empty.
    #[must_use]
    pub fn beside(&self, host: &str, port: u16) -> Self {
        let login = self.info.redis_settings();
        let host = if host.is_empty() { self.place().0 } else { host };
        let other = Self::tcp(host, port, login.username(), login.password());
        if !self.is_by_tls() {
            return other;
        }
        other.by_tls(&self.tls.clone().unwrap_or_default())
    }

    fn of(info: ConnectionInfo, user: Option<&str>, password: Option<&str>) -> Self {
        // CLIENT SETINFO at each connect would show up in the server's commandstats.
        let mut login: RedisConnectionInfo = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(user) = user {
            login = login.set_username(user);
        }
        if let Some(password) = password {
            login = login.set_password(password);
        }
        Self { info: info.set_redis_settings(login), tls: None }
    }

    /// Connects, logs in, and waits for the answer to a PING: a server that wants a password
    /// refuses only commands.
    ///
    /// # Errors
    /// [`TargetError::Connect`] with a remedy.
    pub fn connect(&self) -> Result<Connection, TargetError> {
        let mut connection = self.connect_unasked()?;
        Self::ping(&mut connection).map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    /// Connects and logs in to a server that may refuse every other command, a PING among them.
    ///
    /// # Errors
    /// [`TargetError::Connect`] with a remedy.
    pub fn connect_unasked(&self) -> Result<Connection, TargetError> {
        let info = self.info.clone();
        let client = match &self.tls {
            None => Client::open(info),
            Some(tls) => tls.client(info),
        };
        client
            .and_then(|client| client.get_connection_with_timeout(CONNECT_TIMEOUT))
            .map_err(|error| self.failed(error))
    }

    /// A server that is stopped accepts, and says nothing.
    fn ping(connection: &mut Connection) -> Result<(), RedisError> {
        connection.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        redis::cmd("PING").query::<()>(connection)?;
        connection.set_read_timeout(None)
    }

    fn failed(&self, error: RedisError) -> TargetError {
        TargetError::Connect { target: self.to_string(), remedy: remedy(&error), error }
    }

    /// Whether the server is on this host, so that its process can be one of ours.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
            ConnectionAddr::Unix(_) => true,
            _ => false,
        }
    }
}

fn remedy(error: &RedisError) -> &'static str {
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => return "give the right --user and -a/--pass",
        Some("LOADING") => return "the server still loads its data: wait and try again",
        _ => {}
    }
    if error.to_string().contains("certificate") {
        return "give --tls-ca with the authority of the server's certificate, --tls-any-name if it is \
                made for another name, or --tls-cert and --tls-key if it wants one of yours";
    }
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        "give the right --user and -a/--pass"
    } else if error.is_io_error() || error.is_timeout() {
        "check that a server listens there and that -h/--host and -p/--port name it"
    } else {
        "check that it is a Redis or Valkey server"
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info.addr() {
            ConnectionAddr::Unix(path) => write!(f, "unix://{}", path.display()),
            address @ ConnectionAddr::TcpTls { .. } => write!(f, "rediss://{address}"),
            address => write!(f, "redis://{address}"),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let urls = Target::parse("redis://me:hunter2@10.0.0.1:7000/3").unwrap();
        let flags = Target::tcp("10.0.0.1", 7000, Some("me"), Some("hunter2"));
        for target in [urls, flags] {
            assert_eq!(target.to_string(), "redis://10.0.0.1:7000");
            let by_tls = target.clone().by_tls(&Tls::default()).beside("10.0.0.2", 7001);
            assert_eq!(by_tls.to_string(), "rediss://10.0.0.2:7001");
            assert!(!format!("{target:?}").contains("hunter2"));
            assert!(!target.is_local());
        }
        let error = Target::parse("http://me:hunter2@host").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        for url in
            ["redis://127.0.0.1:1", "redis://localhost:1", "unix:///tmp/s", "redis://[::1]:1"]
        {
            assert!(Target::parse(url).unwrap().is_local(), "{url}");
        }
    }

    #[test]
    fn a_closed_port_is_an_error_with_a_remedy() {
        // Port 1 needs root to be listened on, and nobody does.
        let error = Target::tcp("127.0.0.1", 1, None, None).connect().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("-p/--port"), "{error}");
    }
}

//! One server to talk to, as the user names it, by the crate `redis`: the connection of everything that
//! asks a server questions and does not drive it. Its password is never shown.

use std::fmt;
use std::time::Duration;

use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use thiserror::Error;

use crate::login::{GivenLogin, Login, LoginError, environment};
use crate::place::Place;
use crate::url::{Url, UrlError};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server could not be reached.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The address makes no sense.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// User and password do not go together.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// There was no answer, or the answer was a refusal.
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

/// One server: its place, its database, and how to log in.
#[derive(Clone)]
pub struct Target {
    place: Place,
    login: Login,
    database: Option<u32>,
    /// It is spoken to by TLS, in this way.
    tls: Option<Tls>,
}

impl Target {
    /// Reads a URL of any form that [`Url`] knows. The environment's password stands in for one that
    /// the URL does not have.
    ///
    /// # Errors
    /// [`TargetError::Url`], and [`TargetError::Login`] for a user without a password.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let Url { place, login, database, by_tls } = Url::parse(url)?;
        let login = GivenLogin { url: login, environment: environment(), ..GivenLogin::default() }
            .combined()?;
        let target = Self::new(place, login, database);
        Ok(if by_tls { target.by_tls(&Tls::default()) } else { target })
    }

    /// A server at a place, in the clear.
    #[must_use]
    pub const fn new(place: Place, login: Login, database: Option<u32>) -> Self {
        Self { place, login, database, tls: None }
    }

    /// A server on TCP.
    #[must_use]
    pub fn tcp(host: &str, port: u16, user: Option<&str>, password: Option<&str>) -> Self {
        let text = |text: &str| text.to_owned();
        let login = Login { user: user.map(text), password: password.map(text) };
        Self::new(Place::Tcp { host: host.to_owned(), port }, login, None)
    }

    /// The same server by TLS, spoken so; a unix socket has none.
    #[must_use]
    pub fn by_tls(mut self, tls: &Tls) -> Self {
        self.tls = matches!(self.place, Place::Tcp { .. }).then(|| tls.clone());
        self
    }

    /// Its host and port; loopback and 0 for a unix socket.
    #[must_use]
    pub fn place(&self) -> (&str, u16) {
        match &self.place {
            Place::Tcp { host, port } => (host, *port),
            Place::Unix(_) => ("127.0.0.1", 0),
        }
    }

    /// The database that is named, if one is; its connections select it.
    #[must_use]
    pub const fn database(&self) -> Option<u32> {
        self.database
    }

    /// Another server with the same login; the same host where `host` is empty.
    #[must_use]
    pub fn beside(&self, host: &str, port: u16) -> Self {
        let host = if host.is_empty() { self.place().0 } else { host };
        Self { place: Place::Tcp { host: host.to_owned(), port }, ..self.clone() }
    }

    /// As the crate `redis` takes it.
    fn info(&self) -> RedisResult<ConnectionInfo> {
        let address = match (&self.place, &self.tls) {
            (Place::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
            (Place::Tcp { host, port }, None) => ConnectionAddr::Tcp(host.clone(), *port),
            (Place::Tcp { host, port }, Some(tls)) => {
                let (host, port, insecure) = (host.clone(), *port, tls.insecure);
                ConnectionAddr::TcpTls { host, port, insecure, tls_params: None }
            }
        };
        // CLIENT SETINFO at each connect would show up in the server's commandstats.
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(user) = &self.login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.login.password {
            settings = settings.set_password(password);
        }
        let settings = settings.set_db(i64::from(self.database.unwrap_or(0)));
        Ok(address.into_connection_info()?.set_redis_settings(settings))
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
        let client = self.info().and_then(|info| match &self.tls {
            None => Client::open(info),
            Some(tls) => tls.client(info),
        });
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
        self.place.is_local()
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
        f.write_str(&self.place.url(self.tls.is_some()))
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
        for url in ["http://me:hunter2@host", "redis://hunter2@host"] {
            let error = Target::parse(url).map(|_| ()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_closed_port_is_an_error_with_a_remedy() {
        // Port 1 needs root to be listened on.
        let error = Target::tcp("127.0.0.1", 1, None, None).connect().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("-p/--port"), "{error}");
    }
}

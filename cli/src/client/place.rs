//! The flags that name a server, the same for all verbs: where it is, who to be there, which database.

use std::net::SocketAddr;

use stallion_client::plan::{self, Credentials};
use stallion_server::login::{GivenLogin, Login, environment};
use stallion_server::{self as server, Url};

use super::Tls;
use super::topology::Shape;
use crate::exit::Failure;

/// Which server, and who to be there.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Server, as redis://[user:password@]host[:port][/database], rediss:// for TLS, or
    /// unix://[user:password@]/path[?db=N]; user and password are percent-decoded. `drive` also takes
    /// null, the null server, which it starts itself
    #[arg(long, value_name = "URL", conflicts_with_all = ["host", "port"])]
    target: Option<String>,
    /// Host of the server; all addresses of a name are tried
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server
    #[arg(short, long, default_value_t = 6379)]
    port: u16,
    /// User name (ACL); it needs a password, by -a, REDISCLI_AUTH or --target
    #[arg(long)]
    user: Option<String>,
    /// Password; REDISCLI_AUTH in the environment hides it from `ps`
    #[arg(short = 'a', long)]
    pass: Option<String>,
    #[command(flatten)]
    tls: Tls,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Place {
    /// What the flags, the URL and the environment say together.
    fn named(&self) -> Result<Url, Failure> {
        let url = match &self.target {
            Some(url) => Url::parse(url).map_err(Failure::usage)?,
            None => {
                let wrong = |what| Failure::usage(format!("-h/--host: {what}"));
                let place = server::Place::tcp(&self.host, self.port).map_err(wrong)?;
                Url { place, login: Login::default(), database: None, by_tls: false }
            }
        };
        let given = GivenLogin {
            user: self.user.clone(),
            password: self.pass.clone(),
            url: url.login,
            environment: environment(),
        };
        let login = given.combined().map_err(Failure::usage)?;
        let by_tls = self.tls.wanted(url.by_tls)?.is_some();
        if by_tls && matches!(url.place, server::Place::Unix(_)) {
            return Err(Failure::usage("a unix socket is without TLS: leave out --tls"));
        }
        Ok(Url { login, by_tls, ..url })
    }

    /// The server for those who ask it questions instead of driving it.
    pub(crate) fn lab_target(&self) -> Result<server::Target, Failure> {
        let Url { place, login, database, by_tls } = self.named()?;
        let target = server::Target::new(place, login, database);
        Ok(match self.tls.lab(by_tls)? {
            Some(tls) => target.by_tls(&tls),
            None => target,
        })
    }
}

/// The server, and how to speak to it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    #[command(flatten)]
    place: Place,
    /// Speak RESP3 (HELLO 3) instead of RESP2
    #[arg(long)]
    pub(crate) resp3: bool,
    /// Database that every connection selects [default: the one of --target, or 0]
    #[arg(long, value_name = "N")]
    db: Option<u32>,
    /// Name that every connection gives itself (CLIENT SETNAME)
    #[arg(long, value_name = "NAME")]
    pub(crate) client_name: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

impl Server {
    /// Whether the server is to be the null server, in this process.
    pub(crate) fn is_null(&self) -> bool {
        self.place.target.as_deref() == Some("null")
    }

    /// Whether --tls is given, or another flag of TLS, which is wrong without it.
    pub(crate) fn wants_tls(&self) -> Result<bool, Failure> {
        Ok(self.place.tls.wanted(false)?.is_some())
    }

    /// The same flags, with a server of ours, which takes any login.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        let target = Some(format!("redis://{address}"));
        let tls = Tls::default();
        let place = Place { target, user: None, pass: None, tls, ..self.place.clone() };
        Self { place, ..self.clone() }
    }

    /// What the target is.
    pub(crate) fn topology(&self) -> Result<plan::Topology, Failure> {
        self.shape.read()
    }

    /// The database that is named, if one is.
    pub(crate) fn named_database(&self) -> Result<Option<u32>, Failure> {
        let by_url = self.place.named()?.database;
        match (self.db, by_url) {
            (Some(flag), Some(url)) if flag != url => Err(Failure::usage(format!(
                "--db {flag} and the database {url} of --target differ: leave one out"
            ))),
            (flag, url) => Ok(flag.or(url)),
        }
    }

    /// The database that requests go to.
    pub(crate) fn database(&self) -> Result<u32, Failure> {
        let database = self.named_database()?.unwrap_or(0);
        if database > 0 && matches!(self.topology()?, plan::Topology::Cluster { .. }) {
            return Err(Failure::usage(format!(
                "database {database}: a cluster has only database 0; leave out --db and the path of \
                 --target"
            )));
        }
        Ok(database)
    }

    /// Where it is, and who to be there.
    pub(crate) fn resolve(&self) -> Result<(server::Place, Credentials), Failure> {
        let Url { place, login, by_tls, .. } = self.place.named()?;
        let tls = self.place.tls.client(by_tls)?;
        let credentials = Credentials { user: login.user, password: login.password, tls };
        if let (None, Some(first)) = (&self.place.target, self.shape.first()) {
            return Ok((first, credentials));
        }
        Ok((place, credentials))
    }
}

//! Who to be on a server, and how to speak to it.

use std::fmt;
use std::net::SocketAddr;

use stallion_rings::tls::TlsClient;
use stallion_server::Place;

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

    /// The URL of a place, by the scheme that these credentials make it spoken to: `rediss` by TLS.
    /// Without user and password.
    #[must_use]
    pub fn url(&self, place: &Place) -> String {
        place.url(self.tls.is_some())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials(hidden)")
    }
}

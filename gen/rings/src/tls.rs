//! TLS as a client has it: whom it trusts, who it is, and what a server must be called. Bytes only:
//! `control/trust.rs` reads the files, and `worker/ring/tls.rs` speaks it.

mod checks;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use thiserror::Error;

use checks::Lenient;

/// What of a server's certificate must be right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// Who issued it, its time, and its name.
    #[default]
    Name,
    /// Who issued it and its time, whatever name it was made for, as redis-cli has it.
    Issuer,
    /// Nothing at all.
    Nothing,
}

/// Whom a client trusts, and who it is.
#[derive(Debug, Default)]
pub struct Identity {
    /// Authorities that may issue a server's certificate.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The client's own certificate, with those that lead to its authority, and its key.
    pub own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// The name that is asked for, and that the certificate must have, instead of each server's own.
    pub sni: Option<String>,
    /// What must be right.
    pub checked: Checked,
    /// A connection after the first to a server may take up the session of an earlier one, which is
    /// cheaper for both.
    pub resume: bool,
}

/// Why a client cannot be. Each text names the flag and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsError {
    /// No host has such a name.
    #[error("--tls-sni {0:?} is no name of a host: give one as it stands in the certificate")]
    Name(String),
    /// An authority that is none.
    #[error("--tls-ca: {0}; give the certificate of the authority, as PEM")]
    Authority(String),
    /// Certificate and key do not fit.
    #[error("--tls-cert and --tls-key cannot be used together: {0}; give a pair, as PEM")]
    Pair(String),
    /// The library.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// A client of TLS. Clones are one and the same.
#[derive(Clone)]
pub struct TlsClient(Arc<Inner>);

struct Inner {
    config: Arc<ClientConfig>,
    sni: Option<ServerName<'static>>,
    checked: Checked,
    own: bool,
    resume: bool,
    /// What the servers at these addresses are called; looked up when a connection is opened.
    names: Mutex<HashMap<SocketAddr, ServerName<'static>>>,
}

impl TlsClient {
    /// A client with an identity.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(identity: Identity) -> Result<Self, TlsError> {
        let Identity { authorities, own, sni, checked, resume } = identity;
        let wrong = |name: &String| TlsError::Name(name.clone());
        let name = |name: String| ServerName::try_from(name.clone()).map_err(|_| wrong(&name));
        let sni = sni.map(name).transpose()?;
        let (provider, has_own) = (Arc::new(default_provider()), own.is_some());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        let builder = match checked {
            Checked::Name => builder.with_root_certificates(roots(authorities)?),
            Checked::Issuer | Checked::Nothing => {
                let lenient = lenient(authorities, checked, provider)?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(lenient))
            }
        };
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::Pair(error.to_string()))?,
        };
        if !resume {
            config.resumption = Resumption::disabled();
        }
        let (config, names) = (Arc::new(config), Mutex::default());
        Ok(Self(Arc::new(Inner { config, sni, checked, own: has_own, resume, names })))
    }

    /// What rustls needs to know.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.config)
    }

    /// The server at this address is called so. What is no name is not kept: its address is known.
    pub fn note(&self, address: SocketAddr, host: &str) {
        if let Ok(name @ ServerName::DnsName(_)) = ServerName::try_from(host.to_owned()) {
            self.names().insert(address, name);
        }
    }

    /// What the server at an address must be called: the name that was asked for, its own, or else
    /// its address.
    #[must_use]
    pub fn name_of(&self, address: SocketAddr) -> ServerName<'static> {
        let noted = || self.names().get(&address).cloned();
        let own = || ServerName::IpAddress(address.ip().into());
        self.0.sni.clone().or_else(noted).unwrap_or_else(own)
    }

    /// What of a server's certificate must be right.
    #[must_use]
    pub fn checked(&self) -> Checked {
        self.0.checked
    }

    /// Whether it shows a certificate of its own.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.0.own
    }

    /// Whether sessions are taken up again.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.0.resume
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, ServerName<'static>>> {
        // A map that somebody panicked over is whole.
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| TlsError::Authority(error.to_string()))?;
    }
    Ok(roots)
}

fn lenient(
    authorities: Vec<CertificateDer<'static>>,
    checked: Checked,
    provider: Arc<CryptoProvider>,
) -> Result<Lenient, TlsError> {
    let algorithms = provider.signature_verification_algorithms;
    let issuer = match checked {
        Checked::Nothing => None,
        Checked::Name | Checked::Issuer => {
            let roots = Arc::new(roots(authorities)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            Some(verifier.map_err(|error| TlsError::Authority(error.to_string()))?)
        }
    };
    Ok(Lenient { issuer, algorithms })
}

impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TlsClient {}

impl fmt::Debug for TlsClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsClient").field("checked", &self.0.checked).finish_non_exhaustive()
    }
}

/// What a hand-shake came to, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What of the server's certificate was looked at.
    pub checked: Checked,
    /// The client showed a certificate of its own.
    pub client_certificate: bool,
    /// Sessions are taken up again.
    pub resumes: bool,
    /// Whether the kernel could do it, and that it does not.
    pub kernel: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(sni: Option<&str>) -> TlsClient {
        let sni = sni.map(str::to_owned);
        TlsClient::new(Identity { sni, checked: Checked::Nothing, ..Identity::default() }).unwrap()
    }

    #[test]
    fn a_server_is_called_as_it_was_noted_unless_a_name_is_asked_for() {
        let address: SocketAddr = "127.0.0.1:7000".parse().unwrap();
        let own = client(None);
        assert_eq!(own.name_of(address).to_str(), "127.0.0.1");
        own.note(address, "redis.example");
        own.note(address, "no name at all");
        own.note(address, "127.0.0.1");
        assert_eq!(own.name_of(address).to_str(), "redis.example");
        let asked = client(Some("other.example"));
        asked.note(address, "redis.example");
        assert_eq!(asked.name_of(address).to_str(), "other.example");
    }

    #[test]
    fn what_is_no_name_or_no_authority_is_refused() {
        let named = |sni: &str| Identity { sni: Some(sni.to_owned()), ..Identity::default() };
        assert!(matches!(TlsClient::new(named("a b")), Err(TlsError::Name(_))));
        let authorities = vec![CertificateDer::from(vec![1, 2, 3])];
        let error = TlsClient::new(Identity { authorities, ..Identity::default() }).unwrap_err();
        assert!(error.to_string().contains("--tls-ca"), "{error}");
    }
}

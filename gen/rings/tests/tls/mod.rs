//! Certificates for tests, and the settings of a redis-server that uses them. The tests of the binary
//! use them, too.

#![allow(dead_code, reason = "not every test needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// A name that no host has and one certificate is for.
pub(crate) const NAME: &str = "redis.test";

/// Two authorities; the first has issued a certificate for this host's loopback (`host`), one for
/// [`NAME`] alone (`named`), and one for a client (`client`); the second one for a client (`foreign`).
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: TempDir,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let all = Self { folder: tempfile::tempdir().unwrap() };
        let (ours, other) = (authority("Test authority"), authority("Another authority"));
        std::fs::write(all.certificate("authority"), ours.pem()).unwrap();
        std::fs::write(all.certificate("other"), other.pem()).unwrap();
        all.issue("host", &["127.0.0.1", "localhost"], &ours);
        all.issue("named", &[NAME], &ours);
        all.issue("client", &["client.test"], &ours);
        all.issue("foreign", &["client.test"], &other);
        all
    }

    fn issue(&self, file: &str, names: &[&str], issuer: &CertifiedIssuer<'_, KeyPair>) {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        std::fs::write(self.certificate(file), certificate.pem()).unwrap();
        std::fs::write(self.key(file), key.serialize_pem()).unwrap();
    }

    /// The file of a certificate.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// The file of its key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }

    /// What a redis-server needs to speak TLS with a certificate at a port; `clients` is its
    /// tls-auth-clients.
    pub(crate) fn settings(&self, certificate: &str, port: u16, clients: &str) -> Vec<String> {
        let settings = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", self.certificate(certificate).display().to_string()),
            ("--tls-key-file", self.key(certificate).display().to_string()),
            ("--tls-ca-cert-file", self.certificate("authority").display().to_string()),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

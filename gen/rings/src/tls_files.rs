//! The files of TLS: authorities, and the client's own certificate and key.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::tls::{Checked, Identity, TlsClient, TlsError};

/// What a user gives.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Authorities to trust, instead of those of the host.
    pub ca: Option<PathBuf>,
    /// The client's certificate, with those that lead to its authority, and its key.
    pub own: Option<(PathBuf, PathBuf)>,
    /// The name that a server must have, instead of its own.
    pub sni: Option<String>,
    /// What must be right of its certificate.
    pub checked: Checked,
    /// Take sessions up again.
    pub resume: bool,
}

/// Why they are of no use. Each text names the flag and a remedy.
#[derive(Debug, Error)]
pub enum TrustError {
    /// A file that cannot be read, or is no such file.
    #[error("{flag} {path}: {reason}; give a readable file in PEM (-----BEGIN …)")]
    File {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host trusts nobody.
    #[error(
        "this host has no certificates of authorities ({0}): install ca-certificates, or give the \
         authority of the server with --tls-ca"
    )]
    NoRoots(String),
    /// They do not fit.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Reads the files.
///
/// # Errors
/// [`TrustError`].
pub fn read(files: &TlsFiles) -> Result<TlsClient, TrustError> {
    let authorities = match &files.ca {
        _ if files.checked == Checked::Nothing => Vec::new(),
        Some(path) => certificates("--tls-ca", path)?,
        None => roots_of_this_host()?,
    };
    let own = match &files.own {
        None => None,
        Some((chain, key)) => {
            let wrong = |error| unreadable("--tls-key", key, &error);
            let chain = certificates("--tls-cert", chain)?;
            Some((chain, PrivateKeyDer::from_pem_file(key).map_err(wrong)?))
        }
    };
    let (sni, checked, resume) = (files.sni.clone(), files.checked, files.resume);
    Ok(TlsClient::new(Identity { authorities, own, sni, checked, resume })?)
}

fn certificates(
    flag: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |error| unreadable(flag, path, &error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect();
    let found = found.map_err(wrong)?;
    if found.is_empty() { Err(wrong(PemError::NoItemsFound)) } else { Ok(found) }
}

fn unreadable(flag: &'static str, path: &Path, error: &PemError) -> TrustError {
    let reason = match error {
        PemError::NoItemsFound if flag == "--tls-key" => "there is no private key in it".to_owned(),
        PemError::NoItemsFound => "there is no certificate in it".to_owned(),
        PemError::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    TrustError::File { flag, path: path.display().to_string(), reason }
}

/// Those that cannot be read are passed over, as long as there are others.
fn roots_of_this_host() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TrustError::NoRoots(reasons.join(", ")));
    }
    Ok(found.certs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_told_with_its_flag() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let ca = |path: &Path| TlsFiles { ca: Some(path.to_owned()), ..TlsFiles::default() };
        let text = |files: TlsFiles| read(&files).unwrap_err().to_string();
        assert!(
            text(ca(&empty)).contains("--tls-ca") && text(ca(&empty)).contains("no certificate")
        );
        assert!(text(ca(Path::new("/nowhere.pem"))).contains("No such file"));
        let own = TlsFiles {
            checked: Checked::Nothing,
            own: Some((empty.clone(), empty)),
            ..TlsFiles::default()
        };
        assert!(text(own).contains("--tls-cert"));
    }
}

//! The flags of TLS.

use std::path::PathBuf;

use stallion_rings::tls::{Checked, TlsClient};
use stallion_rings::tls_files;
use stallion_rings::tls_files::TlsFiles;

use crate::exit::Failure;

/// TLS: by --tls or a rediss:// address.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Tls {
    /// Speak TLS; rediss:// in --target means the same
    #[arg(long)]
    tls: bool,
    /// Certificate of the authority to trust, as PEM [default: those of this host]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Certificate to show to the server, with those that lead to its authority, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of --tls-cert, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name to ask for (SNI) that the certificate must have [default: the host; of a cluster's nodes,
    /// what the cluster calls each]
    #[arg(long, value_name = "NAME")]
    tls_sni: Option<String>,
    /// Look at who issued the certificate, and not at its name, as redis-cli does
    #[arg(long)]
    tls_any_name: bool,
    /// Look at nothing of the certificate: anybody may be the server
    #[arg(long, conflicts_with_all = ["tls_any_name", "tls_ca"])]
    tls_insecure: bool,
    /// Let connections take up the session of an earlier one, which makes them cheaper; most clients of
    /// Redis do not
    #[arg(long)]
    tls_resume: bool,
}

impl Tls {
    /// The files and names, if TLS is asked for; `by_address` says that the server's address asks.
    pub(crate) fn wanted(&self, by_address: bool) -> Result<Option<TlsFiles>, Failure> {
        if self.tls || by_address {
            return Ok(Some(TlsFiles {
                ca: self.tls_ca.clone(),
                own: self.tls_cert.clone().zip(self.tls_key.clone()),
                sni: self.tls_sni.clone(),
                checked: match (self.tls_insecure, self.tls_any_name) {
                    (true, _) => Checked::Nothing,
                    (false, true) => Checked::Issuer,
                    (false, false) => Checked::Name,
                },
                resume: self.tls_resume,
            }));
        }
        let given = [
            (self.tls_ca.is_some(), "--tls-ca"),
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_sni.is_some(), "--tls-sni"),
            (self.tls_any_name, "--tls-any-name"),
            (self.tls_insecure, "--tls-insecure"),
            (self.tls_resume, "--tls-resume"),
        ];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            None => Ok(None),
            Some((_, flag)) => {
                let text = format!("{flag} is about TLS: give --tls, too, or --target rediss://…");
                Err(Failure::usage(text))
            }
        }
    }

    /// The same for the lab's own connections, which look at the name in a certificate only without
    /// --tls-sni: they ask for the server by its host.
    pub(crate) fn lab(&self, by_address: bool) -> Result<Option<stallion_server::Tls>, Failure> {
        let Some(files) = self.wanted(by_address)? else { return Ok(None) };
        // Whatever is wrong with the files is said in the words of the other verbs.
        tls_files::read(&files).map_err(Failure::usage)?;
        let bytes = |path: &PathBuf| std::fs::read(path).map_err(Failure::usage);
        let own = files.own.as_ref().map(|(certificate, key)| {
            bytes(certificate).and_then(|certificate| Ok((certificate, bytes(key)?)))
        });
        Ok(Some(stallion_server::Tls {
            ca: files.ca.as_ref().map(bytes).transpose()?,
            own: own.transpose()?,
            any_name: files.checked != Checked::Name || files.sni.is_some(),
            insecure: files.checked == Checked::Nothing,
            flags: self.flags(),
        }))
    }

    /// The flags as they were given; with any of them TLS is spoken.
    fn flags(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let values = [
            ("--tls-ca", path(&self.tls_ca)),
            ("--tls-cert", path(&self.tls_cert)),
            ("--tls-key", path(&self.tls_key)),
            ("--tls-sni", self.tls_sni.clone()),
        ];
        let switches = [
            ("--tls-any-name", self.tls_any_name),
            ("--tls-insecure", self.tls_insecure),
            ("--tls-resume", self.tls_resume),
        ];
        let values = values
            .into_iter()
            .filter_map(|(flag, value)| Some([flag.to_owned(), value?]))
            .flatten();
        let switches =
            switches.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag.to_owned());
        ["--tls".to_owned()].into_iter().chain(values).chain(switches).collect()
    }

    /// The client, if TLS is asked for.
    pub(crate) fn client(&self, by_address: bool) -> Result<Option<TlsClient>, Failure> {
        let files = self.wanted(by_address)?;
        files.map(|files| tls_files::read(&files).map_err(Failure::usage)).transpose()
    }
}

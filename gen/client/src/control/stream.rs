//! A blocking connection to a server, with TLS or without, and what its errors mean.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustls::{CertificateError, ClientConnection, Error, StreamOwned};
use socket2::Socket;

use crate::plan::Credentials;
use stallion_rings::socket::Address;

/// Bytes in and out, in the clear.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    /// Speaks TLS over a socket that is open, if the credentials say so.
    ///
    /// # Errors
    /// What the hand-shake came to.
    pub(super) fn over(
        mut socket: Socket,
        address: &Address,
        credentials: &Credentials,
    ) -> io::Result<Self> {
        let Some((tls, address)) = credentials.tls.as_ref().zip(address.tcp()) else {
            return Ok(Self::Plain(socket));
        };
        let connection = ClientConnection::new(tls.config(), tls.name_of(address));
        let mut connection = connection.map_err(io::Error::other)?;
        connection.complete_io(&mut socket)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// The version of TLS and its cipher, as they are called.
    pub(super) fn agreed(&self) -> Option<(String, String)> {
        let Self::Tls(stream) = self else { return None };
        let version = stream.conn.protocol_version()?.as_str()?;
        let cipher = stream.conn.negotiated_cipher_suite()?.suite().as_str()?;
        Some((version.replace('_', "."), cipher.to_owned()))
    }

    /// A read waits so long at most.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(patience))
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(part),
            // Servers that end a connection seldom say so in TLS.
            Self::Tls(stream) => match stream.read(part) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// What TLS says in an error of a stream, and what to do about it; none for an error of the network.
pub(super) fn refusal(error: &io::Error) -> Option<(String, &'static str)> {
    let error: &Error = error.get_ref()?.downcast_ref()?;
    Some((error.to_string(), remedy(error)))
}

fn remedy(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the authority that issued its certificate is not trusted here: give that authority's \
             certificate with --tls-ca, or none at all to trust those of this host"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "give the name that stands in the certificate with --tls-sni, or --tls-any-name, which is \
             how redis-cli checks"
        }
        Error::InvalidCertificate(_) => {
            "have the server's certificate renewed, or look at none with --tls-insecure"
        }
        Error::AlertReceived(_) => {
            "it may want a certificate of the client: give --tls-cert and --tls-key, from an \
             authority that it trusts (its tls-ca-cert-file)"
        }
        Error::InvalidMessage(_) => {
            "this port may be without TLS: leave out --tls, or give another"
        }
        Error::PeerIncompatible(_) => "it must offer TLS 1.2 or 1.3: see its tls-protocols",
        _ => "see the server's log",
    }
}

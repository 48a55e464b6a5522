//! A connection for control traffic that waits for many at once.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::greeting::greeting;
use crate::plan::Credentials;
use stallion_resp::encoder::request;
use stallion_resp::tree::Tree;
use stallion_rings::socket::Address;
use stallion_server::place::in_order;

/// Bytes in and out, in the clear.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection of tokio's.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    input: BytesMut,
}

/// All addresses that a host has now, in the order in which they are tried.
pub(super) async fn addresses_now(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(in_order(tokio::net::lookup_host((host, port)).await?.collect()))
}

impl Line {
    /// Opens one and greets, in RESP2.
    pub(super) async fn open(
        address: &Address,
        credentials: &Credentials,
    ) -> std::io::Result<Self> {
        let stream: Box<dyn Stream> = match (address, &credentials.tls) {
            (Address::Unix(path), _) => Box::new(UnixStream::connect(path).await?),
            (Address::Tcp(address), None) => Box::new(TcpStream::connect(address).await?),
            (Address::Tcp(address), Some(tls)) => {
                let stream = TcpStream::connect(address).await?;
                let connector = TlsConnector::from(tls.config());
                Box::new(connector.connect(tls.name_of(*address), stream).await?)
            }
        };
        let mut line = Self { stream, input: BytesMut::new() };
        line.exchange(&greeting(credentials, false).bytes).await?;
        Ok(line)
    }

    /// Asks one question.
    pub(super) async fn ask(&mut self, words: &[&[u8]]) -> std::io::Result<Tree> {
        self.exchange(&request(words)).await
    }

    async fn exchange(&mut self, bytes: &[u8]) -> std::io::Result<Tree> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        loop {
            let mut rest = &self.input[..];
            if let Some(tree) = Tree::read(&mut rest).map_err(std::io::Error::other)? {
                let left = rest.len();
                let read = self.input.len() - left;
                let _ = self.input.split_to(read);
                return Ok(tree);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

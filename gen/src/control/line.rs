//! A connection for control traffic that waits for many at once.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::greeting::greeting;
use crate::plan::Credentials;
use crate::resp::command::request;
use crate::resp::tree::Tree;
use crate::shard::ring::socket::Address;

/// A connection of tokio's.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    input: BytesMut,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Line {
    /// Opens one and greets, in RESP2.
    pub(super) async fn open(
        address: &Address,
        credentials: &Credentials,
    ) -> std::io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => Stream::Tcp(TcpStream::connect(address).await?),
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
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
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes).await?,
            Stream::Unix(stream) => stream.write_all(bytes).await?,
        }
        loop {
            let mut rest = &self.input[..];
            if let Some(tree) = Tree::read(&mut rest).map_err(std::io::Error::other)? {
                let left = rest.len();
                let read = self.input.len() - left;
                let _ = self.input.split_to(read);
                return Ok(tree);
            }
            let length = match &mut self.stream {
                Stream::Tcp(stream) => stream.read_buf(&mut self.input).await?,
                Stream::Unix(stream) => stream.read_buf(&mut self.input).await?,
            };
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

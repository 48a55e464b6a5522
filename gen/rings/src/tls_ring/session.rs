//! One connection's TLS: bytes in, bytes out, and no system calls.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{Error, InvalidMessage};

use crate::tls::TlsClient;

/// What a record adds to its bytes, with room to spare: five of header, eight of nonce in TLS 1.2, one
/// of type in TLS 1.3, sixteen of tag.
const RECORD_OVERHEAD: usize = 64;

/// Bytes of the clear in one record at most.
const RECORD_BYTES: usize = 16 << 10;

/// Messages of TLS's own that wait for the next request (a change of keys has some 30 bytes).
const MAX_OWN_BYTES: usize = 512;

/// Room for `clear` bytes and what TLS itself may have to say before them.
pub(super) const fn sealed_bytes(clear: usize) -> usize {
    clear + (clear / RECORD_BYTES + 1) * RECORD_OVERHEAD + MAX_OWN_BYTES
}

/// Where a session stands when all that came has been taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The hand-shake goes on.
    Greeting,
    /// Requests may be sent.
    Ready,
    /// The peer has ended it.
    Ended,
}

/// One connection's TLS.
pub(super) struct Session {
    tls: UnbufferedClientConnection,
    /// Of a record, or of a message of the hand-shake, what has come so far.
    rest: Vec<u8>,
    /// What TLS itself has to say.
    own: Vec<u8>,
}

impl Session {
    pub(super) fn new(client: &TlsClient, name: ServerName<'static>) -> Result<Self, Error> {
        let tls = UnbufferedClientConnection::new(client.config(), name)?;
        Ok(Self { tls, rest: Vec::new(), own: Vec::new() })
    }

    /// What TLS itself has to say: all of it goes out before any request.
    pub(super) const fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// Whether the peer made it say more than can wait for a request.
    pub(super) const fn is_flooded(&self) -> bool {
        self.own.len() > MAX_OWN_BYTES
    }

    /// Takes in what came; what it says in the clear is added to `clear`. `work` is memory to work in.
    pub(super) fn open(
        &mut self,
        bytes: &[u8],
        work: &mut Vec<u8>,
        clear: &mut Vec<u8>,
    ) -> Result<Standing, Error> {
        work.clear();
        work.extend_from_slice(&self.rest);
        work.extend_from_slice(bytes);
        let mut done = 0;
        let standing = loop {
            let UnbufferedStatus { discard, state } =
                self.tls.process_tls_records(&mut work[done..]);
            done += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        done += record.discard;
                        clear.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, &mut self.own),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake => break Standing::Greeting,
                ConnectionState::WriteTraffic(_) => break Standing::Ready,
                ConnectionState::PeerClosed | ConnectionState::Closed => break Standing::Ended,
                // Only servers read early data.
                _ => return Err(InvalidMessage::InvalidEmptyPayload.into()),
            }
        };
        self.rest.clear();
        self.rest.extend_from_slice(&work[done..]);
        Ok(standing)
    }

    /// Turns requests into records, after what TLS itself has to say; how many bytes that makes.
    pub(super) fn seal(&mut self, clear: &[u8], sealed: &mut [u8]) -> Result<usize, Error> {
        loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.rest);
            let wrote = match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(&mut data, &mut self.own);
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    None
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    let before = self.own.len();
                    let room = sealed.split_at_mut_checked(before);
                    let (own, rest) = room.ok_or(Error::EncryptError)?;
                    own.copy_from_slice(&self.own);
                    let length = traffic.encrypt(clear, rest).map_err(|error| match error {
                        EncryptError::InsufficientSize(_) => Error::EncryptError,
                        // TLS 1.2 cannot change its keys: a new connection has new ones.
                        EncryptError::EncryptExhausted => {
                            Error::General("the keys of TLS 1.2 are used up".to_owned())
                        }
                    })?;
                    Some(before + length)
                }
                // All that came has been taken in before.
                _ => return Err(Error::HandshakeNotComplete),
            };
            self.rest.drain(..discard);
            if let Some(length) = wrote {
                self.own.clear();
                return Ok(length);
            }
        }
    }
}

fn encode(data: &mut EncodeTlsData<'_, ClientConnectionData>, own: &mut Vec<u8>) {
    let before = own.len();
    let mut room = MAX_OWN_BYTES;
    loop {
        own.resize(before + room, 0);
        match data.encode(&mut own[before..]) {
            Ok(length) => return own.truncate(before + length),
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => return own.truncate(before),
        }
    }
}

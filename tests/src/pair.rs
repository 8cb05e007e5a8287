//! Two connections in memory, and what a test needs to stand between them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::Arc;
use std::time::Duration;

use pith_tls::{
    ClientConfig, Connection, Credential, Error, Now, Received, ServerConfig, ServerName, Trust,
};

use crate::pki::{Identity, Pki};

/// The name that test servers have.
pub const NAME: &str = "server.example";

/// A moment in the validity of test certificates.
pub const NOW: Now = Now {
    monotonic: Duration::ZERO,
    unix: Duration::from_secs(1_800_000_000),
};

/// The name as a client gives it.
pub fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).unwrap()
}

/// A credential from an identity.
pub fn credential(identity: &Identity) -> Credential {
    Credential::from_der(identity.chain.clone(), &identity.key).unwrap()
}

/// Default configurations that fit each other: a root and a leaf for [`NAME`].
pub fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)))
        .build()
        .unwrap();
    (client, server)
}

/// The root of a PKI as a client trusts it.
pub fn trust(pki: &Pki) -> Trust {
    Trust::roots_from_der(&[pki.root()]).unwrap()
}

/// One side of a connection, with what it received.
pub struct Side {
    /// The connection.
    pub tls: Connection,
    /// Application data that came.
    pub data: Vec<u8>,
    /// Early data that came.
    pub early: Vec<u8>,
    /// Whether `close_notify` came.
    pub closed: bool,
    input: Vec<u8>,
}

impl Side {
    /// A side with nothing received yet.
    pub fn new(tls: Connection) -> Self {
        Self {
            tls,
            data: Vec::new(),
            early: Vec::new(),
            closed: false,
            input: Vec::new(),
        }
    }

    /// All that the connection has to send now.
    pub fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        let mut buffer = vec![0; 4096];
        loop {
            match self.tls.transmit(&mut buffer) {
                0 => return output,
                written => output.extend_from_slice(&buffer[..written]),
            }
        }
    }

    /// Seals all of `plaintext`.
    ///
    /// # Errors
    /// As `Connection::send`.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut output = vec![0; self.tls.sealed_len(plaintext.len())];
        let sent = self.tls.send(plaintext, &mut output)?;
        assert_eq!(sent.consumed, plaintext.len(), "sealed_len is enough");
        output.truncate(sent.written);
        Ok(output)
    }

    /// Seals as much of `plaintext` as early data as the connection takes, and says how much.
    ///
    /// # Errors
    /// As `Connection::send_early`.
    pub fn seal_early(&mut self, plaintext: &[u8]) -> Result<(Vec<u8>, usize), Error> {
        let mut output = vec![0; self.tls.sealed_len(plaintext.len())];
        let sent = self.tls.send_early(plaintext, &mut output)?;
        output.truncate(sent.written);
        Ok((output, sent.consumed))
    }

    /// Takes bytes of the peer, as a program would: all whole records, keeping the rest.
    ///
    /// # Errors
    /// As `Connection::receive`.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        let mut steps = 0;
        loop {
            let before = self.input.len();
            // Each call consumes or ends the loop (R03): a record has five bytes at least.
            steps += 1;
            assert!(steps <= 2 + (bytes.len() + before) / 5, "no progress");
            let consumed = match self.tls.receive(NOW, &mut self.input)? {
                Received::NeedMore { at_least } => {
                    assert!(at_least > 0);
                    return Ok(());
                }
                Received::Handled { consumed } => consumed,
                Received::Data { consumed, bytes } => {
                    self.data.extend_from_slice(bytes);
                    consumed
                }
                Received::EarlyData { consumed, bytes } => {
                    self.early.extend_from_slice(bytes);
                    consumed
                }
                Received::Closed { consumed } => {
                    self.closed = true;
                    if self.input.is_empty() {
                        return Ok(());
                    }
                    consumed
                }
                _ => return Ok(()),
            };
            assert!(
                consumed > 0 && consumed <= before,
                "consumed {consumed} of {before}"
            );
            self.input.drain(..consumed);
            if self.input.is_empty() {
                return Ok(());
            }
        }
    }
}

/// A client and a server, joined by the test.
pub struct Pair {
    /// The client.
    pub client: Side,
    /// The server.
    pub server: Side,
}

impl Pair {
    /// Both sides, before the first byte.
    pub fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let tls = Connection::client(client.clone(), name(), NOW).unwrap();
        Self {
            client: Side::new(tls),
            server: Side::new(Connection::server(server.clone())),
        }
    }

    /// A pair whose handshake is complete.
    pub fn connected(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let mut pair = Self::new(client, server);
        pair.run().unwrap();
        assert!(pair.client.tls.summary().is_some() && pair.server.tls.summary().is_some());
        pair
    }

    /// Moves bytes back and forth until neither side has anything to send.
    ///
    /// # Errors
    /// The error of the side that failed first, after the other took its alert.
    pub fn run(&mut self) -> Result<(), Error> {
        loop {
            let to_server = self.client.output();
            if let Err(error) = self.server.input(&to_server) {
                let alert = self.server.output();
                // What the client makes of the alert is the client's test.
                self.client.input(&alert).unwrap_or_default();
                return Err(error);
            }
            let to_client = self.server.output();
            if let Err(error) = self.client.input(&to_client) {
                let alert = self.client.output();
                self.server.input(&alert).unwrap_or_default();
                return Err(error);
            }
            if to_server.is_empty() && to_client.is_empty() {
                return Ok(());
            }
        }
    }
}

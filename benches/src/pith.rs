//! Pith as a library that `compare` measures, by its public interface. Certificates are not compressed, as those of its peers are not
//! unless they are told to.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pith_bench_program::{Failure, Files, Library, Link, NAME, Need, Setup, Side};
use pith_tls::{
    CipherSuite, ClientAuth, ClientConfig, Connection, Credential, Group, Now, Received,
    ServerConfig, ServerName, SessionStore, Summary, Tickets, Trust,
};

/// Configurations.
pub struct Pith {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Now {
        Now {
            monotonic: self.0.elapsed(),
            unix: SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO),
        }
    }
}

impl Library for Pith {
    type Client = Pithy;
    type Server = Pithy;

    fn new(files: &Files, setup: Setup) -> Result<Self, Failure> {
        let group = if setup.hybrid {
            Group::X25519MlKem768
        } else {
            Group::X25519
        };
        let suites = [CipherSuite::Aes128GcmSha256];
        let trust =
            || -> Result<Trust, Failure> { Ok(Trust::roots_from_pem(&files.read("ca.pem")?)?) };
        let mut client = ClientConfig::new(trust()?).groups(&[group]).suites(&suites);
        let mut server = ServerConfig::new(identity(files, "server")?)
            .groups(&[group])
            .suites(&suites)
            .certificate_compression(false);
        if setup.known_chain {
            (client, server) = (client.known_chains(8), server.known_chains(8));
        }
        server = if setup.resume {
            client = client.sessions(SessionStore::new());
            server.tickets(Tickets::rotating().count(1))
        } else {
            server.tickets(Tickets::none())
        };
        if setup.mutual {
            client = client.credential(identity(files, "client")?);
            server = server.client_auth(ClientAuth::Required(trust()?));
        }
        Ok(Self {
            client: client.build()?,
            server: server.build()?,
            clock: Clock(Instant::now()),
        })
    }

    fn client(&self, link: Link) -> Result<Pithy, Failure> {
        let name = ServerName::try_from(NAME)?;
        let tls = Connection::client(self.client.clone(), name, self.clock.now())?;
        Ok(Pithy {
            tls: Box::new(tls),
            link,
            clock: self.clock,
        })
    }

    fn server(&self, link: Link) -> Result<Pithy, Failure> {
        Ok(Pithy {
            tls: Box::new(Connection::server(self.server.clone())),
            link,
            clock: self.clock,
        })
    }
}

/// The chain and key of `server` or `client`.
pub fn identity(files: &Files, who: &str) -> Result<Credential, Failure> {
    let chain = files.read(&format!("{who}.pem"))?;
    let key = files.read(&format!("{who}.key"))?;
    Ok(Credential::from_pem(&chain, &key)?)
}

/// A connection. In a box, so that its struct is counted as heap.
pub struct Pithy {
    tls: Box<Connection>,
    link: Link,
    clock: Clock,
}

impl Pithy {
    fn take(&mut self) -> Result<usize, Failure> {
        let now = self.clock.now();
        let mut incoming = self.link.incoming();
        let mut data = 0;
        while !incoming.waiting().is_empty() {
            let consumed = match self.tls.receive(now, incoming.waiting())? {
                Received::Handled { consumed } => consumed,
                Received::Data { consumed, bytes } => {
                    data += bytes.len();
                    consumed
                }
                other => return Err(format!("{other:?}").into()),
            };
            incoming.taken(consumed);
        }
        Ok(data)
    }
}

impl Side for Pithy {
    fn shake(&mut self) -> Result<Need, Failure> {
        self.take()?;
        let mut outgoing = self.link.outgoing();
        let written = self.tls.transmit(outgoing.space());
        outgoing.written(written);
        Ok(match self.tls.summary() {
            Some(_) => Need::Nothing,
            None => Need::More,
        })
    }

    fn resumed(&self) -> bool {
        self.tls.summary().is_some_and(Summary::resumed)
    }

    fn group(&self) -> Option<String> {
        Some(self.tls.summary()?.group.to_string())
    }

    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        let mut outgoing = self.link.outgoing();
        let sent = self.tls.send(plaintext, outgoing.space())?;
        outgoing.written(sent.written);
        if sent.consumed != plaintext.len() {
            return Err("no room".into());
        }
        Ok(())
    }

    fn receive(&mut self, _: &mut [u8]) -> Result<usize, Failure> {
        self.take()
    }
}

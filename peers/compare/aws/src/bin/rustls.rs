//! rustls, on aws-lc-rs. Its tickets are sealed, as those of the others.

use std::io::Read;
use std::ops::DerefMut;
use std::sync::Arc;

use pith_bench_program::{Failure, Files, Link, NAME, Need, Setup, Side, Tls, serve};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig,
    ServerConnection, SideData,
};

fn main() -> Result<(), Failure> {
    let mut tls = Tls::<Library>::new(Files::from_argument()?);
    Ok(serve(|words| tls.answer(words))?)
}

struct Library {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

impl pith_bench_program::Library for Library {
    type Client = Connection<ClientConnection>;
    type Server = Connection<ServerConnection>;

    fn new(files: &Files, setup: Setup) -> Result<Self, Failure> {
        let group = if setup.hybrid {
            aws_lc_rs::kx_group::X25519MLKEM768
        } else {
            aws_lc_rs::kx_group::X25519
        };
        let provider = Arc::new(CryptoProvider {
            kx_groups: vec![group],
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            ..aws_lc_rs::default_provider()
        });
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&files.read("ca.pem")?)?)?;
        let roots = Arc::new(roots);

        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots.clone());
        let mut client = if setup.mutual {
            let (chain, key) = identity(files, "client")?;
            client.with_client_auth_cert(chain, key)?
        } else {
            client.with_no_client_auth()
        };
        if !setup.resume {
            client.resumption = Resumption::disabled();
        }

        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        let server = if setup.mutual {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
            server.with_client_cert_verifier(verifier)
        } else {
            server.with_no_client_auth()
        };
        let (chain, key) = identity(files, "server")?;
        let mut server = server.with_single_cert(chain, key)?;
        server.send_tls13_tickets = usize::from(setup.resume);
        if setup.resume {
            server.ticketer = aws_lc_rs::Ticketer::new()?;
        }
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            name: ServerName::try_from(NAME)?,
        })
    }

    fn client(&self, link: Link) -> Result<Self::Client, Failure> {
        let tls = ClientConnection::new(self.client.clone(), self.name.clone())?;
        // As others do, for "struct and heap".
        Ok(Connection {
            tls: Box::new(tls),
            link,
        })
    }

    fn server(&self, link: Link) -> Result<Self::Server, Failure> {
        Ok(Connection {
            tls: Box::new(ServerConnection::new(self.server.clone())?),
            link,
        })
    }
}

fn identity(
    files: &Files,
    who: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain = files.read(&format!("{who}.pem"))?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&files.read(&format!("{who}.key"))?)?;
    Ok((chain, key))
}

struct Connection<C> {
    tls: Box<C>,
    link: Link,
}

impl<C: DerefMut<Target = ConnectionCommon<D>>, D: SideData> Connection<C> {
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut data = 0;
        while !self.link.incoming().waiting().is_empty() {
            self.tls.read_tls(&mut *self.link.incoming())?;
            let state = self.tls.process_new_packets()?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let got = self.tls.reader().read(buffer)?;
                data += got;
                left -= got;
            }
        }
        Ok(data)
    }

    fn give(&mut self) -> Result<(), Failure> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut *self.link.outgoing())?;
        }
        Ok(())
    }
}

impl<C: DerefMut<Target = ConnectionCommon<D>>, D: SideData> Side for Connection<C> {
    fn shake(&mut self) -> Result<Need, Failure> {
        self.take(&mut [])?;
        self.give()?;
        Ok(if self.tls.is_handshaking() {
            Need::More
        } else {
            Need::Nothing
        })
    }

    fn resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    fn group(&self) -> Option<String> {
        let group = self.tls.negotiated_key_exchange_group()?;
        Some(format!("{:?}", group.name()))
    }

    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        std::io::Write::write_all(&mut self.tls.writer(), plaintext)?;
        self.give()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.take(buffer)
    }
}

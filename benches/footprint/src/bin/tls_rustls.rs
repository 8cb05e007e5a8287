//! The same TLS client by rustls.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn main() -> Result<(), Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter("roots.pem")? {
        roots.add(root?)?;
    }
    let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("example.org")?;
    let tcp = TcpStream::connect("example.org:443")?;
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, tcp);
    tls.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")?;
    io::copy(&mut tls, &mut io::stdout())?;
    Ok(())
}

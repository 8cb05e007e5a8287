//! The same QUIC client by quinn, on tokio's runtime of one thread.

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

async fn fetch() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter("roots.pem")? {
        roots.add(root?)?;
    }
    let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"hq-interop".to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let endpoint = Endpoint::client("[::]:0".parse()?)?;
    let connection = endpoint.connect_with(config, "[2001:db8::1]:443".parse()?, "example.org")?;
    let (mut send, mut receive) = connection.await?.open_bi().await?;
    send.write_all(b"GET /\r\n").await?;
    send.finish()?;
    Ok(receive.read_to_end(1 << 20).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let page = runtime.enable_all().build()?.block_on(fetch())?;
    io::stdout().write_all(&page)?;
    Ok(())
}

//! OpenSSL, as the crate `openssl` builds it.

use std::sync::{Arc, Mutex};

use openssl::ssl::{
    ErrorCode, ShutdownState, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod,
    SslOptions, SslSession, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use pith_bench_program::{Failure, Files, Link, NAME, Need, Pipe, Setup, Side, Tls, serve};

fn main() -> Result<(), Failure> {
    let mut tls = Tls::<Library>::new(Files::from_argument()?);
    Ok(serve(|words| tls.answer(words))?)
}

struct Library {
    client: SslContext,
    server: SslContext,
    session: Arc<Mutex<Option<SslSession>>>,
}

impl pith_bench_program::Library for Library {
    type Client = Connection;
    type Server = Connection;

    fn new(files: &Files, setup: Setup) -> Result<Self, Failure> {
        let mut client = context(SslMethod::tls_client(), setup)?;
        client.set_ca_file(files.path("ca.pem"))?;
        client.set_verify(SslVerifyMode::PEER);
        let mut server = context(SslMethod::tls_server(), setup)?;
        identity(&mut server, files, "server")?;
        server.set_num_tickets(usize::from(setup.resume))?;
        if setup.mutual {
            identity(&mut client, files, "client")?;
            server.set_ca_file(files.path("ca.pem"))?;
            server.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        let session = Arc::new(Mutex::new(None));
        if setup.resume {
            let session = session.clone();
            client.set_session_cache_mode(
                SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL,
            );
            client.set_new_session_callback(move |_, new| {
                *session.lock().unwrap() = Some(new);
            });
        }
        Ok(Self {
            client: client.build(),
            server: server.build(),
            session,
        })
    }

    fn client(&self, link: Link) -> Result<Connection, Failure> {
        let mut ssl = Ssl::new(&self.client)?;
        ssl.set_hostname(NAME)?;
        ssl.param_mut().set_host(NAME)?;
        if let Some(session) = &*self.session.lock().unwrap() {
            // SAFETY: the session comes of the same context.
            unsafe { ssl.set_session(session)? };
        }
        ssl.set_connect_state();
        Ok(Connection(SslStream::new(ssl, Pipe(link))?))
    }

    fn server(&self, link: Link) -> Result<Connection, Failure> {
        let mut ssl = Ssl::new(&self.server)?;
        ssl.set_accept_state();
        Ok(Connection(SslStream::new(ssl, Pipe(link))?))
    }
}

fn context(method: SslMethod, setup: Setup) -> Result<SslContextBuilder, Failure> {
    let mut context = SslContext::builder(method)?;
    // No certificates that are compressed, as with the others.
    context.set_options(SslOptions::from_bits_retain(NO_COMPRESSED_CERTIFICATES));
    context.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_ciphersuites("TLS_AES_128_GCM_SHA256")?;
    context.set_groups_list(if setup.hybrid {
        "X25519MLKEM768"
    } else {
        "X25519"
    })?;
    Ok(context)
}

fn identity(context: &mut SslContextBuilder, files: &Files, who: &str) -> Result<(), Failure> {
    context.set_certificate_chain_file(files.path(&format!("{who}.pem")))?;
    context.set_private_key_file(files.path(&format!("{who}.key")), SslFiletype::PEM)?;
    Ok(())
}

struct Connection(SslStream<Pipe>);

impl Drop for Connection {
    /// A connection that is not closed spoils its session.
    fn drop(&mut self) {
        self.0
            .set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
    }
}

impl Side for Connection {
    fn shake(&mut self) -> Result<Need, Failure> {
        match self.0.do_handshake() {
            Ok(()) => Ok(Need::Nothing),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(Need::More),
            Err(error) => Err(error.into()),
        }
    }

    fn resumed(&self) -> bool {
        self.0.ssl().session_reused()
    }

    fn group(&self) -> Option<String> {
        None
    }

    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        let mut sent = 0;
        while sent < plaintext.len() {
            sent += self.0.ssl_write(&plaintext[sent..])?;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut data = 0;
        loop {
            match self.0.ssl_read(buffer) {
                Ok(count) => data += count,
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(data),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// `SSL_OP_NO_TX_CERTIFICATE_COMPRESSION` and `SSL_OP_NO_RX_CERTIFICATE_COMPRESSION`, which the crate does not name.
const NO_COMPRESSED_CERTIFICATES: u64 = 0b11 << 32;

//! BoringSSL, as the crate `boring` builds it. It issues two tickets where others issue one, and takes AES-128-GCM by itself.

use std::sync::{Arc, Mutex};

use boring::ssl::{
    ErrorCode, HandshakeError, MidHandshakeSslStream, ShutdownState, Ssl, SslContext,
    SslContextBuilder, SslFiletype, SslMethod, SslOptions, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
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
    resume: bool,
}

impl pith_bench_program::Library for Library {
    type Client = Connection;
    type Server = Connection;

    fn new(files: &Files, setup: Setup) -> Result<Self, Failure> {
        let mut client = context(SslMethod::tls(), setup)?;
        client.set_ca_file(files.path("ca.pem"))?;
        client.set_verify(SslVerifyMode::PEER);
        let mut server = context(SslMethod::tls(), setup)?;
        identity(&mut server, files, "server")?;
        if !setup.resume {
            server.set_options(SslOptions::NO_TICKET);
        }
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
            resume: setup.resume,
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
        Ok(Connection::Shaking(
            Some(ssl.setup_connect(Pipe(link))),
            false,
        ))
    }

    fn server(&self, link: Link) -> Result<Connection, Failure> {
        let ssl = Ssl::new(&self.server)?;
        let shaking = Some(ssl.setup_accept(Pipe(link)));
        Ok(Connection::Shaking(shaking, self.resume))
    }
}

fn context(method: SslMethod, setup: Setup) -> Result<SslContextBuilder, Failure> {
    let mut context = SslContext::builder(method)?;
    context.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_curves_list(if setup.hybrid {
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

enum Connection {
    /// Whether to say something at its end: it keeps tickets back until it sends.
    Shaking(Option<MidHandshakeSslStream<Pipe>>, bool),
    Open(SslStream<Pipe>),
}

impl Connection {
    fn open(&mut self) -> Result<&mut SslStream<Pipe>, Failure> {
        match self {
            Self::Open(stream) => Ok(stream),
            Self::Shaking(..) => Err("it is not open".into()),
        }
    }
}

impl Drop for Connection {
    /// A connection that is not closed spoils its session.
    fn drop(&mut self) {
        if let Self::Open(stream) = self {
            stream.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
        }
    }
}

impl Side for Connection {
    fn shake(&mut self) -> Result<Need, Failure> {
        let Self::Shaking(shaking, greets) = self else {
            return Ok(Need::Nothing);
        };
        match shaking.take().ok_or("it failed")?.handshake() {
            Ok(mut stream) => {
                if *greets {
                    stream.ssl_write(b"x")?;
                }
                *self = Self::Open(stream);
            }
            Err(HandshakeError::WouldBlock(more)) => {
                *shaking = Some(more);
                return Ok(Need::More);
            }
            Err(error) => return Err(error.to_string().into()),
        }
        Ok(Need::Nothing)
    }

    fn resumed(&self) -> bool {
        matches!(self, Self::Open(stream) if stream.ssl().session_reused())
    }

    fn group(&self) -> Option<String> {
        match self {
            Self::Open(stream) => stream.ssl().curve_name().map(str::to_owned),
            Self::Shaking(..) => None,
        }
    }

    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        let stream = self.open()?;
        let mut sent = 0;
        while sent < plaintext.len() {
            sent += stream.ssl_write(&plaintext[sent..])?;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let stream = self.open()?;
        let mut data = 0;
        loop {
            match stream.ssl_read(buffer) {
                Ok(count) => data += count,
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(data),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

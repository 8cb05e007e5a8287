//! s2n-tls, with its default policy for X25519MLKEM768, by which a client sends a share of P-256 besides.

use std::ffi::{c_int, c_void};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::SystemTime;

use pith_bench_program::{Failure, Files, Link, NAME, Need, Setup, Side, Tls, serve};
use s2n_tls::callbacks::{SessionTicket, SessionTicketCallback, VerifyHostNameCallback};
use s2n_tls::config::{Builder, Config};
use s2n_tls::connection::Connection;
use s2n_tls::enums::{Blinding, ClientAuthType};
use s2n_tls::security::Policy;

fn main() -> Result<(), Failure> {
    let mut tls = Tls::<Library>::new(Files::from_argument()?);
    Ok(serve(|words| tls.answer(words))?)
}

struct Library {
    client: Config,
    server: Config,
    session: Session,
    resume: bool,
}

#[derive(Clone, Default)]
struct Session(Arc<Mutex<Option<Vec<u8>>>>);

impl SessionTicketCallback for Session {
    fn on_session_ticket(&self, _: &mut Connection, ticket: &SessionTicket) {
        let session = ticket.len().and_then(|length| {
            let mut session = vec![0; length];
            ticket.data(&mut session)?;
            Ok(session)
        });
        *self.0.lock().unwrap() = session.ok();
    }
}

struct AnyClient;

impl VerifyHostNameCallback for AnyClient {
    fn verify_host_name(&self, _: &str) -> bool {
        true
    }
}

impl pith_bench_program::Library for Library {
    type Client = Tcp;
    type Server = Tcp;

    fn new(files: &Files, setup: Setup) -> Result<Self, Failure> {
        let session = Session::default();
        let builder = || -> Result<Builder, Failure> {
            let mut builder = Builder::new();
            let policy = if setup.hybrid {
                "default_pq"
            } else {
                CLASSICAL
            };
            builder.set_security_policy(&Policy::from_version(policy)?)?;
            builder.with_system_certs(false)?;
            Ok(builder)
        };
        let mut client = builder()?;
        client.trust_pem(&files.read("ca.pem")?)?;
        let mut server = builder()?;
        server.load_pem(&files.read("server.pem")?, &files.read("server.key")?)?;
        if setup.mutual {
            client.load_pem(&files.read("client.pem")?, &files.read("client.key")?)?;
            client.set_client_auth_type(ClientAuthType::Required)?;
            server.trust_pem(&files.read("ca.pem")?)?;
            server.set_client_auth_type(ClientAuthType::Required)?;
            server.set_verify_host_callback(AnyClient)?;
        }
        if setup.resume {
            client.set_session_ticket_callback(session.clone())?;
            server.enable_session_tickets(true)?;
            // Zero stands for now.
            server.add_session_ticket_key(b"name", &[7; 32], SystemTime::UNIX_EPOCH)?;
        }
        Ok(Self {
            client: client.build()?,
            server: server.build()?,
            session,
            resume: setup.resume,
        })
    }

    fn client(&self, link: Link) -> Result<Tcp, Failure> {
        let mut tls = Tcp::new(Connection::new_client(), &self.client, link)?;
        tls.connection.set_server_name(NAME)?;
        if self.resume
            && let Some(session) = &*self.session.0.lock().unwrap()
        {
            tls.connection.set_session_ticket(session)?;
        }
        Ok(tls)
    }

    fn server(&self, link: Link) -> Result<Tcp, Failure> {
        Tcp::new(Connection::new_server(), &self.server, link)
    }
}

/// A connection, and in a place that does not move the link which its callbacks read from and write to.
struct Tcp {
    connection: Connection,
    _link: Box<Link>,
}

impl Tcp {
    fn new(mut connection: Connection, config: &Config, link: Link) -> Result<Self, Failure> {
        let mut link = Box::new(link);
        let context: *mut Link = &mut *link;
        connection
            .set_config(config.clone())?
            .set_blinding(Blinding::SelfService)?
            .set_receive_callback(Some(receive))?
            .set_send_callback(Some(send))?;
        // SAFETY: the box lives as long as the connection, and the callbacks take the context as what it is.
        unsafe {
            connection.set_receive_context(context.cast())?;
            connection.set_send_context(context.cast())?;
        }
        Ok(Self {
            connection,
            _link: link,
        })
    }
}

unsafe extern "C" fn receive(context: *mut c_void, buffer: *mut u8, length: u32) -> c_int {
    // SAFETY: the context is the link of `Tcp::new`, and the library gives so many bytes.
    let (link, buffer) = unsafe {
        let buffer = std::slice::from_raw_parts_mut(buffer, length as usize);
        (&*context.cast::<Link>(), buffer)
    };
    outcome(link.incoming().read(buffer))
}

unsafe extern "C" fn send(context: *mut c_void, bytes: *const u8, length: u32) -> c_int {
    // SAFETY: as for `receive`.
    let (link, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(bytes, length as usize);
        (&*context.cast::<Link>(), bytes)
    };
    outcome(link.outgoing().write(bytes))
}

fn outcome(result: std::io::Result<usize>) -> c_int {
    match result {
        Ok(count) => count as c_int,
        Err(_) => {
            // SAFETY: the address is this thread's.
            unsafe { *libc::__errno_location() = libc::EWOULDBLOCK };
            -1
        }
    }
}

impl Side for Tcp {
    fn shake(&mut self) -> Result<Need, Failure> {
        match self.connection.poll_negotiate() {
            Poll::Pending => Ok(Need::More),
            Poll::Ready(result) => result.map(|_| Need::Nothing).map_err(Into::into),
        }
    }

    fn resumed(&self) -> bool {
        self.connection.resumed()
    }

    fn group(&self) -> Option<String> {
        let group = self.connection.selected_key_exchange_group()?;
        Some(group.to_owned())
    }

    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        let mut sent = 0;
        while sent < plaintext.len() {
            match self.connection.poll_send(&plaintext[sent..]) {
                Poll::Ready(count) => sent += count?,
                Poll::Pending => return Err("no room".into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut data = 0;
        while let Poll::Ready(count) = self.connection.poll_recv(buffer) {
            data += count?;
        }
        Ok(data)
    }
}

/// A policy of TLS 1.3 without ML-KEM, whose first curve is X25519.
const CLASSICAL: &str = "20190801";

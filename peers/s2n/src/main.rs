//! s2n-tls as a peer of Pith's interop tests; `pith-peer` has the rest. `--groups` names one of its policies.

mod ffi;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::task::Poll;
use std::time::SystemTime;

use pith_peer::{EXPORTER, Failure, Options, Session, hex};
use s2n_tls::callbacks::{SessionTicket, SessionTicketCallback, VerifyHostNameCallback};
use s2n_tls::config::{Builder, Config};
use s2n_tls::connection::Connection;
use s2n_tls::enums::{Blinding, ClientAuthType, PeerKeyUpdate, PskHmac};
use s2n_tls::error::Error;
use s2n_tls::psk::Psk;
use s2n_tls::security::Policy;

fn main() -> ExitCode {
    pith_peer::run(open)
}

fn open(options: &Options, tcp: TcpStream) -> Result<Box<dyn Session>, Failure> {
    let mut connection = if options.server {
        Connection::new_server()
    } else {
        Connection::new_client()
    };
    connection
        .set_config(config(options)?)?
        .set_blinding(Blinding::SelfService)?;
    ffi::set_socket(&mut connection, &tcp)?;
    if !options.server {
        connection.set_server_name(options.need("name")?)?;
    }
    if let Some(session) = options.file("session-in")? {
        connection.set_session_ticket(&session)?;
    }
    if let (Some(key), Some(identity)) = (options.file("psk")?, options.file("psk-identity")?) {
        let mut psk = Psk::builder()?;
        psk.set_identity(&identity)?.set_secret(&key)?;
        psk.set_hmac(PskHmac::SHA256)?;
        connection.append_psk(&psk.build()?)?;
    }
    let shaken = shake(options, &mut connection, &tcp);
    let early = match shaken {
        Ok(early) => early,
        Err(failure) => {
            // As far as it goes.
            let _sent = connection.poll_shutdown_send().is_ready();
            return Err(failure);
        }
    };
    Ok(Box::new(S2n {
        connection,
        tcp,
        early,
        closed: false,
    }))
}

/// The handshake; what to print of early data.
fn shake(
    options: &Options,
    connection: &mut Connection,
    tcp: &TcpStream,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut came = None;
    if options.get("early-data").is_some() {
        ffi::set_max_early_data(connection, 16_384)?;
        came = Some(ffi::receive_early(connection)?);
    } else if let Some(early) = options.file("early")? {
        tcp.set_nonblocking(true)?;
        ffi::send_early(connection, &early)?;
        tcp.set_nonblocking(false)?;
    }
    ready(connection.poll_negotiate())?;
    let outcome = ffi::early_data_was_accepted(connection)?;
    let mut facts = Vec::new();
    if let Some(accepted) = outcome {
        let outcome = if accepted { "accepted" } else { "rejected" };
        facts.push(("early", outcome.to_owned()));
        facts.extend(came.map(|bytes| ("early-data", hex(&bytes))));
    }
    Ok(facts)
}

/// The socket blocks, and stops waiting at its limit.
fn ready<T>(poll: Poll<Result<T, Error>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => Ok(result?),
        Poll::Pending => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn config(options: &Options) -> Result<Config, Failure> {
    let mut builder = Builder::new();
    builder.set_security_policy(&Policy::from_version(
        options.get("groups").unwrap_or("default_pq"),
    )?)?;
    builder.with_system_certs(false)?;
    // It would sleep for up to half a minute after a failure.
    builder.set_max_blinding_delay(0)?;
    if let (Some(chain), Some(key)) = (options.file("cert")?, options.file("key")?) {
        builder.load_pem(&chain, &key)?;
    }
    if let Some(ca) = options.file("ca")? {
        builder.trust_pem(&ca)?;
        if options.server || options.get("cert").is_some() {
            builder.set_client_auth_type(ClientAuthType::Required)?;
        }
        if options.server {
            builder.set_verify_host_callback(AnyClient)?;
        }
    }
    if let Some(name) = options.get("alpn") {
        builder.set_application_protocol_preference([name])?;
    }
    if let Some(staple) = options.file("staple")? {
        builder.set_ocsp_data(&staple)?;
    } else if options.get("status").is_some() {
        builder.enable_ocsp()?;
    }
    if let Some(tickets) = options.tickets()? {
        let (name, key) = tickets.split_at(16);
        // Zero stands for now.
        builder.add_session_ticket_key(name, key, SystemTime::UNIX_EPOCH)?;
    }
    if let Some(file) = options.get("session-out") {
        builder.set_session_ticket_callback(Keep(file.to_owned()))?;
    } else if options.get("session-in").is_some() {
        builder.enable_session_tickets(true)?;
    }
    Ok(builder.build()?)
}

/// Where sessions go.
struct Keep(String);

impl SessionTicketCallback for Keep {
    fn on_session_ticket(&self, _: &mut Connection, ticket: &SessionTicket) {
        let session = ticket.len().and_then(|length| {
            let mut session = vec![0; length];
            ticket.data(&mut session)?;
            Ok(session)
        });
        let written = session.map_err(io::Error::other);
        if let Err(error) = written.and_then(|session| std::fs::write(&self.0, session)) {
            println!("error {error}");
        }
    }
}

struct AnyClient;

impl VerifyHostNameCallback for AnyClient {
    fn verify_host_name(&self, _: &str) -> bool {
        true
    }
}

struct S2n {
    connection: Connection,
    tcp: TcpStream,
    early: Vec<(&'static str, String)>,
    closed: bool,
}

impl Session for S2n {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let connection = &self.connection;
        let mut exporter = [0; 32];
        let exported = connection.tls_exporter(EXPORTER.as_bytes(), b"", &mut exporter);
        let group = connection
            .selected_key_exchange_group()
            .unwrap_or("?")
            .to_owned();
        let handshake = connection.handshake_type().unwrap_or_default();
        let mut facts = vec![
            (
                "exporter",
                exported.map_or_else(|error| error.to_string(), |()| hex(&exporter)),
            ),
            ("group", group),
            (
                "retried",
                handshake.contains("HELLO_RETRY_REQUEST").to_string(),
            ),
            ("resumed", connection.resumed().to_string()),
        ];
        facts.extend(self.early.iter().cloned());
        facts.extend(
            connection
                .application_protocol()
                .map(|name| ("alpn", String::from_utf8_lossy(name).into_owned())),
        );
        let leaf = connection.peer_cert_chain().ok().and_then(|chain| {
            let leaf = chain.iter().next()?.ok()?;
            leaf.der().ok().map(hex)
        });
        facts.extend(leaf.map(|leaf| ("peer", leaf)));
        facts
    }

    fn update(&mut self) -> Result<(), Failure> {
        // It is sent with the next data. s2n-tls never asks for an update in return.
        self.connection
            .request_key_update(PeerKeyUpdate::KeyUpdateNotRequested)?;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        ready(self.connection.poll_shutdown_send())?;
        Ok(self.tcp.shutdown(Shutdown::Write)?)
    }

    fn closed(&mut self) -> bool {
        self.closed
    }
}

impl Read for S2n {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = ready(self.connection.poll_recv(buffer))?;
        self.closed = count == 0;
        Ok(count)
    }
}

impl Write for S2n {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        ready(self.connection.poll_send(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        ready(self.connection.poll_flush()).map(|_| ())
    }
}

//! A client that fetches files.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pith_peer::files::Wanted;
use pith_peer::{Failure, Options};
use s2n_quic::client::Connect;
use s2n_quic::provider::tls::s2n_tls as provider;
use s2n_quic::{Client, Connection};
use s2n_tls::callbacks::{ConnectionFuture, SessionTicket, SessionTicketCallback};
use s2n_tls::config::ConnectionInitializer;
use tokio::task::JoinSet;

pub async fn run(options: &Options) -> Result<&'static str, Failure> {
    let mut tls = provider::Client::builder().with_empty_trust_store()?;
    let ca = options.file("ca")?.ok_or("no --ca")?;
    let (sender, tickets) = channel();
    let config = tls.config_mut();
    crate::configure(config, options)?;
    config.trust_pem(&ca)?;
    config.set_session_ticket_callback(Tickets(Mutex::new(sender)))?;
    if let Some(session) = options.file("session-in")? {
        config.set_connection_initializer(Resume(session))?;
    }
    let client = Client::builder()
        .with_tls(tls.build()?)?
        .with_event(crate::facts::Facts { server: false })?
        .with_limits(crate::limits()?)?
        .with_io(SocketAddr::from((options.host()?, 0)))?
        .start()?;
    let server = SocketAddr::from((options.host()?, options.need("port")?.parse()?));
    let connect = Connect::new(server).with_server_name(options.need("name")?);
    let connection = client.connect(connect).await?;
    let wanted = Arc::new(Wanted::new(options)?);
    fetch(connection, &wanted).await?;
    if let Some(file) = options.get("session-out") {
        // It comes on a connection's way, which this thread drives.
        let ticket = loop {
            if let Ok(ticket) = tickets.try_recv() {
                break ticket;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        fs::write(file, ticket)?;
    }
    drop(client);
    Ok("done")
}

async fn fetch(mut connection: Connection, wanted: &Arc<Wanted>) -> Result<(), Failure> {
    let mut all = JoinSet::new();
    for name in &wanted.names {
        // Waits until the server lets it.
        let mut stream = connection.open_bidirectional_stream().await?;
        let (wanted, name) = (Arc::clone(wanted), name.clone());
        all.spawn(async move {
            let fetch = async {
                stream.send(Bytes::from(Wanted::request(&name))).await?;
                stream.finish()?;
                let mut bytes = Vec::new();
                while let Some(part) = stream.receive().await? {
                    bytes.extend_from_slice(&part);
                }
                wanted.keep(&name, &bytes)
            };
            fetch.await.map_err(|error: Failure| error.to_string())
        });
    }
    while let Some(fetched) = all.join_next().await {
        fetched??;
    }
    connection.close(0u32.into());
    Ok(())
}

/// Tickets as they come.
struct Tickets(Mutex<Sender<Vec<u8>>>);

impl SessionTicketCallback for Tickets {
    fn on_session_ticket(&self, _: &mut s2n_tls::connection::Connection, ticket: &SessionTicket) {
        let bytes = ticket.len().and_then(|length| {
            let mut bytes = vec![0; length];
            ticket.data(&mut bytes)?;
            Ok(bytes)
        });
        let sent = bytes.map_err(io::Error::other).and_then(|bytes| {
            let sender = self.0.lock().map_err(|_| io::Error::other("poisoned"))?;
            sender.send(bytes).map_err(io::Error::other)
        });
        if let Err(error) = sent {
            println!("error {error}");
        }
    }
}

/// Begins with this session.
struct Resume(Vec<u8>);

impl ConnectionInitializer for Resume {
    fn initialize_connection(
        &self,
        connection: &mut s2n_tls::connection::Connection,
    ) -> Result<Option<Pin<Box<dyn ConnectionFuture>>>, s2n_tls::error::Error> {
        connection.set_session_ticket(&self.0)?;
        Ok(None)
    }
}

//! A client that fetches files.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pith_peer::files::Wanted;
use pith_peer::{Failure, LIMIT, Options};
use quiche::h3::{self, Header, NameValue};
use quiche::{Connection, ConnectionId, Error, PathEvent};

use crate::sockets::Sockets;

pub fn run(options: &Options) -> Result<&'static str, Failure> {
    let mut sockets = Sockets::new();
    let local = sockets.open(options.host()?)?;
    let server = SocketAddr::from((options.host()?, options.need("port")?.parse()?));
    let mut config = crate::config(options)?;
    let id = ConnectionId::from_ref(&ID);
    let mut connection =
        quiche::connect(Some(options.need("name")?), &id, local, server, &mut config)?;
    let session = options.file("session-in")?;
    if let Some(session) = &session {
        connection.set_session(session)?;
    }
    let mut client = Client {
        wanted: Wanted::new(options)?,
        asked: 0,
        coming: HashMap::new(),
        http3: None,
        early: options.has("early") && session.is_some(),
        unmoved: options.has("migrate"),
        told: false,
    };
    let begun = Instant::now();
    sockets.flush(&mut connection)?;
    loop {
        client.act(&mut connection, &mut sockets)?;
        sockets.flush(&mut connection)?;
        if connection.is_closed() {
            let error = connection.peer_error().or(connection.local_error());
            let timed_out = connection.is_timed_out();
            return match error.filter(|error| error.error_code != 0) {
                Some(error) => Err(format!("closed: {error:?}").into()),
                None if timed_out => Err("timed out".into()),
                None if client.is_done() => Ok("done"),
                None => Err("closed early".into()),
            };
        }
        let keeps = options.get("session-out");
        let has_session = keeps.is_none() || connection.session().is_some();
        if client.is_done() && has_session && !connection.is_draining() {
            if let (Some(file), Some(session)) = (keeps, connection.session()) {
                fs::write(file, session)?;
            }
            // `Done` of a connection that closes already.
            let _closing = connection.close(true, 0, b"");
            sockets.flush(&mut connection)?;
        }
        if begun.elapsed() > LIMIT {
            return Err("too slow".into());
        }
        let wait = connection.timeout().unwrap_or(TICK).min(TICK);
        for mut datagram in sockets.receive(Some(wait)) {
            // What is wrong with a datagram may be a fault of the network's.
            let _received = connection.recv(&mut datagram.bytes, datagram.info);
        }
        if connection.timeout() == Some(Duration::ZERO) {
            connection.on_timeout();
        }
    }
}

struct Client {
    wanted: Wanted,
    /// How many of the files it has asked for.
    asked: usize,
    /// What has come of files, by stream.
    coming: HashMap<u64, (String, Vec<u8>)>,
    /// Where that is negotiated.
    http3: Option<h3::Connection>,
    early: bool,
    unmoved: bool,
    told: bool,
}

impl Client {
    fn is_done(&self) -> bool {
        self.asked == self.wanted.names.len() && self.coming.is_empty()
    }

    fn act(&mut self, connection: &mut Connection, sockets: &mut Sockets) -> Result<(), Failure> {
        if connection.is_established() && !self.told {
            self.told = true;
            for (key, value) in crate::facts(connection) {
                println!("{key} {value}");
            }
            if crate::is_http3(connection) {
                let config = h3::Config::new()?;
                self.http3 = Some(h3::Connection::with_transport(connection, &config)?);
            }
            if self.early && connection.early_data_reason() != crate::EARLY_ACCEPTED {
                println!("early rejected");
            }
        }
        if connection.is_established() || self.early && connection.is_in_early_data() {
            self.ask(connection)?;
        }
        self.read(connection)?;
        if self.unmoved && self.coming.values().any(|(_, bytes)| !bytes.is_empty()) {
            self.go(connection, sockets)?;
        }
        // An address of its own is not needed, but the events are to be taken.
        while let Some(event) = connection.path_event_next() {
            if let PathEvent::Validated(local, server) = event {
                connection.migrate(local, server)?;
                println!("migrated {local}");
            }
        }
        Ok(())
    }

    /// Asks for as many as the server lets it.
    fn ask(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        while let Some(name) = self.wanted.names.get(self.asked) {
            if connection.peer_streams_left_bidi() == 0 {
                break;
            }
            if let Some(http3) = &mut self.http3 {
                let headers = [
                    Header::new(b":method", b"GET"),
                    Header::new(b":scheme", b"https"),
                    Header::new(b":authority", b"localhost"),
                    Header::new(b":path", format!("/{name}").as_bytes()),
                ];
                let stream = match http3.send_request(connection, &headers, true) {
                    Ok(stream) => stream,
                    Err(h3::Error::StreamBlocked) => break,
                    Err(error) => return Err(error.into()),
                };
                self.coming.insert(stream, (name.clone(), Vec::new()));
                self.asked += 1;
                continue;
            }
            let stream = 4 * u64::try_from(self.asked)?;
            let request = Wanted::request(name);
            match connection.stream_send(stream, &request, true) {
                Ok(sent) if sent == request.len() => {}
                Ok(_) => return Err("no room for a request".into()),
                Err(Error::StreamLimit | Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
            self.coming.insert(stream, (name.clone(), Vec::new()));
            self.asked += 1;
        }
        Ok(())
    }

    fn read(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let mut buffer = [0; 65_536];
        if self.http3.is_some() {
            return self.read_http3(connection, &mut buffer);
        }
        for stream in connection.readable() {
            loop {
                let (length, ended) = match connection.stream_recv(stream, &mut buffer) {
                    Ok(read) => read,
                    Err(Error::Done) => break,
                    Err(error) => return Err(error.into()),
                };
                let (name, bytes) = self.coming.get_mut(&stream).ok_or("not asked for")?;
                bytes.extend_from_slice(&buffer[..length]);
                if ended {
                    self.wanted.keep(name, bytes)?;
                    self.coming.remove(&stream);
                    break;
                }
            }
        }
        Ok(())
    }

    fn read_http3(
        &mut self,
        connection: &mut Connection,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let http3 = self.http3.as_mut().ok_or("no HTTP/3")?;
        loop {
            let (stream, event) = match http3.poll(connection) {
                Ok(event) => event,
                Err(h3::Error::Done) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            match event {
                h3::Event::Headers { list, .. } => {
                    let mut status = list.iter().filter(|header| header.name() == b":status");
                    if status.next().map(NameValue::value) != Some(b"200") {
                        return Err(format!("{list:?}").into());
                    }
                }
                h3::Event::Data => {
                    let (_, bytes) = self.coming.get_mut(&stream).ok_or("not asked for")?;
                    while let Ok(length) = http3.recv_body(connection, stream, buffer) {
                        bytes.extend_from_slice(&buffer[..length]);
                    }
                }
                h3::Event::Finished => {
                    let (name, bytes) = self.coming.remove(&stream).ok_or("not asked for")?;
                    self.wanted.keep(&name, &bytes)?;
                }
                h3::Event::Reset(code) => return Err(format!("reset with {code}").into()),
                _ => {}
            }
        }
    }

    /// Tries the way from another port: once it is known to work, the connection moves there.
    fn go(&mut self, connection: &mut Connection, sockets: &mut Sockets) -> Result<(), Failure> {
        if connection.scids_left() > 0 {
            connection.new_scid(&ConnectionId::from_ref(&OTHER_ID), 7, false)?;
        }
        if connection.available_dcids() == 0 {
            return Ok(());
        }
        let server = connection.path_stats().next().ok_or("no path")?.peer_addr;
        let local = sockets.open(server.ip())?;
        connection.probe_path(local, server)?;
        self.unmoved = false;
        Ok(())
    }
}

/// Nobody else is on its sockets.
const ID: [u8; 8] = *b"a client";
const OTHER_ID: [u8; 8] = *b"the same";

const TICK: Duration = Duration::from_millis(100);

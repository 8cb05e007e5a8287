//! A server of files.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use pith_peer::files::Root;
use pith_peer::{Failure, Options};
use quiche::h3::{self, NameValue};
use quiche::{Config, Connection, ConnectionId, Error, Header, MAX_CONN_ID_LEN, PathEvent, Type};

use crate::sockets::{Datagram, Sockets};

pub fn run(options: &Options) -> Result<&'static str, Failure> {
    let mut sockets = Sockets::new();
    let local = sockets.open(options.host()?)?;
    println!("ACCEPT {local}");
    let mut server = Server {
        config: crate::config(options)?,
        root: Root::new(options)?,
        retries: options.has("retry"),
        sockets,
        clients: Vec::new(),
        by_id: HashMap::new(),
        ids: 0,
    };
    loop {
        server.turn()?;
    }
}

struct Server {
    config: Config,
    root: Root,
    retries: bool,
    sockets: Sockets,
    /// Those that were, too.
    clients: Vec<Client>,
    by_id: HashMap<Vec<u8>, usize>,
    ids: u64,
}

struct Client {
    connection: Connection,
    /// Requests that are not whole.
    asking: HashMap<u64, Vec<u8>>,
    /// Files, and how much of each is sent.
    going: HashMap<u64, (Vec<u8>, usize)>,
    /// Those of HTTP/3 whose headers are not sent.
    headless: HashSet<u64>,
    /// Where that is negotiated.
    http3: Option<h3::Connection>,
    told: bool,
}

impl Server {
    fn turn(&mut self) -> Result<(), Failure> {
        let open = self
            .clients
            .iter()
            .filter(|client| !client.connection.is_closed());
        let wait = open.filter_map(|client| client.connection.timeout()).min();
        for datagram in self.sockets.receive(wait) {
            self.take(datagram)?;
        }
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.connection.is_closed() {
                continue;
            }
            if client.connection.timeout() == Some(Duration::ZERO) {
                client.connection.on_timeout();
            }
            client.act(number, &self.root)?;
            if client.connection.is_established() {
                while self.clients[number].connection.scids_left() > 0 {
                    let id = self.new_id();
                    let connection = &mut self.clients[number].connection;
                    connection.new_scid(&ConnectionId::from_ref(&id), 7, false)?;
                    self.by_id.insert(id, number);
                }
            }
            let connection = &mut self.clients[number].connection;
            self.sockets.flush(connection)?;
            if connection.is_closed() {
                let timed_out = connection.is_timed_out();
                println!("{number} closed {:?} {timed_out}", connection.peer_error());
            }
        }
        Ok(())
    }

    fn new_id(&mut self) -> Vec<u8> {
        self.ids += 1;
        // Nobody guesses them here.
        let mut id = self.ids.to_be_bytes().to_vec();
        id.extend_from_slice(b"quiche");
        id
    }

    fn take(&mut self, mut datagram: Datagram) -> Result<(), Failure> {
        // Ids of its own are of one length, which a short header does not tell.
        let Ok(header) = Header::from_slice(&mut datagram.bytes, ID_LENGTH) else {
            return Ok(());
        };
        let known = self.by_id.get(header.dcid.as_ref()).copied();
        let number = match known {
            Some(number) => number,
            None => match self.greet(&header, &datagram)? {
                Some(number) => number,
                None => return Ok(()),
            },
        };
        let connection = &mut self.clients[number].connection;
        let received = connection.recv(&mut datagram.bytes, datagram.info);
        // What is wrong with a datagram may be a fault of the network's. With the first, nothing of the connection can be believed.
        if received.is_err() && known.is_none() {
            self.by_id.retain(|_, at| *at != number);
        }
        Ok(())
    }

    /// A client's first datagram; `None` where it is none, or the client has to send another.
    fn greet(
        &mut self,
        header: &Header<'_>,
        datagram: &Datagram,
    ) -> Result<Option<usize>, Failure> {
        if header.ty != Type::Initial && header.ty != Type::ZeroRTT {
            return Ok(None);
        }
        let (from, to) = (datagram.info.from, datagram.info.to);
        let mut out = [0; 1_500];
        if !quiche::version_is_supported(header.version) {
            let length = quiche::negotiate_version(&header.scid, &header.dcid, &mut out)?;
            self.sockets.send(&out[..length], to, from);
            return Ok(None);
        }
        if header.ty != Type::Initial {
            return Ok(None);
        }
        let token = header.token.as_deref().unwrap_or_default();
        if self.retries && token.is_empty() {
            let id = self.new_id();
            let length = quiche::retry(
                &header.scid,
                &header.dcid,
                &ConnectionId::from_ref(&id),
                &token_for(&header.dcid, from),
                header.version,
                &mut out,
            )?;
            self.sockets.send(&out[..length], to, from);
            return Ok(None);
        }
        let original = match self.retries {
            true => match original(token, from) {
                Some(original) => Some(original),
                None => return Ok(None),
            },
            false => None,
        };
        // After a Retry the client's address is proven, and the id is one of this server's.
        let id = match &original {
            Some(_) => header.dcid.to_vec(),
            None => self.new_id(),
        };
        let number = self.clients.len();
        let connection = quiche::accept(
            &ConnectionId::from_ref(&id),
            original.as_ref(),
            to,
            from,
            &mut self.config,
        )?;
        if original.is_some() {
            println!("{number} retried true");
        }
        self.by_id.insert(header.dcid.to_vec(), number);
        self.by_id.insert(id, number);
        self.clients.push(Client {
            connection,
            asking: HashMap::new(),
            going: HashMap::new(),
            headless: HashSet::new(),
            http3: None,
            told: false,
        });
        Ok(Some(number))
    }
}

impl Client {
    fn act(&mut self, number: usize, root: &Root) -> Result<(), Failure> {
        let connection = &mut self.connection;
        if connection.is_established() && !self.told {
            self.told = true;
            for (key, value) in crate::facts(connection) {
                println!("{number} {key} {value}");
            }
            if crate::is_http3(connection) {
                let config = h3::Config::new()?;
                self.http3 = Some(h3::Connection::with_transport(connection, &config)?);
            }
        }
        while let Some(event) = connection.path_event_next() {
            if let PathEvent::PeerMigrated(_, client) = event {
                println!("{number} migrated {client}");
            }
        }
        if let Some(http3) = &mut self.http3 {
            answer_http3(http3, connection, root, &mut self.headless, &mut self.going)?;
            return Ok(());
        }
        let mut buffer = [0; 4_096];
        for stream in connection.readable() {
            while let Ok((length, ended)) = connection.stream_recv(stream, &mut buffer) {
                let request = self.asking.entry(stream).or_default();
                request.extend_from_slice(&buffer[..length]);
                if ended {
                    let file = root.answer(request)?;
                    self.asking.remove(&stream);
                    self.going.insert(stream, (file, 0));
                    break;
                }
            }
        }
        let mut sent = Vec::new();
        for (stream, (file, at)) in &mut self.going {
            match connection.stream_send(*stream, &file[*at..], true) {
                Ok(count) => *at += count,
                Err(Error::Done) => {}
                Err(Error::StreamStopped(_)) => sent.push(*stream),
                Err(error) => return Err(error.into()),
            }
            if *at == file.len() {
                sent.push(*stream);
            }
        }
        for stream in sent {
            self.going.remove(&stream);
        }
        Ok(())
    }
}

/// Answers requests, as far as there is room.
fn answer_http3(
    http3: &mut h3::Connection,
    connection: &mut Connection,
    root: &Root,
    headless: &mut HashSet<u64>,
    going: &mut HashMap<u64, (Vec<u8>, usize)>,
) -> Result<(), Failure> {
    loop {
        match http3.poll(connection) {
            Ok((stream, h3::Event::Headers { list, .. })) => {
                let path = list.iter().find(|header| header.name() == b":path");
                let path = std::str::from_utf8(path.ok_or("no path")?.value())?;
                let file = root.file(path.trim_start_matches('/'))?;
                headless.insert(stream);
                going.insert(stream, (file, 0));
            }
            Ok(_) => {}
            Err(h3::Error::Done) => break,
            Err(error) => return Err(error.into()),
        }
    }
    for (stream, (file, at)) in going.iter_mut() {
        if headless.contains(stream) {
            let headers = [h3::Header::new(b":status", b"200")];
            match http3.send_response(connection, *stream, &headers, false) {
                Ok(()) => headless.remove(stream),
                // The congestion window is full with other files.
                Err(h3::Error::StreamBlocked) => continue,
                Err(error) => return Err(error.into()),
            };
        }
        match http3.send_body(connection, *stream, &file[*at..], true) {
            Ok(count) => *at += count,
            Err(h3::Error::Done) => {}
            Err(error) => return Err(error.into()),
        }
    }
    going.retain(|_, (file, at)| *at < file.len());
    Ok(())
}

/// A token that says for whom it is, which is enough where nobody lies.
fn token_for(original: &ConnectionId<'_>, client: SocketAddr) -> Vec<u8> {
    let mut token = format!("{client}/").into_bytes();
    token.extend_from_slice(original);
    token
}

fn original(token: &[u8], client: SocketAddr) -> Option<ConnectionId<'static>> {
    let original = token.strip_prefix(format!("{client}/").as_bytes())?;
    let fits = original.len() <= MAX_CONN_ID_LEN;
    fits.then(|| ConnectionId::from_vec(original.to_vec()))
}

const ID_LENGTH: usize = 14;

//! Clients whose hello is on its way: admission before there is a connection.
//!
//! A ClientHello comes in several Initial packets, in any order. They are opened here, with keys that anybody has, to find the hello; what came is kept
//! as it came, for the connection to be given if there will be one. What does not open leaves nothing behind (attack Q08), and what is kept is bounded
//! in datagrams, bytes and time. A client that repeats what is here already is told so by an acknowledgement, or it might never send the rest: else nothing is
//! acknowledged, since what is sent under an id binds the connection to it.

use core::time::Duration;

use bytes::BytesMut;
use pith_crypto::Error;
use pith_tls::{Now, Offered};

use crate::buffer::Reassembly;
use crate::connection::Connection;
use crate::limits;
use crate::path::{NewId, Route};
use crate::protect::{Datagram, Draft, Incoming as Part, Opener, PacketSecret};
use crate::recovery::{Ecn, Ranges};
use crate::wire::frame::{Frame, frames};
use crate::wire::header::{NewHeader, QuicBit};
use crate::wire::version::LongType;
use crate::wire::{Builder, ConnectionId, PacketNumber, PacketType, Side, VarInt, Version};

/// A client that asks for a connection, and what it offers. Give it to [`accept`](crate::Endpoint::accept), [`refuse`](crate::Endpoint::refuse),
/// [`retry`](crate::Endpoint::retry) or, to be as if nobody were here, [`ignore`](crate::Endpoint::ignore).
pub struct Incoming {
    pub(super) admission: Admission,
    pub(super) peer: ConnectionId,
    pub(super) datagrams: Vec<(Ecn, BytesMut)>,
    pub(super) offered: Option<Box<Offered>>,
    pub(super) acknowledged: Option<Box<Acknowledged>>,
}

/// What a client was sent before there was a connection for it, which goes on from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    pub(super) id: NewId,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// What is known from the first datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    pub(super) route: Route,
    pub(super) version: Version,
    /// Where the client's Initial packets go.
    pub(super) dcid: ConnectionId,
    pub(super) original: ConnectionId,
    /// Whether it has followed a Retry.
    pub(super) retried: bool,
    /// Whether a token has shown that it receives at its address.
    pub(super) validated: bool,
}

/// A hello that is not complete.
pub(super) struct Attempt {
    admission: Admission,
    opener: Opener,
    pub(super) began: Duration,
    peer: Option<ConnectionId>,
    crypto: Reassembly,
    hello: Vec<u8>,
    datagrams: Vec<(Ecn, BytesMut)>,
    bytes: usize,
    /// Numbers of the packets all of which is kept.
    numbers: Ranges,
    acknowledged: Option<Acknowledged>,
}

/// What was found in a datagram.
struct Reading {
    /// Something new, or early data that a connection can use.
    news: bool,
    /// There was room for every piece of the hello in it.
    whole: bool,
    /// Of the packets that opened.
    numbers: Vec<PacketNumber>,
}

/// What a datagram has made of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing of it opened, or there is no room for it.
    Nothing,
    /// It opened, and brought nothing but what is kept.
    Again,
    /// It is kept.
    Kept,
    /// The hello is complete.
    Complete,
}

/// What came of a client before there was a connection for it.
#[must_use]
pub struct Unread {
    route: Route,
    datagrams: Vec<(Ecn, BytesMut)>,
}

impl Unread {
    pub(super) fn new(route: Route, datagrams: Vec<(Ecn, BytesMut)>) -> Self {
        Self { route, datagrams }
    }

    /// Gives it to the client's connection.
    pub fn read(self, connection: &mut Connection, now: Now) {
        for (ecn, datagram) in self.datagrams {
            connection.receive(now, self.route, ecn, datagram);
        }
    }
}

impl Incoming {
    /// Where the client is, if it is where it says.
    #[must_use]
    pub fn route(&self) -> Route {
        self.admission.route
    }

    /// Whether the client has shown that it receives at its address.
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.admission.validated
    }

    /// What the client's hello offers; `None` if nobody can read it: a connection would close with the alert that says why.
    #[must_use]
    pub fn offered(&self) -> Option<&Offered> {
        self.offered.as_deref()
    }
}

impl Attempt {
    pub(super) fn new(admission: Admission, now: Duration) -> Result<Self, Error> {
        let (client, _) = PacketSecret::initial(admission.version, &admission.dcid)?;
        Ok(Self {
            admission,
            opener: client.opener()?,
            began: now,
            peer: None,
            crypto: Reassembly::default(),
            hello: Vec::new(),
            datagrams: Vec::new(),
            bytes: 0,
            numbers: Ranges::default(),
            acknowledged: None,
        })
    }

    /// Of the datagrams that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the pieces of a hello cost that have gaps between.
    #[cfg(test)]
    pub(super) fn fragments(&self) -> usize {
        self.crypto.fragments()
    }

    /// Whether a packet with this number would be acknowledged.
    #[cfg(test)]
    pub(super) fn acknowledges(&self, number: u64) -> bool {
        PacketNumber::new(number).is_some_and(|number| self.numbers.contains(number))
    }

    /// Takes a datagram to this attempt's id.
    pub(super) fn receive(&mut self, ecn: Ecn, datagram: BytesMut) -> Progress {
        let bytes = self.bytes.saturating_add(datagram.len());
        if self.datagrams.len() >= limits::ATTEMPT_DATAGRAMS || bytes > limits::ATTEMPT_BYTES {
            return Progress::Nothing;
        }
        let read = self.read(&datagram);
        let again = read.whole && !read.numbers.is_empty();
        if !read.news && !again {
            return Progress::Nothing;
        }
        // A piece that there was no room for is still in the datagram that is kept, but a hello without it never gets whole: it has to come again.
        if read.whole {
            for number in read.numbers {
                self.numbers.insert(number);
            }
        }
        if !read.news {
            return Progress::Again;
        }
        self.bytes = bytes;
        self.datagrams.push((ecn, datagram));
        if self.is_complete() {
            Progress::Complete
        } else {
            Progress::Kept
        }
    }

    /// What is given to the application when the hello is complete.
    pub(super) fn into_incoming(self) -> Incoming {
        Incoming {
            admission: self.admission,
            peer: self.peer.unwrap_or_default(),
            datagrams: self.datagrams,
            acknowledged: self.acknowledged.map(Box::new),
            offered: Offered::read(&self.hello).ok().map(Box::new),
        }
    }

    /// Writes an acknowledgement of what is kept, from `id` if none was sent before, and says how long it is and from which id. `None` if there is no more
    /// to be had.
    pub(super) fn acknowledge(
        &mut self,
        id: Option<NewId>,
        reply: &mut [u8],
    ) -> Option<(usize, ConnectionId)> {
        let mut sent = match self.acknowledged {
            Some(sent) => sent,
            None => Acknowledged {
                id: id?,
                packets: 0,
                bytes: 0,
            },
        };
        if sent.packets >= limits::ATTEMPT_ACKS {
            return None;
        }
        let header = NewHeader::Long {
            long_type: LongType::Initial,
            version: self.admission.version,
            dcid: self.peer?,
            scid: sent.id.id,
            token: &[],
        };
        let (_, server) =
            PacketSecret::initial(self.admission.version, &self.admission.dcid).ok()?;
        let mut keys = server.sealer(1).ok()?;
        let mut builder = Builder::new(reply);
        let number = PacketNumber::new(sent.packets)?;
        let draft = Draft::begin(&mut builder, &header, true, number, None)?;
        builder.put_ack(VarInt::ZERO, self.numbers.descending(), None)?;
        let length = draft.seal(&mut builder, &mut keys).ok()?;
        sent.packets = sent.packets.saturating_add(1);
        sent.bytes = sent.bytes.saturating_add(size(length));
        self.acknowledged = Some(sent);
        Some((length, sent.id.id))
    }

    /// Reads the CRYPTO frames of a copy.
    fn read(&mut self, datagram: &[u8]) -> Reading {
        let mut numbers = Vec::new();
        let mut whole = true;
        let before = self.crypto.joined().saturating_add(buffered(&self.crypto));
        let mut parts = Datagram::new(BytesMut::from(datagram), limits::ENDPOINT_ID, QuicBit::Any);
        let mut early = false;
        while let Some(Ok(Part::Protected(packet))) = parts.next() {
            let header = packet.header();
            let Some((version, scid)) = header.long else {
                break;
            };
            // rfc9000#7.2-6
            let fits = version == self.admission.version
                && self.peer.is_none_or(|peer| peer == scid)
                && (header.dcid == self.admission.dcid || self.own() == Some(header.dcid));
            match header.packet {
                PacketType::Initial if fits => {}
                PacketType::ZeroRtt if fits => {
                    early = true;
                    continue;
                }
                _ => continue,
            }
            // Numbers of a first flight are small: there is no larger one to count from.
            let Ok(opened) = packet.open(&self.opener, None, Side::Server) else {
                continue;
            };
            self.peer = Some(scid);
            numbers.push(opened.number);
            for frame in frames(&opened.payload, PacketType::Initial, Side::Server) {
                // Faults are for the connection to answer.
                let Ok(frame) = frame else { break };
                if let Frame::Crypto(crypto) = frame {
                    let offset = crypto.offset.get();
                    let end = offset.saturating_add(size(crypto.data.len()));
                    // Pieces with gaps between cost far more than they hold (attack A23).
                    let worth = self.crypto.fragments() < limits::ATTEMPT_BYTES;
                    if worth && end <= size(limits::ATTEMPT_BYTES) {
                        self.crypto.insert(offset, crypto.data);
                    } else {
                        whole = false;
                    }
                }
            }
        }
        let after = self.crypto.joined().saturating_add(buffered(&self.crypto));
        while let Some(chunk) = self.crypto.read(usize::MAX) {
            self.hello.extend_from_slice(&chunk.bytes);
        }
        Reading {
            news: after > before || early && self.peer.is_some(),
            whole,
            numbers,
        }
    }

    /// From where it was sent something.
    pub(super) fn own(&self) -> Option<ConnectionId> {
        self.acknowledged.map(|sent| sent.id.id)
    }

    fn is_complete(&self) -> bool {
        match self.hello.first_chunk() {
            Some([_, high, middle, low]) => {
                let body = u32::from_be_bytes([0, *high, *middle, *low]);
                let body = usize::try_from(body).unwrap_or(usize::MAX);
                let whole = body.saturating_add(HEADER);
                // What will never fit goes to a connection too, which says what is wrong with it.
                self.hello.len() >= whole || whole > limits::ATTEMPT_BYTES
            }
            None => false,
        }
    }
}

/// Bytes beyond a gap.
fn buffered(crypto: &Reassembly) -> u64 {
    size(crypto.buffered())
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Bytes of a handshake message's type and length.
const HEADER: usize = 4;

//! What a stranger sends to a server's endpoint, and what comes back: a question to the application, an answer, or nothing (RFC 9000 sections 6.1, 7.2, 8.1, 10.3
//! and 14.1).

use std::time::Duration;

use bytes::BytesMut;
use pith_quic::{Ecn, Endpoint, EndpointConfig, Retrying, Routed, Version};
use pith_tests::rogue::keys::retry_tag;
use pith_tests::rogue::wire::{Header, frame, sized, stream};
use pith_tests::rogue::{Draft, Level, Rogue, retry, version_negotiation};

use super::bench::*;

/// An endpoint and what it says.
struct Server {
    endpoint: Endpoint,
    now: Duration,
}

impl Server {
    fn new(retrying: Retrying) -> Self {
        let now = Duration::from_secs(100);
        let config = EndpointConfig::server().unwrap().retrying(retrying);
        let mut endpoint = Endpoint::new(config, at(now)).unwrap();
        let (_, server) = builders();
        endpoint.set_versions(&server.build().unwrap());
        Self { endpoint, now }
    }

    /// What becomes of a datagram that comes from this port, and the answer's bytes.
    fn take(&mut self, port: u16, datagram: &[u8]) -> (String, Vec<u8>) {
        let mut reply = vec![0; 1500];
        let bytes = BytesMut::from(datagram);
        let now = at(self.now);
        let routed = self
            .endpoint
            .receive(now, route(port), Ecn::NotEct, bytes, &mut reply);
        match routed {
            Routed::Nothing => ("nothing".into(), Vec::new()),
            Routed::Incoming(incoming) => {
                let known = if incoming.is_validated() {
                    "asks, validated"
                } else {
                    "asks"
                };
                (known.into(), Vec::new())
            }
            Routed::Reply(length) => {
                reply.truncate(length);
                assert!(reply.len() <= 3 * datagram.len(), "amplification");
                (kind(&reply), reply)
            }
            Routed::Connection(..) => ("a connection".into(), Vec::new()),
            Routed::Forward(..) => panic!("there is one worker"),
        }
    }
}

fn kind(reply: &[u8]) -> String {
    let header = Header::parse(reply, 8);
    match (header.version, header.first & 0xb0) {
        (None, _) => format!("reset of {}", reply.len()),
        (Some(0), _) => "versions".into(),
        (Some(_), 0xb0) => "Retry".into(),
        (Some(_), _) => "a packet".into(),
    }
}

/// A client's first datagram, bent.
fn first(rogue: &mut Rogue, bend: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let hello = rogue.client_hello();
    let payload = rogue.say(Level::Initial, &hello);
    let mut draft = rogue.draft(Level::Initial, &payload);
    bend(&mut draft);
    rogue.expanded(draft)
}

/// One whose ids are these.
fn with_ids(original: &[u8], scid: &[u8]) -> Vec<u8> {
    first(&mut Rogue::client(original, scid), |_| ())
}

fn bent(bend: impl FnOnce(&mut Draft)) -> Vec<u8> {
    first(&mut Rogue::client(&ORIGINAL, &ROGUE), bend)
}

fn payload(payload: &[u8]) -> Vec<u8> {
    Rogue::client(&ORIGINAL, &ROGUE).datagram(Level::Initial, payload)
}

fn short(length: usize) -> Vec<u8> {
    let mut packet = vec![9; length];
    packet[0] = 0x4c;
    packet
}

#[test]
fn first_datagrams_of_strangers() {
    let whole = bent(|_| ());
    assert_eq!(whole.len(), 1200);
    let turned = |at: usize| {
        let mut datagram = whole.clone();
        datagram[at] ^= 1;
        datagram
    };
    let unknown = |length: usize| {
        let mut datagram = bent(|draft| draft.version = 0x1a2a_3a4a);
        datagram.resize(length, 0);
        datagram
    };
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an honest one", whole.clone(), "asks"),
        (
            "a destination of 7 bytes",
            with_ids(&[7; 7], &ROGUE),
            "nothing",
        ),
        ("no destination", with_ids(&[], &ROGUE), "nothing"),
        (
            "a destination of 20 bytes",
            with_ids(&[7; 20], &ROGUE),
            "asks",
        ),
        (
            "a destination of 21 bytes",
            bent(|d| d.dcid = vec![7; 21]),
            "nothing",
        ),
        ("no source", with_ids(&ORIGINAL, &[]), "asks"),
        (
            "a source of 20 bytes",
            with_ids(&ORIGINAL, &[7; 20]),
            "asks",
        ),
        (
            "a source of 21 bytes",
            bent(|d| d.scid = vec![7; 21]),
            "nothing",
        ),
        ("1199 bytes", whole[..1199].to_vec(), "nothing"),
        ("bytes behind it", [&whole[..], &[7; 100]].concat(), "asks"),
        ("its last byte turned", turned(1199), "nothing"),
        ("its payload turned", turned(500), "nothing"),
        ("its number turned", turned(28), "nothing"),
        ("its fixed bit 0", bent(|d| d.flip = 0x40), "asks"),
        ("reserved bits", bent(|d| d.flip = 0x0c), "nothing"),
        ("a token of noise", bent(|d| d.token = vec![7; 60]), "asks"),
        ("a token of one byte", bent(|d| d.token = vec![1]), "asks"),
        ("an unknown version", unknown(1200), "versions"),
        ("an unknown version in 1199 bytes", unknown(1199), "nothing"),
        (
            "version 2, which it does not speak",
            bent(|d| (d.version, d.flip) = (0x6b33_43cf, 0x10)),
            "versions",
        ),
        (
            "what would be a Retry of version 2",
            bent(|d| d.version = 0x6b33_43cf),
            "nothing",
        ),
        (
            "Version Negotiation",
            version_negotiation(&ORIGINAL, &ROGUE, &[1; 300]),
            "nothing",
        ),
        (
            "a Retry",
            retry(&ORIGINAL, &ROGUE, &[7; 1200], &ORIGINAL),
            "nothing",
        ),
        (
            "a Handshake packet",
            [&[0xe3, 0, 0, 0, 1, 8][..], &[7; 1200]].concat(),
            "nothing",
        ),
        (
            "a 0-RTT packet",
            [&[0xd3, 0, 0, 0, 1, 8][..], &[7; 1200]].concat(),
            "nothing",
        ),
        ("PING alone", payload(&[1]), "nothing"),
        ("PADDING alone", payload(&[0]), "nothing"),
        (
            "no frames",
            {
                let mut rogue = Rogue::client(&ORIGINAL, &ROGUE);
                let draft = rogue.draft(Level::Initial, &[]);
                let mut datagram = rogue.seal(&draft);
                datagram.resize(1200, 0);
                datagram
            },
            "nothing",
        ),
        (
            "a STREAM frame",
            payload(&stream(0, 0, b"x", false)),
            "nothing",
        ),
        ("an unknown frame", payload(&[0x21]), "nothing"),
        (
            "CONNECTION_CLOSE",
            payload(&frame(0x1c, &[0, 0], &sized(&[]))),
            "nothing",
        ),
        (
            "the end of a hello",
            payload(&frame(6, &[200], &sized(&[7; 90]))),
            "nothing",
        ),
        (
            "a ServerHello",
            payload(&frame(6, &[0], &sized(&[2, 0, 0, 0]))),
            "asks",
        ),
        ("nothing at all", vec![], "nothing"),
        ("one byte of a long header", vec![0xc0], "nothing"),
        (
            "a long header cut in its version",
            vec![0xc0, 0, 0],
            "nothing",
        ),
        (
            "a long header cut in its ids",
            vec![0xc0, 0, 0, 0, 1, 8, 7],
            "nothing",
        ),
        ("noise with a long header", vec![0xff; 1200], "versions"),
        ("a short header of 21 bytes", short(21), "nothing"),
        ("a short header of 22 bytes", short(22), "nothing"),
        ("a short header of 41 bytes", short(41), "reset of"),
        ("a short header of 1200 bytes", short(1200), "reset of"),
    ];
    for (name, datagram, want) in rows {
        let mut server = Server::new(Retrying::From(9));
        let (got, reply) = server.take(1, &datagram);
        let fits = got == want || want == "reset of" && got.starts_with(want);
        assert!(fits, "{name}: {got} instead of {want}");
        match want {
            "versions" => {
                let header = Header::parse(&reply, 8);
                let asked = Header::parse(&[&datagram[..5], &datagram[5..]].concat(), 8);
                assert_eq!(
                    (header.dcid, header.scid),
                    (asked.scid, asked.dcid),
                    "{name}"
                );
                let speaks = Version::V1.number().to_be_bytes();
                assert!(
                    header.token.chunks(4).any(|version| version == speaks),
                    "{name}"
                );
            }
            "reset of" => assert!(reply.len() < datagram.len() && reply.len() >= 21, "{name}"),
            _ => {}
        }
    }
}

/// Answers go to nobody whose port answers by itself (attack A45).
#[test]
fn ports_that_answer_hear_nothing() {
    let unknown = bent(|draft| draft.version = 0x1a2a_3a4a);
    for datagram in [unknown, short(1200)] {
        for (port, answered) in [(53, false), (123, false), (50_000, true)] {
            let (got, _) = Server::new(Retrying::From(9)).take(port, &datagram);
            assert_eq!(got != "nothing", answered, "{port}: {got}");
        }
    }
}

/// The token and the id of a Retry packet.
fn of_retry(reply: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let header = Header::parse(reply, 8);
    let token = header.token[..header.token.len() - 16].to_vec();
    (token, header.scid)
}

#[test]
fn tokens_that_clients_show_after_a_retry() {
    // What the second hello says, given what the Retry said.
    struct Second {
        token: Vec<u8>,
        dcid: Vec<u8>,
        scid: Vec<u8>,
        port: u16,
        later: Duration,
    }
    type Change = fn(&mut Second);
    let rows: [(&str, Change, &str); 11] = [
        ("all as it was told", |_| (), "asks, validated"),
        ("no token", |s| s.token = vec![], "Retry"),
        ("a bit of the token turned", |s| s.token[20] ^= 1, "Retry"),
        (
            "the first bit of the token turned",
            |s| s.token[0] ^= 1,
            "Retry",
        ),
        ("half a token", |s| s.token.truncate(20), "Retry"),
        ("a byte behind the token", |s| s.token.push(0), "Retry"),
        ("from another port", |s| s.port = 2, "a packet"),
        ("to another id", |s| s.dcid = vec![7; 8], "a packet"),
        (
            "to the first id",
            |s| s.dcid = ORIGINAL.to_vec(),
            "a packet",
        ),
        (
            "too late",
            |s| s.later = Duration::from_secs(3600),
            "a packet",
        ),
        (
            "just in time",
            |s| s.later = Duration::from_secs(9),
            "asks, validated",
        ),
    ];
    for (name, change, want) in rows {
        let mut server = Server::new(Retrying::Always);
        let mut rogue = Rogue::client(&ORIGINAL, &ROGUE);
        let (got, reply) = server.take(1, &first(&mut rogue, |_| ()));
        assert_eq!(got, "Retry", "{name}");
        let (token, scid) = of_retry(&reply);
        let (packet, tag) = reply.split_at(reply.len() - 16);
        assert_eq!(retry_tag(&ORIGINAL, packet), tag, "{name}");
        let mut second = Second {
            token,
            dcid: scid,
            scid: ROGUE.to_vec(),
            port: 1,
            later: Duration::ZERO,
        };
        change(&mut second);
        let mut rogue = Rogue::client(&second.dcid, &second.scid);
        rogue.token = second.token;
        server.now += second.later;
        let (got, reply) = server.take(second.port, &first(&mut rogue, |_| ()));
        assert_eq!(got, want, "{name}");
        if got == "a packet" {
            rogue.take(&reply);
            assert_eq!(
                rogue.closed(),
                Some((0x1c, 0x0b, 0)),
                "{name}: INVALID_TOKEN"
            );
        }
    }
}

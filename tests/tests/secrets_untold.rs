//! No secret is told to whoever logs: not in an event, a summary or an error, in words or as Rust shows a value (T14).
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::observe::{self, Seen, Subject};
use pith_quic::{
    Connection, ConnectionKey, Dir, Ecn, Endpoint, EndpointConfig, Read, Retrying, Route, Routed,
    VarInt,
};
use pith_tests::engine::{Duo, Outcome};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    ClientConfig, EarlyData, Event, ExternalPsk, Hash, KeyLog, Now, Observer, Role, ServerConfig,
    Session, SessionKey, SessionStore, StrikeRegister, Tickets,
};

const FLEET: &[u8] = b"a secret that all of the servers know";
const EXTERNAL: &[u8] = b"a key that was agreed on long before";
const SAVING: [u8; 32] = *b"the key that sessions rest under";

/// Keeps all that it is told, in both forms.
#[derive(Default)]
struct Log(Mutex<String>);

impl Log {
    fn add(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }
}

impl Observer for Log {
    fn event(&self, event: &Event<'_>) {
        self.add(&format!("{event}\n{event:?}\n{event:#?}\n"));
    }
}

/// The ways in which bytes may be written, of which a few are enough to give them away.
fn forms(secret: &[u8]) -> Vec<String> {
    let part = &secret[..8];
    let hex = |upper: bool, between: &str| {
        let byte = |byte: &u8| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        };
        part.iter().map(byte).collect::<Vec<_>>().join(between)
    };
    let list = format!("{part:?}");
    let lines = format!("{part:#?}");
    vec![
        hex(false, ""),
        hex(true, ""),
        hex(false, " "),
        hex(false, ":"),
        list.trim_matches(['[', ']']).to_owned(),
        lines.trim_matches(['[', ']', '\n', ',']).to_owned(),
        String::from_utf8_lossy(part).into_owned(),
    ]
}

#[test]
fn the_search_finds_a_secret_in_each_form() {
    let secret = *b"\x0a1234567rest";
    for told in [
        "key 0a31323334353637",
        "0A31323334353637",
        "0a 31 32 33 34 35 36 37",
        "0a:31:32:33:34:35:36:37",
        &format!("Key({secret:?})"),
        &format!("Key({secret:#?})"),
        "\n1234567",
    ] {
        let found = forms(&secret).iter().any(|form| told.contains(form));
        assert!(found, "{told}");
    }
}

#[test]
fn what_is_told_holds_no_secret() {
    let pki = Pki::new();
    let (log, store) = (Arc::new(Log::default()), SessionStore::new());
    let identity = pki.leaf(NAME);
    fn psk(role: Role, key: &[u8]) -> ExternalPsk {
        ExternalPsk::new(role, b"identity", b"", key, Hash::Sha256).unwrap()
    }
    let client = |key: Option<&[u8]>| {
        let mut config = ClientConfig::new(trust(&pki)).observer(log.clone());
        config = match key {
            Some(key) => config.psk(psk(Role::Client, key)),
            None => config.sessions(store.clone()),
        };
        config.keep_peer_chain(true).build().unwrap()
    };
    let server = ServerConfig::new(credential(&identity))
        .observer(log.clone())
        .tickets(Tickets::fleet(FLEET).unwrap())
        .psk(psk(Role::Server, EXTERNAL))
        .build()
        .unwrap();

    let mut secrets = vec![
        FLEET.to_vec(),
        EXTERNAL.to_vec(),
        SAVING.to_vec(),
        // The number that is a P-256 key, between what names its kind and the public key.
        identity.key.secret_der()[36..68].to_vec(),
    ];
    let wrong = [&EXTERNAL[..8], b"as it should not be"].concat();
    // The first handshake, one that resumes, and two by an external key, of which one fails.
    for key in [None, None, Some(EXTERNAL), Some(&wrong)] {
        let mut duo = Duo::records(&client(key), &server);
        let outcome = duo.run();
        let failed = matches!(outcome, Outcome::Failed(..));
        assert_eq!(failed, key == Some(&wrong));
        log.add(&format!("{outcome:?} {outcome:#?}"));
        for side in [&duo.client, &duo.server] {
            log.add(&format!("{:?} {:#?}", side.summary, side.summary));
            log.add(&format!("{:?}", side.error));
            secrets.extend(side.secrets.iter().map(|(_, _, secret)| secret.clone()));
        }
        if !failed {
            secrets.push(duo.client.exported().to_vec());
        }
    }
    assert!(!store.is_empty(), "sessions were kept");
    let key = SessionKey::new(&SAVING);
    for session in store.drain() {
        let sealed = session.seal(&key).unwrap();
        let other = Session::open(&SessionKey::new(&[1; 32]), &sealed).err();
        let error = other.unwrap();
        log.add(&format!("{error} {error:?}"));
        for secret in &secrets {
            let found = sealed.windows(8).any(|window| window == &secret[..8]);
            assert!(!found, "a secret in a saved session");
        }
    }

    let told = log.0.lock().unwrap();
    assert!(told.contains("X25519MLKEM768"), "something was told");
    assert!(secrets.len() > 20);
    for secret in &secrets {
        for form in forms(secret) {
            assert!(!told.contains(&form), "{form}");
        }
    }
}

/// Tells a log all that a QUIC connection or endpoint tells.
struct Listener(Arc<Log>);

impl observe::Observer for Listener {
    fn seen(&mut self, at: Duration, seen: &Seen<'_>) {
        self.0.add(&format!("{at:?} {seen}\n{seen:?}\n{seen:#?}\n"));
    }
}

/// A socket's end with one connection.
struct End {
    endpoint: Endpoint,
    connection: Option<(ConnectionKey, Connection)>,
}

/// Both ends, and what must not be told.
struct Quic {
    ends: [End; 2],
    server: pith_quic::ServerConfig,
    now: Now,
    secrets: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn route(to: usize) -> Route {
    Route {
        local: None,
        remote: ([127, 0, 0, 1], [5000, 443][to]).into(),
    }
}

impl Quic {
    /// Hands out what was sent, until nothing is, and reads all data.
    fn run(&mut self) {
        let mut buffer = vec![0; 16 * 1500];
        for _ in 0..60 {
            self.now.monotonic += Duration::from_millis(20);
            self.now.unix += Duration::from_millis(20);
            for from in [0, 1] {
                let mut datagrams = Vec::new();
                let End {
                    endpoint,
                    connection,
                } = &mut self.ends[from];
                let Some((key, connection)) = connection else {
                    continue;
                };
                connection.on_deadline(self.now);
                while let Some(event) = connection.event() {
                    if let pith_quic::Event::Token(token) = event {
                        self.secrets.lock().unwrap().push(token.to_vec());
                    }
                }
                while let Some(batch) = connection.transmit(self.now, &mut buffer) {
                    let all = buffer[..batch.length].chunks(batch.segment);
                    datagrams.extend(all.map(<[u8]>::to_vec));
                }
                while let Some(event) = connection.endpoint_event() {
                    if let pith_quic::EndpointEvent::ResetToken(token) = event {
                        self.secrets.lock().unwrap().push(token.0.to_vec());
                    }
                    let ids = endpoint.on_event(*key, event);
                    let tokens = ids.iter().map(|id| id.reset_token.0.to_vec());
                    self.secrets.lock().unwrap().extend(tokens);
                    let taken = connection.issue_ids(&ids);
                    endpoint.forget_ids(*key, &ids[taken..]);
                }
                for datagram in datagrams {
                    self.deliver(1 - from, &datagram);
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, datagram: &[u8]) {
        let mut reply = [0; 1200];
        let (now, from) = (self.now, route(1 - to));
        let End {
            endpoint,
            connection,
        } = &mut self.ends[to];
        let bytes = BytesMut::from(datagram);
        match endpoint.receive(now, from, Ecn::NotEct, bytes, &mut reply) {
            Routed::Connection(_, bytes) => {
                let (_, connection) = connection.as_mut().unwrap();
                connection.receive(now, from, Ecn::NotEct, bytes);
            }
            Routed::Incoming(incoming) => {
                let accepted = endpoint.accept(incoming, &self.server, now);
                *connection = Some(accepted.unwrap());
            }
            Routed::Reply(length) => {
                let token = &reply[..length];
                // Of a Retry: behind the ids and before the tag.
                if token[0] & 0xf0 == 0xf0 {
                    let token = token[23..length - 16].to_vec();
                    self.secrets.lock().unwrap().push(token);
                }
                self.deliver(1 - to, &reply[..length]);
            }
            Routed::Forward(..) | Routed::Nothing => {}
        }
    }
}

#[test]
fn what_quic_tells_holds_neither_secrets_nor_data() {
    const DATA: [&[u8]; 5] = [
        b"what one application tells another",
        b"Nobody else is to read this datagram",
        b"reason of the application for its end",
        b"early words to the server of a client",
        b"token that is good for one connection",
    ];
    let pki = Pki::new();
    let log = Arc::new(Log::default());
    let secrets = Arc::new(Mutex::new(DATA.map(<[u8]>::to_vec).to_vec()));
    let listen = |log: &Arc<Log>| {
        let log = Arc::clone(log);
        move |_: &Subject| Some(Box::new(Listener(Arc::clone(&log))) as Box<dyn observe::Observer>)
    };
    let logged = Arc::clone(&secrets);
    let key_log = KeyLog::new(move |line| {
        let secret = line.rsplit(' ').next().unwrap().as_bytes().chunks(2);
        let secret = secret.map(|hex| std::str::from_utf8(hex).unwrap());
        let secret = secret.map(|hex| u8::from_str_radix(hex, 16).unwrap());
        logged.lock().unwrap().push(secret.collect());
    });
    let tls = ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .sessions(SessionStore::new())
        .early_data(true)
        .key_log(key_log)
        .observer(log.clone());
    let client = pith_quic::ClientConfig::new(tls.build().unwrap())
        .datagrams(1200)
        .observers(listen(&log))
        .build()
        .unwrap();
    let began = Now {
        unix: NOW.unix - Duration::from_secs(60),
        monotonic: Duration::ZERO,
    };
    let tls = ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .tickets(Tickets::rotating())
        .early_data(1, StrikeRegister::new(began))
        .observer(log.clone());
    let server = pith_quic::ServerConfig::new(tls.build().unwrap())
        .datagrams(1200)
        .observers(listen(&log))
        .build()
        .unwrap();
    let keys: [[u8; 32]; 2] = [
        *b"the key of this server's resets!",
        *b"and the one of all of its tokens",
    ];
    secrets.lock().unwrap().extend(keys.map(|key| key.to_vec()));
    let mut now = NOW;
    for round in 0..2 {
        let config = EndpointConfig::server()
            .unwrap()
            .reset_key(&keys[0])
            .unwrap()
            .token_key(&keys[1])
            .unwrap()
            .retrying(Retrying::Always)
            .observer(Box::new(Listener(log.clone())));
        let mut endpoint = Endpoint::new(EndpointConfig::client().unwrap(), now).unwrap();
        let made = endpoint.connect(&client, name(), route(1), Bytes::new(), now);
        let mut quic = Quic {
            ends: [
                End {
                    endpoint,
                    connection: Some(made.unwrap()),
                },
                End {
                    endpoint: Endpoint::new(config, now).unwrap(),
                    connection: None,
                },
            ],
            server: server.clone(),
            now,
            secrets: Arc::clone(&secrets),
        };
        if round == 1 {
            let (_, connection) = quic.ends[0].connection.as_mut().unwrap();
            let id = connection.open(Dir::Bi).unwrap();
            let mut early = Bytes::from_static(DATA[3]);
            connection.send(id, &mut early).unwrap();
        }
        quic.run();
        let (_, connection) = quic.ends[1].connection.as_mut().unwrap();
        connection.give_token(Bytes::from_static(DATA[4]));
        for end in [0, 1] {
            let (_, connection) = quic.ends[end].connection.as_mut().unwrap();
            let id = connection.open(Dir::Uni).unwrap();
            connection
                .send(id, &mut Bytes::from_static(DATA[0]))
                .unwrap();
            let datagram = Bytes::from_static(DATA[1]);
            connection.send_datagram(datagram).unwrap();
            connection.update_keys();
            let mut export = [0; 32];
            connection.export(b"label", b"", &mut export).unwrap();
            secrets.lock().unwrap().push(export.to_vec());
        }
        quic.run();
        let (_, connection) = quic.ends[1].connection.as_mut().unwrap();
        let id = connection.accept(Dir::Uni).unwrap();
        assert!(matches!(connection.read(id, 99), Ok(Read::Data { .. })));
        let early = [EarlyData::NotOffered, EarlyData::Accepted][round];
        assert_eq!(connection.early_data(), early);
        let reason = Bytes::from_static(DATA[2]);
        connection.close(VarInt::from(1_u8), reason, quic.now);
        quic.run();
        for end in &quic.ends {
            let (_, connection) = end.connection.as_ref().unwrap();
            let error = connection.error().unwrap();
            log.add(&format!("{error} {:?}", connection.stats()));
            log.add(&format!("{:?}", end.endpoint.stats()));
        }
        now = quic.now;
    }
    let told = log.0.lock().unwrap();
    for words in ["HandshakeDone", "Retry sent", "NewToken", "0-RTT keys"] {
        assert!(told.contains(words), "{words}");
    }
    let secrets = secrets.lock().unwrap();
    assert!(secrets.len() > 30, "{}", secrets.len());
    for secret in secrets.iter() {
        for form in forms(secret) {
            assert!(!told.contains(&form), "{form}");
        }
    }
}

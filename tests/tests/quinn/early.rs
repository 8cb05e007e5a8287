//! Sessions and early data between Pith and quinn, in both roles.

use pith_tls::{EarlyData, SessionStore, StrikeRegister, Tickets};
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};

use super::*;

const SUITE: CipherSuite = CipherSuite::Aes128GcmSha256;
const SECOND: Duration = Duration::from_secs(1);

/// A pair whose client has been there before and may send early data, and what each connection is made of.
struct Met {
    pair: Pair,
    client: Option<ClientConfig>,
    quinn: Option<quinn::ClientConfig>,
}

fn before() -> Now {
    Now {
        unix: NOW.unix - Duration::from_secs(100),
        ..NOW
    }
}

fn pith_tls_server(pki: &Pki, tickets: &Tickets) -> pith_tls::ServerConfigBuilder {
    pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .tickets(tickets.clone())
        .early_data(1, StrikeRegister::new(before()))
}

fn finished(tls: pith_tls::ServerConfigBuilder) -> ServerConfig {
    let config = ServerConfig::new(tls.build().unwrap());
    config.datagrams(1200).build().unwrap()
}

/// quinn's server with this storage of sessions.
fn taking(
    pki: &Pki,
    storage: &Arc<dyn rustls::server::StoresServerSessions>,
    early: u32,
) -> Arc<quinn::ServerConfig> {
    let identity = pki.leaf(NAME);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider(SUITE))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    tls.alpn_protocols = vec![b"test".to_vec()];
    tls.max_early_data_size = early;
    tls.session_storage = storage.clone();
    let crypto = QuicServerConfig::try_from(tls).unwrap();
    Arc::new(quinn::ServerConfig::with_crypto(Arc::new(crypto)))
}

fn offering(pki: &Pki) -> quinn::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider(SUITE))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"test".to_vec()];
    tls.enable_early_data = true;
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// What the server becomes before the client comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Same,
    TakesNone,
    Retries,
}

impl Met {
    fn pith_client(then: Then, bad: Bad, seed: u64) -> Self {
        let pki = Pki::new();
        let storage: Arc<dyn rustls::server::StoresServerSessions> =
            rustls::server::ServerSessionMemoryCache::new(32);
        let tls = pith_tls::ClientConfig::new(trust(&pki))
            .alpn(&[b"test"])
            .suites(&[SUITE])
            .sessions(SessionStore::new())
            .early_data(true);
        let client = ClientConfig::new(tls.build().unwrap()).datagrams(1200);
        let server = Some(taking(&pki, &storage, u32::MAX));
        let mut met = Self {
            pair: Pair::new(&pki, SUITE, server, (Bad::default(), seed)),
            client: Some(client.build().unwrap()),
            quinn: None,
        };
        met.meet();
        met.pair.bad = bad;
        if then == Then::TakesNone {
            let config = Some(taking(&pki, &storage, 0));
            met.pair.endpoint.set_server_config(config);
        }
        met.pair.retry = then == Then::Retries;
        met.connect();
        met
    }

    fn pith_server(then: Then, bad: Bad, seed: u64) -> Self {
        let pki = Pki::new();
        let tickets = Tickets::rotating();
        let mut met = Self {
            pair: Pair::new(&pki, SUITE, None, (Bad::default(), seed)),
            client: None,
            quinn: Some(offering(&pki)),
        };
        let tls = pith_tls_server(&pki, &tickets);
        met.pair.config = finished(tls);
        met.meet();
        met.pair.bad = bad;
        if then == Then::TakesNone {
            let tls = pith_tls_server(&pki, &tickets).early_data_settings(b"other");
            met.pair.config = finished(tls);
        }
        met.connect();
        met
    }

    fn connect(&mut self) {
        let pair = &mut self.pair;
        (pair.pith, pair.quinn) = (None, None);
        pair.flying.clear();
        pair.events.clear();
        pair.quinn_events.clear();
        if let Some(config) = &self.client {
            let (own, now) = (id(0xc0).id, pair.clock());
            let pith = Connection::client(config, name(), route(), own, Bytes::new(), now);
            pair.pith = Some(pith.unwrap());
        }
        if let Some(config) = &self.quinn {
            let instant = pair.instant();
            let made = pair
                .endpoint
                .connect(instant, config.clone(), address(2), NAME);
            pair.quinn = Some(made.unwrap());
        }
    }

    fn meet(&mut self) {
        self.connect();
        self.pair.connect();
        self.pair.exchange(1000);
        self.pair.run_until(SECOND, |_| false);
    }

    /// The client sends so many bytes on a new stream, and then the server sends as many back. Says whether Pith's server read all as early data.
    fn ask(&mut self, length: usize) -> bool {
        let data = pattern(length);
        let mut left = data.clone();
        let pair = &mut self.pair;
        let mut early = true;
        let theirs = quinn::StreamId::new(quinn::Side::Client, quinn::Dir::Bi, 0);
        let mut own = None;
        if self.client.is_some() {
            own = pair.pith().open(Dir::Bi);
            assert_eq!(own.map(StreamId::get), Some(0));
        } else {
            assert_eq!(pair.quinn().streams().open(quinn::Dir::Bi), Some(theirs));
        }
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        let (mut sent, mut heard, mut replied) = (0, false, 0);
        let (is_pith, mut ended) = (self.client.is_some(), false);
        let done = pair.run_until(Duration::from_secs(100), |pair| {
            if is_pith {
                if let Some(id) = own.filter(|_| sent == 0) {
                    pair.pith().send(id, &mut left).unwrap();
                    if left.is_empty() {
                        pair.pith().finish(id).unwrap();
                        sent = 1;
                    }
                }
                ended = ended || own.is_some_and(|id| read(pair.pith(), id, &mut answered));
                if pair.quinn.is_some() {
                    heard = heard || drain(pair.quinn(), theirs, &mut asked);
                    if heard {
                        write(pair.quinn(), theirs, &data, &mut replied);
                    }
                }
            } else {
                write(pair.quinn(), theirs, &data, &mut sent);
                ended = ended || drain(pair.quinn(), theirs, &mut answered);
                if let Some(pith) = &mut pair.pith {
                    own = own.or_else(|| pith.accept(Dir::Bi));
                    if let Some(id) = own.filter(|_| !heard) {
                        heard = loop {
                            match pith.read_early(id, usize::MAX).unwrap() {
                                Read::Data {
                                    bytes,
                                    ends,
                                    early: is_early,
                                    ..
                                } => {
                                    asked.extend_from_slice(&bytes);
                                    early &= is_early;
                                    if ends {
                                        break true;
                                    }
                                }
                                Read::Finished => break true,
                                Read::Blocked => break false,
                            }
                        };
                        if heard {
                            assert_eq!(pith.send(id, &mut left), Ok(length));
                            pith.finish(id).unwrap();
                        }
                    }
                }
            }
            ended
        });
        let error = self.pair.pith().error().cloned();
        assert!(done, "{error:?} {:?}", self.pair.quinn_events);
        assert!(asked == data && answered == data);
        early
    }
}

/// Writes what is left of `data`, and the end; a number past its length says that all is written.
fn write(quinn: &mut quinn::Connection, id: quinn::StreamId, data: &[u8], written: &mut usize) {
    while *written < data.len() {
        match quinn.send_stream(id).write(&data[*written..]) {
            Ok(more) => *written += more,
            Err(quinn::WriteError::Blocked) => return,
            Err(error) => panic!("{error}"),
        }
    }
    if *written == data.len() {
        quinn.send_stream(id).finish().unwrap();
        *written += 1;
    }
}

/// Reads what is there; says whether that was all. A stream that is not there yet has nothing.
fn drain(quinn: &mut quinn::Connection, id: quinn::StreamId, into: &mut Vec<u8>) -> bool {
    let _accepted = quinn.streams().accept(quinn::Dir::Bi);
    let mut stream = quinn.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        return false;
    };
    let ended = loop {
        match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => into.extend_from_slice(&chunk.bytes),
            Ok(None) => break true,
            Err(quinn::ReadError::Blocked) => break false,
            Err(error) => panic!("{error}"),
        }
    };
    let _transmit = chunks.finalize().should_transmit();
    ended
}

/// What Pith was told of early data, as a client.
fn told(pair: &Pair) -> Vec<bool> {
    let events = pair.events.iter();
    let told = events.filter_map(|event| match event {
        Event::EarlyDataAccepted => Some(true),
        Event::EarlyDataRejected => Some(false),
        _ => None,
    });
    told.collect()
}

#[test]
fn quinn_takes_early_data_of_a_pith_client_that_comes_back() {
    for then in [Then::Same, Then::Retries] {
        let mut met = Met::pith_client(then, Bad::default(), 1);
        assert_eq!(met.pair.pith().early_data(), EarlyData::Offered);
        let began = met.pair.now;
        met.ask(3000);
        let trips = if then == Then::Same { 2 } else { 4 };
        assert_eq!(
            met.pair.now - began,
            DELAY * trips,
            "no round trip more than that"
        );
        met.pair.connect();
        assert_eq!(told(&met.pair), [true]);
        let pith = met.pair.pith();
        assert_eq!(pith.early_data(), EarlyData::Accepted);
        assert!(pith.summary().unwrap().resumed());
        assert_eq!(pith.stats().packets_lost, 0);
        met.pair.run_until(SECOND, |_| false);
        met.pair.exchange(100_000);
    }
}

#[test]
fn pith_takes_early_data_of_a_quinn_client_that_comes_back() {
    let mut met = Met::pith_server(Then::Same, Bad::default(), 1);
    assert!(met.pair.quinn().has_0rtt());
    let began = met.pair.now;
    assert!(met.ask(3000), "all of it is early data");
    assert_eq!(
        met.pair.now - began,
        DELAY * 2,
        "no round trip more than that"
    );
    met.pair.connect();
    assert!(met.pair.quinn().accepted_0rtt());
    let pith = met.pair.pith();
    assert_eq!(pith.early_data(), EarlyData::Accepted);
    assert!(pith.summary().unwrap().resumed());
    met.pair.run_until(SECOND, |_| false);
    met.pair.exchange(100_000);
}

#[test]
fn early_data_that_quinn_or_pith_rejects_is_sent_again_by_the_application_alone() {
    let mut met = Met::pith_client(Then::TakesNone, Bad::default(), 1);
    let id = met.pair.pith().open(Dir::Bi).unwrap();
    met.pair.pith().send(id, &mut pattern(3000)).unwrap();
    met.pair.connect();
    met.pair.run_until(SECOND, |_| false);
    assert_eq!(told(&met.pair), [false]);
    assert_eq!(met.pair.quinn().streams().accept(quinn::Dir::Bi), None);
    assert!(met.pair.pith().summary().unwrap().resumed());
    met.ask(2000);

    let mut met = Met::pith_server(Then::TakesNone, Bad::default(), 1);
    assert!(met.pair.quinn().has_0rtt());
    let theirs = met.pair.quinn().streams().open(quinn::Dir::Bi).unwrap();
    write(met.pair.quinn(), theirs, &pattern(3000), &mut 0);
    met.pair.connect();
    met.pair.run_until(SECOND, |_| false);
    assert!(!met.pair.quinn().accepted_0rtt());
    let pith = met.pair.pith();
    assert_eq!(
        (pith.early_data(), pith.accept(Dir::Bi)),
        (EarlyData::Rejected, None)
    );
    assert!(pith.summary().unwrap().resumed());
    assert!(!met.ask(2000), "none of it is early data");
}

#[test]
fn early_data_survives_a_bad_network_beside_quinn() {
    let bad = Bad {
        loss: 10,
        reorder: 20,
        repeat: 5,
        corrupt: 3,
        carries: 0,
    };
    type Make = fn(Then, Bad, u64) -> Met;
    let makes: [(&str, Make); 2] = [("client", Met::pith_client), ("server", Met::pith_server)];
    for (role, make) in makes {
        for seed in 0..6 {
            let mut met = make(Then::Same, bad, seed);
            met.ask(10_000);
            let early = met.pair.pith().early_data();
            assert_eq!(early, EarlyData::Accepted, "{role} {seed}");
        }
    }
}

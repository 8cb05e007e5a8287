//! What every adapter has to do, over a socket that stalls, splits and fills.
//!
//! [`Manners`] are how a socket behaves, [`Act`]s what the two ends do. [`conform`] plays each scenario over each kind of socket;
//! an adapter brings a [`Driver`] for two of its streams.

mod socket;

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use pith_tests::pki::{Identity, Pki};
use pith_tls::{
    ClientConfig, Connection, Credential, Error, Now, Received, ServerConfig, SessionStore,
    StrikeRegister, Tickets, Trust,
};

pub(crate) use socket::{EASY, End, Manners};

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

impl Who {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What happens in a scenario.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// One end writes so many bytes, the other reads them.
    Send(Who, usize),
    /// As `Send`, in slices of odd lengths.
    SendSlices(Who, usize),
    /// Both write so many bytes, and read each other's at the same time.
    Exchange(usize),
    /// One end asks for new keys in both directions.
    UpdateKeys(Who),
    /// One end closes, the other reads the end; then the first can write no more.
    Close(Who),
    /// One end's transport ends.
    HangUp(Who),
    /// One end gets a record that is not the other's: it fails, and tells.
    Forge(Who),
}

use Act::{Close, Exchange, Forge, HangUp, Send, SendSlices, UpdateKeys};
use Who::{Client, Server};

const SCENARIOS: &[(&str, &[Act])] = &[
    (
        "there and back",
        &[
            Send(Client, 20_000),
            Send(Server, 20_000),
            Send(Client, 1),
            Close(Client),
            Close(Server),
        ],
    ),
    (
        "slices",
        &[SendSlices(Client, 20_000), SendSlices(Server, 3_000)],
    ),
    ("both at once", &[Exchange(20_000), Exchange(1)]),
    // One way at a time: the other way the answer to a KeyUpdate would go out with a flush, when nobody reads any more.
    (
        "new keys",
        &[
            UpdateKeys(Client),
            Send(Client, 100),
            Send(Server, 100),
            UpdateKeys(Server),
            UpdateKeys(Client),
            Send(Server, 5_000),
            Send(Client, 5_000),
        ],
    ),
    (
        "the client closes first",
        &[Close(Client), Send(Server, 9_000), Close(Server)],
    ),
    (
        "the server closes first",
        &[Close(Server), Send(Client, 9_000), Close(Client)],
    ),
    (
        "the client vanishes",
        &[Send(Client, 1_000), HangUp(Client)],
    ),
    (
        "the server vanishes",
        &[Send(Client, 1_000), HangUp(Server)],
    ),
    ("a record forged for the client", &[Forge(Client)]),
    ("a record forged for the server", &[Forge(Server)]),
];

/// Every kind of socket, by name.
fn manners() -> Vec<(String, Manners)> {
    let mut rows = vec![("easy".to_owned(), EASY)];
    for piece in [1, 2, 7, 16_383] {
        for capacity in [piece, 100_000] {
            rows.push((
                format!("pieces of {piece}, room for {capacity}"),
                Manners {
                    piece,
                    capacity,
                    ..EASY
                },
            ));
        }
    }
    for stall in [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ] {
        for (stalls, piece) in [(1, 1), (3, 500)] {
            rows.push((
                format!("{stalls} times {stall:?}, pieces of {piece}"),
                Manners {
                    piece,
                    stalls,
                    stall,
                    capacity: 3_000,
                },
            ));
        }
    }
    rows
}

/// Two streams of an adapter after their handshake. Its calls return when all is done.
pub(crate) trait Driver {
    /// Whether what was begun goes on by itself when the socket lets it, so that nothing is lost to a stall and nothing asks in
    /// vain. Otherwise the driver calls again.
    const WAKES: bool;

    fn connected(ends: (End, End), configs: &Configs) -> Self;
    /// Writes and flushes at `from`, reads as much at the other end.
    fn send(&mut self, from: Who, data: &[u8], sliced: bool) -> Vec<u8>;
    /// Both at once; what the client received comes first.
    fn exchange(&mut self, client: &[u8], server: &[u8]) -> [Vec<u8>; 2];
    fn update_keys(&mut self, at: Who);
    /// Closes at `at` and reads 0 bytes at the other end.
    fn close(&mut self, at: Who);
    fn write_error(&mut self, at: Who) -> io::Error;
    /// Reads at `first` and at the other end, both in vain.
    fn read_errors(&mut self, first: Who) -> [io::Error; 2];
    fn read_error(&mut self, at: Who) -> io::Error;
    fn socket(&mut self, at: Who) -> &mut End;
}

/// Plays every scenario over every socket.
pub(crate) fn conform<D: Driver>() {
    let configs = configs();
    for (socket, manners) in manners() {
        for (scenario, acts) in SCENARIOS {
            let name = format!("{scenario}, {socket}");
            let ends = End::pair(manners, &Arc::default());
            let mut driver = D::connected(ends, &configs);
            for act in *acts {
                play(&mut driver, *act, manners, &format!("{act:?} of {name}"));
            }
            if D::WAKES {
                assert_no_busy_loop(&mut driver, &name);
            }
        }
    }
}

fn play<D: Driver>(driver: &mut D, act: Act, manners: Manners, name: &str) {
    match act {
        Send(from, len) | SendSlices(from, len) => {
            let sliced = matches!(act, SendSlices(..));
            let data = pattern(len);
            assert!(driver.send(from, &data, sliced) == data, "{name}");
        }
        Exchange(len) => {
            let (ours, theirs) = (pattern(len), pattern(len + 1));
            assert!(driver.exchange(&ours, &theirs) == [theirs, ours], "{name}");
        }
        UpdateKeys(at) => driver.update_keys(at),
        Close(at) => {
            driver.close(at);
            driver.close(at); // again, without effect: the end stays
            let refused = driver.write_error(at);
            assert!(
                matches!(tls_error(&refused), Some(Error::Misuse(_))),
                "{name}: {refused}"
            );
        }
        HangUp(at) => {
            driver.socket(at).hang_up();
            let reader = at.other();
            for error in [
                driver.read_error(reader),
                driver.read_error(reader),
                driver.write_error(reader),
            ] {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{name}: {error}");
                assert_eq!(tls_error(&error), Some(&Error::Truncated), "{name}");
            }
        }
        Forge(at) => {
            let forged = [23, 3, 3, 0, 20].into_iter().chain([0; 20]);
            driver.socket(at).receive.borrow_mut().bytes.extend(forged);
            let error = if D::WAKES || (manners.stalls == 0 && manners.capacity > 100) {
                let [error, alert] = driver.read_errors(at);
                assert_eq!(alert.kind(), ErrorKind::ConnectionAborted, "{name}");
                let sent = tls_error(&error).and_then(Error::alert).map(Error::Alert);
                assert_eq!(tls_error(&alert), sent.as_ref(), "{name}");
                error
            } else {
                driver.read_error(at)
            };
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{name}: {error}");
            for repeated in [driver.read_error(at), driver.write_error(at)] {
                assert_eq!(tls_error(&repeated), tls_error(&error), "{name}");
            }
        }
    }
}

/// Whoever asks a socket in vain has to wait until it is woken, which a byte that moves does: here the one task that drives both
/// ends, so each wakes up to four calls.
fn assert_no_busy_loop<D: Driver>(driver: &mut D, name: &str) {
    let ends = [Client, Server].map(|at| driver.socket(at).counts());
    let total = |part: fn((usize, usize, usize)) -> usize| ends.map(part).iter().sum::<usize>();
    let (calls, moves, stalls) = (total(|end| end.0), total(|end| end.1), total(|end| end.2));
    let in_vain = calls - moves - stalls;
    assert!(
        in_vain <= 4 * (moves + stalls) + 30,
        "{name}: {calls} calls, of which {moves} moved bytes, {stalls} stalled"
    );
}

/// Configurations of a client and of a server that fit.
pub(crate) type Configs = (Arc<ClientConfig>, Arc<ServerConfig>);

/// For the name `example.org`; valid until 2100, so that the system's clock will do.
pub(crate) fn configs() -> Configs {
    let pki = Pki::new();
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    (
        ClientConfig::new(trust).build().unwrap(),
        server_config(&pki.leaf("example.org")),
    )
}

/// A client that sends early data and asks for one ticket at a time, and two servers that know the same tickets.
pub(crate) struct EarlyConfigs {
    pub(crate) client: Arc<ClientConfig>,
    /// Takes early data.
    pub(crate) taking: Arc<ServerConfig>,
    /// Takes none.
    pub(crate) refusing: Arc<ServerConfig>,
}

impl EarlyConfigs {
    /// With so much early data.
    pub(crate) fn new(most: u32) -> Self {
        let pki = Pki::new();
        let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
        let client = ClientConfig::new(trust)
            .sessions(SessionStore::bounded(1, 1))
            .early_data(true);
        let tickets = Tickets::rotating();
        let server =
            || ServerConfig::new(credential(&pki.leaf("example.org"))).tickets(tickets.clone());
        let register = StrikeRegister::new(Now {
            monotonic: Duration::ZERO,
            unix: Duration::from_secs(1_000_000_000),
        });
        Self {
            client: client.build().unwrap(),
            taking: server().early_data(most, register).build().unwrap(),
            refusing: server().build().unwrap(),
        }
    }
}

/// A peer of early data that reads nothing before all that it has to say is taken, which no RFC forbids it.
pub(crate) struct Stubborn {
    who: Who,
    tls: Connection,
    came: Vec<u8>,
    /// Data and early data that it read.
    pub(crate) read: Vec<u8>,
}

impl Stubborn {
    pub(crate) fn new(who: Who, tls: Connection) -> Self {
        Self {
            who,
            tls,
            came: Vec::new(),
            read: Vec::new(),
        }
    }

    /// What a client says first, with this as early data.
    pub(crate) fn ask(&mut self, early: &[u8]) -> Vec<u8> {
        let mut out = vec![0; self.tls.sealed_len(early.len())];
        let sent = self.tls.send_early(early, &mut out).unwrap();
        assert_eq!(sent.consumed, early.len());
        out.truncate(sent.written);
        out
    }

    /// Takes what was read, and gives what there is to be said to it; of a server no tickets, since its client need not read them.
    pub(crate) fn take(&mut self, bytes: &[u8], now: Now) -> Vec<u8> {
        self.came.extend(bytes);
        loop {
            let consumed = match self.tls.receive(now, &mut self.came).unwrap() {
                Received::Handled { consumed } => consumed,
                Received::Data { consumed, bytes } | Received::EarlyData { consumed, bytes } => {
                    self.read.extend_from_slice(bytes);
                    consumed
                }
                _ => break,
            };
            self.came.drain(..consumed);
        }
        if self.who == Server && self.tls.summary().is_some() {
            return Vec::new();
        }
        let mut out = vec![0; 100_000];
        let written = self.tls.transmit(&mut out);
        out.truncate(written);
        out
    }
}

pub(crate) fn server_config(leaf: &Identity) -> Arc<ServerConfig> {
    ServerConfig::new(credential(leaf)).build().unwrap()
}

pub(crate) fn credential(leaf: &Identity) -> Credential {
    Credential::from_pem(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes()).unwrap()
}

pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place % 251) as u8).collect()
}

/// `data` in slices of odd lengths, some of them empty.
pub(crate) fn slices(mut data: &[u8]) -> Vec<IoSlice<'_>> {
    let mut slices = Vec::new();
    for len in [0, 1, 300, 0, 7, 5_000, 16_384].into_iter().cycle() {
        if data.is_empty() {
            break;
        }
        let (slice, rest) = data.split_at(len.min(data.len()));
        slices.push(IoSlice::new(slice));
        data = rest;
    }
    slices
}

pub(crate) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

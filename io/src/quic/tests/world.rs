//! The network, the two endpoints, and what polls the futures of a test.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::slice::Chunks;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{ClientConfig, Ecn, EndpointConfig, Route, ServerConfig, Transmit};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{Now, SessionStore, StrikeRegister, Tickets};

use crate::clock::Clock;
use crate::quic::waiting::lock;
use crate::quic::{Connection, Datagrams, Driver, Endpoint, Turn, endpoint};
use crate::udp::{Received, Sent};

/// How the network treats the datagrams of a test.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manners {
    /// One of so many is lost; 0 for none.
    pub(super) loses: u64,
    /// A socket takes nothing at every so many-th call.
    pub(super) stalls: u64,
    /// A socket takes so many datagrams of a batch at once; 0 for all.
    pub(super) takes: usize,
}

/// What is under way, and the time in milliseconds.
struct Net {
    manners: Manners,
    time: Arc<AtomicU64>,
    flying: BTreeMap<(u64, u64), Flying>,
    sent: u64,
}

struct Flying {
    to: SocketAddr,
    from: SocketAddr,
    ecn: Ecn,
    datagram: Vec<u8>,
}

/// One socket.
pub(super) struct Wire {
    net: Arc<Mutex<Net>>,
    local: SocketAddr,
    inbox: VecDeque<Flying>,
    calls: u64,
    /// Whether it takes anything at all.
    pub(super) is_stuck: bool,
    /// What receiving fails with, so many times.
    pub(super) fails: u32,
    /// Where each batch went.
    pub(super) log: Vec<SocketAddr>,
}

impl Datagrams for Wire {
    fn receive(
        &mut self,
        each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>),
    ) -> io::Result<Received> {
        if let Some(left) = self.fails.checked_sub(1) {
            self.fails = left;
            return Err(ErrorKind::OutOfMemory.into());
        }
        if self.inbox.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let batch: Vec<_> = self.inbox.drain(..self.inbox.len().min(8)).collect();
        let count = batch.len();
        // As a system joins them: of one size but for the last.
        let joins = |one: &Flying, next: &Flying| {
            let alike = (one.from, one.ecn) == (next.from, next.ecn);
            alike && one.datagram.len() == next.datagram.len()
        };
        for message in batch.chunk_by(joins) {
            let (route, ecn) = (
                Route {
                    local: Some(self.local),
                    remote: message[0].from,
                },
                message[0].ecn,
            );
            let size = message[0].datagram.len();
            let joined: Vec<u8> = message
                .iter()
                .flat_map(|flying| flying.datagram.iter().copied())
                .collect();
            each(route, ecn, joined.chunks(size.max(1)));
        }
        Ok(Received {
            datagrams: count,
            is_drained: self.inbox.is_empty(),
        })
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
        let mut net = lock(&self.net);
        let manners = net.manners;
        self.calls += 1;
        if self.is_stuck || (manners.stalls > 0 && self.calls.is_multiple_of(manners.stalls)) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.log.push(transmit.route.remote);
        let most = if manners.takes == 0 {
            usize::MAX
        } else {
            manners.takes
        };
        let mut taken = 0;
        for datagram in datagrams.chunks(transmit.segment).take(most) {
            taken += datagram.len();
            net.sent += 1;
            if manners.loses > 0 && net.sent.is_multiple_of(manners.loses) {
                continue;
            }
            let at = net.time.load(Ordering::Relaxed) + DELAY;
            let flying = Flying {
                to: transmit.route.remote,
                from: self.local,
                ecn: transmit.ecn,
                datagram: datagram.to_vec(),
            };
            let number = net.sent;
            net.flying.insert((at, number), flying);
        }
        Ok(Sent::all(taken))
    }
}

/// Milliseconds for which a datagram is under way.
const DELAY: u64 = 5;

/// An endpoint, and what drives it.
pub(super) struct Node {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) driver: Option<Driver>,
    pub(super) wire: Wire,
    nudged: Arc<Flag>,
    waits: Turn,
    /// How many turns it took.
    pub(super) turns: usize,
}

/// Everything.
pub(super) struct World {
    net: Arc<Mutex<Net>>,
    time: Arc<AtomicU64>,
    pub(super) client: Node,
    pub(super) server: Node,
    pub(super) client_config: ClientConfig,
    pub(super) pki: Pki,
}

/// Whether something was woken, and who is told.
pub(super) struct Flag(AtomicBool, Mutex<Option<Waker>>);

impl Flag {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true), Mutex::new(None)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    fn set_waker(&self, waker: &Waker) {
        *lock(&self.1) = Some(waker.clone());
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
        let outer = lock(&self.1).clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

pub(super) const SERVER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)),
    4433,
);

pub(super) const ALPN: &[u8] = b"test";

impl World {
    pub(super) fn new(manners: Manners) -> Self {
        let options = |client, server| (client, server);
        Self::with(manners, options)
    }

    /// With early data, once there was a connection before.
    pub(super) fn early() -> Self {
        let pki = Pki::with(Kind::Ed25519, 0);
        let client = pith_tls::ClientConfig::new(trust(&pki))
            .sessions(SessionStore::new())
            .early_data(true)
            .alpn(&[ALPN]);
        let server = early_server_tls(&pki);
        let client = ClientConfig::new(client.build().unwrap()).datagrams(1000);
        let server = ServerConfig::new(server).datagrams(1000);
        Self::of(Manners::default(), pki, client, server)
    }

    /// With other options of the transport.
    pub(super) fn with(
        manners: Manners,
        options: impl FnOnce(
            pith_quic::ClientConfigBuilder,
            pith_quic::ServerConfigBuilder,
        ) -> (
            pith_quic::ClientConfigBuilder,
            pith_quic::ServerConfigBuilder,
        ),
    ) -> Self {
        let pki = Pki::with(Kind::Ed25519, 0);
        let client = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[ALPN]);
        let (client, server) = options(
            ClientConfig::new(client.build().unwrap()),
            ServerConfig::new(server_tls(&pki, ALPN)),
        );
        Self::of(manners, pki, client, server)
    }

    fn of(
        manners: Manners,
        pki: Pki,
        client: pith_quic::ClientConfigBuilder,
        server: pith_quic::ServerConfigBuilder,
    ) -> Self {
        let (client_config, server_config) = (client.build().unwrap(), server.build().unwrap());
        let time = Arc::new(AtomicU64::new(1_000_000));
        let net = Arc::new(Mutex::new(Net {
            manners,
            time: Arc::clone(&time),
            flying: BTreeMap::new(),
            sent: 0,
        }));
        let node = |last: u8, port, config, server| {
            let local = SocketAddr::from(([192, 0, 2, last], port));
            let clock = Clock::Test(Arc::clone(&time));
            let (endpoint, mut drivers) = endpoint(config, server, (local, 1), &clock).unwrap();
            let (nudged, driver) = (Flag::new(), drivers.remove(0));
            driver.set_waker(&Waker::from(Arc::clone(&nudged)));
            Node {
                endpoint: Some(endpoint),
                driver: Some(driver),
                wire: Wire {
                    net: Arc::clone(&net),
                    local,
                    inbox: VecDeque::new(),
                    calls: 0,
                    is_stuck: false,
                    fails: 0,
                    log: Vec::new(),
                },
                nudged,
                waits: Turn::Again,
                turns: 0,
            }
        };
        Self {
            client: node(1, 50_000, EndpointConfig::client().unwrap(), None),
            server: node(
                9,
                4433,
                EndpointConfig::server().unwrap(),
                Some(server_config),
            ),
            net,
            time,
            client_config,
            pki,
        }
    }

    pub(super) fn client(&self) -> Endpoint {
        self.client.endpoint.clone().unwrap()
    }

    pub(super) fn server(&self) -> Endpoint {
        self.server.endpoint.clone().unwrap()
    }

    /// A connection, as each side has it.
    pub(super) fn connect(&mut self) -> (Connection, Connection) {
        let (client, server) = (self.client(), self.server());
        let config = self.client_config.clone();
        self.run(async move {
            let accept = async { server.accept().await.unwrap().accept().await };
            let (client, server) = tokio::join!(client.connect(&config, SERVER, NAME), accept);
            (client.unwrap(), server.unwrap())
        })
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_millis(self.time.load(Ordering::Relaxed))
    }

    /// Polls a future until it is done. Panics if everybody waits and nothing will come.
    pub(super) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        self.poll_until(future.as_mut(), Duration::MAX)
            .unwrap_or_else(|| panic!("everybody waits"))
    }

    /// Polls tasks until all are done, each only when it was woken.
    pub(super) fn run_all(&mut self, tasks: Vec<Pin<Box<dyn Future<Output = ()>>>>) {
        let mut tasks: Vec<_> = tasks.into_iter().map(|task| (task, Flag::new())).collect();
        let all = poll_fn(|cx| {
            tasks.retain_mut(|(task, flag)| {
                flag.set_waker(cx.waker());
                if !flag.take() {
                    return true;
                }
                let waker = Waker::from(Arc::clone(flag));
                task.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            });
            if tasks.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        self.run(all);
    }

    /// Polls a future for so long; `None` if it is not done then.
    pub(super) fn run_for<T>(
        &mut self,
        time: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let end = self.now() + time;
        let mut future = pin!(future);
        self.poll_until(future.as_mut(), end)
    }

    /// Lets so much time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let never = std::future::pending::<()>();
        assert!(self.run_for(time, never).is_none());
    }

    fn poll_until<T>(
        &mut self,
        mut future: Pin<&mut impl Future<Output = T>>,
        end: Duration,
    ) -> Option<T> {
        let flag = Flag::new();
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            if flag.take()
                && let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Some(done);
            }
            let mut busy = false;
            for node in [&mut self.client, &mut self.server] {
                busy |= node.step(self.time.load(Ordering::Relaxed));
            }
            busy |= self.deliver();
            if busy || flag.0.load(Ordering::Relaxed) {
                continue;
            }
            let next = [self.client.next(), self.server.next(), self.next()];
            let next = next.into_iter().flatten().min();
            if next.is_none_or(|next| next > end) {
                if end < Duration::MAX {
                    let now = u64::try_from(end.as_millis()).unwrap();
                    self.time.fetch_max(now, Ordering::Relaxed);
                }
                return None;
            }
            let next = u64::try_from(next.unwrap().as_nanos().div_ceil(1_000_000)).unwrap();
            self.time.fetch_max(next, Ordering::Relaxed);
        }
    }

    fn deliver(&mut self) -> bool {
        let mut net = lock(&self.net);
        let now = self.time.load(Ordering::Relaxed);
        let later = net.flying.split_off(&(now + 1, 0));
        let come = std::mem::replace(&mut net.flying, later);
        drop(net);
        let mut any = false;
        for flying in come.into_values() {
            for node in [&mut self.client, &mut self.server] {
                if node.wire.local == flying.to {
                    node.wire.inbox.push_back(flying);
                    any = true;
                    break;
                }
            }
        }
        any
    }

    fn next(&self) -> Option<Duration> {
        let net = lock(&self.net);
        let (at, _) = net.flying.first_key_value()?.0;
        Some(Duration::from_millis(*at))
    }
}

impl Node {
    /// Takes a turn if there is a reason for one.
    fn step(&mut self, now: u64) -> bool {
        let Some(driver) = &mut self.driver else {
            return false;
        };
        let due = match self.waits {
            Turn::Again => true,
            Turn::Wait {
                gives,
                takes,
                deadline,
            } => {
                let deadline = deadline.is_some_and(|at| at <= Duration::from_millis(now));
                let gives = gives && (!self.wire.inbox.is_empty() || self.wire.fails > 0);
                deadline || gives || (takes && !self.wire.is_stuck)
            }
            Turn::Over => false,
        };
        if !self.nudged.take() && !due {
            return false;
        }
        self.turns += 1;
        self.waits = driver.turn(&mut self.wire);
        if self.waits == Turn::Over {
            self.driver = None;
        }
        true
    }

    fn next(&self) -> Option<Duration> {
        match self.waits {
            Turn::Wait { deadline, .. } => deadline,
            Turn::Again | Turn::Over => None,
        }
    }
}

pub(super) fn server_tls(pki: &Pki, alpn: &[u8]) -> Arc<pith_tls::ServerConfig> {
    let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let server = pith_tls::ServerConfig::new(credential(&identity)).alpn(&[alpn]);
    server.build().unwrap()
}

/// A server's configuration with early data, and tickets that no other opens.
pub(super) fn early_server_tls(pki: &Pki) -> Arc<pith_tls::ServerConfig> {
    let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let began = Now {
        monotonic: Duration::ZERO,
        unix: Duration::from_secs(1_800_000_000),
    };
    let server = pith_tls::ServerConfig::new(credential(&identity))
        .tickets(Tickets::rotating())
        .early_data(u32::MAX, StrikeRegister::new(began))
        .alpn(&[ALPN]);
    server.build().unwrap()
}

/// Bytes that tell where they belong.
pub(super) fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
        .collect()
}

//! A link between real sockets: what a client sends to the proxy's address reaches the server, and back, as a [`Link`] has it.
//!
//! Each client has a socket of its own towards the server, so that the server can tell them apart; with a [`Rebinding`] it gets another now and then, as from
//! a NAT that forgets. Marks of ECN go through as the link has them. What happens to how many datagrams comes from the seed; which ones these are depends on
//! when they come. [`trace`](Proxy::trace) tells what went by.

#![allow(
    clippy::disallowed_methods,
    reason = "real sockets, and the system's clock"
)]

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};

use super::link::Line;
use super::{Datagram, Dice, Fate, Link, Mark, Stats};

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    road: Arc<Road>,
    threads: Vec<JoinHandle<()>>,
}

/// When the server begins to see a client at another address: in the time since that client's first datagram. What the server sends to an earlier one is lost.
#[derive(Debug, Clone, Copy)]
pub struct Rebinding {
    /// The first time.
    pub first: Duration,
    /// After how long again, and again.
    pub every: Duration,
    /// Another IP address too, and not the port alone. Of IPv4, of whose loopback there are many.
    pub address: bool,
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    There,
    /// To a client.
    Back,
}

/// A datagram that went by.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// When, since the first came.
    pub at: Duration,
    /// Whither.
    pub way: Way,
    /// The client's address, as the server sees it.
    pub client: SocketAddr,
    /// Its mark, as it was sent.
    pub ecn: Mark,
    /// What the link did with it.
    pub fate: Fate,
    /// Its bytes.
    pub length: usize,
    /// All of it if it begins with a long header of QUIC, and the first [`HEAD`] bytes otherwise.
    pub head: Vec<u8>,
}

/// Bytes of a datagram that are kept of one with a short header.
pub const HEAD: usize = 32;

/// What the threads share.
struct Road {
    /// When the first datagram came: the link's times count from then.
    began: OnceLock<Instant>,
    ended: AtomicBool,
    state: Mutex<State>,
    /// Something was put on its way, or the end has come.
    news: Condvar,
}

struct State {
    /// To the server, and back.
    lines: [Line; 2],
    dice: Dice,
    flying: BTreeMap<(Duration, u64), Parcel>,
    taken: u64,
    trace: Vec<Sighting>,
}

struct Parcel {
    by: Arc<Wire>,
    to: SocketAddr,
    ecn: Mark,
    bytes: Vec<u8>,
}

/// What the NAT knows of a client.
struct Binding {
    began: Duration,
    times: u32,
    /// Where the server sees it, and whether it still does.
    out: Arc<Wire>,
    stands: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy on a port of its own of the loopback, before this server.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn new(server: SocketAddr, seed: u64, there: Link, back: Link) -> io::Result<Self> {
        Self::with(server, seed, there, back, None)
    }

    /// The same, with a NAT on the way.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn with(
        server: SocketAddr,
        seed: u64,
        there: Link,
        back: Link,
        rebinding: Option<Rebinding>,
    ) -> io::Result<Self> {
        let front = Arc::new(Wire::bind(server.ip())?);
        let road = Arc::new(Road {
            began: OnceLock::new(),
            ended: AtomicBool::new(false),
            state: Mutex::new(State {
                lines: [Line::new(there), Line::new(back)],
                dice: Dice::new(seed),
                flying: BTreeMap::new(),
                taken: 0,
                trace: Vec::new(),
            }),
            news: Condvar::new(),
        });
        let address = front.socket.local_addr()?;
        let (taking, carrying) = (Arc::clone(&road), Arc::clone(&road));
        let threads = vec![
            thread::spawn(move || taking.take_from_clients(&front, server, rebinding)),
            thread::spawn(move || carrying.carry()),
        ];
        Ok(Self {
            address,
            road,
            threads,
        })
    }

    /// Where clients send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted on the way to the server, and on the way back.
    #[must_use]
    pub fn stats(&self) -> [Stats; 2] {
        let state = self.road.state();
        [state.lines[0].stats(), state.lines[1].stats()]
    }

    /// What went by, in order.
    #[must_use]
    pub fn trace(&self) -> Vec<Sighting> {
        self.road.state().trace.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.road.ended.store(true, Ordering::Relaxed);
        self.road.news.notify_all();
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

impl Road {
    /// Takes what clients send, and begins to take answers for each new address of one.
    fn take_from_clients(
        self: Arc<Self>,
        front: &Arc<Wire>,
        server: SocketAddr,
        rebinding: Option<Rebinding>,
    ) {
        let mut clients: HashMap<SocketAddr, Binding> = HashMap::new();
        let mut threads = Vec::new();
        self.take(Way::There, front, |client| {
            let now = self.now();
            let known = clients.get(&client);
            let (began, times) = known.map_or((now, 0), |it| (it.began, it.times));
            let due = rebinding.map_or(0, |rebinding| rebinding.due(now - began));
            if let Some(binding) = known.filter(|_| times == due) {
                return Some((Arc::clone(&binding.out), server, binding.out.address));
            }
            let ip = match (rebinding, server.ip()) {
                (Some(Rebinding { address: true, .. }), IpAddr::V4(_)) => elsewhere(due),
                (_, ip) => ip,
            };
            let out = Arc::new(Wire::bind(ip).ok()?);
            let stands = Arc::new(AtomicBool::new(true));
            let binding = Binding {
                began,
                times: due,
                out: Arc::clone(&out),
                stands: Arc::clone(&stands),
            };
            if let Some(old) = clients.insert(client, binding) {
                old.stands.store(false, Ordering::Relaxed);
            }
            let (road, from, front) = (Arc::clone(&self), Arc::clone(&out), Arc::clone(front));
            threads.push(thread::spawn(move || {
                let seen = from.address;
                road.take(Way::Back, &from, |from| {
                    let is_known = from == server && stands.load(Ordering::Relaxed);
                    is_known.then(|| (Arc::clone(&front), client, seen))
                });
            }));
            Some((Arc::clone(&out), server, out.address))
        });
        for thread in threads {
            let _ended = thread.join();
        }
    }

    /// Puts what a socket receives on its way, until the end: `whither` says by which socket and where to, and what the server takes for the client's
    /// address.
    fn take(
        &self,
        way: Way,
        wire: &Wire,
        mut whither: impl FnMut(SocketAddr) -> Option<(Arc<Wire>, SocketAddr, SocketAddr)>,
    ) {
        let mut buffer = vec![0; 1 << 16];
        while !self.ended.load(Ordering::Relaxed) {
            // An error is a moment without a datagram, or what an earlier one met.
            let Ok((length, stride, from, ecn)) = wire.receive(&mut buffer) else {
                continue;
            };
            let Some((by, to, client)) = whither(from) else {
                continue;
            };
            for bytes in buffer[..length].chunks(stride.max(1)) {
                let datagram = Datagram {
                    from,
                    to,
                    ecn,
                    bytes: bytes.to_vec(),
                };
                self.send(way, datagram, &by, client);
            }
        }
    }

    fn send(&self, way: Way, datagram: Datagram, by: &Arc<Wire>, client: SocketAddr) {
        let now = self.now();
        let mut state = self.state();
        let State { lines, dice, .. } = &mut *state;
        let is_long = datagram.bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = datagram.bytes.len();
        let mut sighting = Sighting {
            at: now,
            way,
            client,
            ecn: datagram.ecn,
            fate: Fate::Lost,
            length,
            head: datagram.bytes[..if is_long { length } else { length.min(HEAD) }].to_vec(),
        };
        let line = match way {
            Way::There => &mut lines[0],
            Way::Back => &mut lines[1],
        };
        let (fate, copies) = line.carry(now, datagram, dice);
        sighting.fate = fate;
        state.trace.push(sighting);
        for (arrival, Datagram { bytes, ecn, to, .. }) in copies {
            state.taken += 1;
            let (number, by) = (state.taken, Arc::clone(by));
            let parcel = Parcel { by, to, ecn, bytes };
            state.flying.insert((arrival, number), parcel);
        }
        self.news.notify_all();
    }

    /// Delivers what has arrived, until the end.
    fn carry(&self) {
        let mut state = self.state();
        while !self.ended.load(Ordering::Relaxed) {
            let now = self.began.get().map_or(Duration::ZERO, Instant::elapsed);
            let wait = match state.flying.first_entry() {
                Some(next) if next.key().0 <= now => {
                    let parcel = next.remove();
                    drop(state);
                    // A full socket is one more way to be lost.
                    let _sent = parcel.by.send(&parcel).is_ok();
                    state = self.state();
                    continue;
                }
                Some(next) => next.key().0 - now,
                None => ROUND,
            };
            let woken = self.news.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn now(&self) -> Duration {
        self.began.get_or_init(Instant::now).elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rebinding {
    /// How many times it has happened, so long after the beginning.
    fn due(self, since: Duration) -> u32 {
        match since.checked_sub(self.first) {
            Some(rest) => 1 + (rest.as_nanos() / self.every.as_nanos().max(1)) as u32,
            None => 0,
        }
    }
}

/// The address of a client that has had so many before.
fn elsewhere(times: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + times).into()
}

/// A socket that carries marks, and looks up now and then, whether the end has come.
struct Wire {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

impl Wire {
    fn bind(ip: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(ROUND))?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket,
            state,
            address,
        })
    }

    /// The length of what came and that of each datagram in it, who sent it, and its mark.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, usize, SocketAddr, Mark)> {
        let mut meta = [RecvMeta::default()];
        let slices = &mut [IoSliceMut::new(buffer)];
        self.state.recv((&self.socket).into(), slices, &mut meta)?;
        let ecn = match meta[0].ecn {
            None => Mark::NotEct,
            Some(EcnCodepoint::Ect0) => Mark::Ect0,
            Some(EcnCodepoint::Ect1) => Mark::Ect1,
            Some(EcnCodepoint::Ce) => Mark::Ce,
        };
        Ok((meta[0].len, meta[0].stride, meta[0].addr, ecn))
    }

    fn send(&self, parcel: &Parcel) -> io::Result<()> {
        let transmit = Transmit {
            destination: parcel.to,
            ecn: match parcel.ecn {
                Mark::NotEct => None,
                Mark::Ect0 => Some(EcnCodepoint::Ect0),
                Mark::Ect1 => Some(EcnCodepoint::Ect1),
                Mark::Ce => Some(EcnCodepoint::Ce),
            },
            contents: &parcel.bytes,
            segment_size: None,
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }
}

const ROUND: Duration = Duration::from_millis(50);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const THERE: usize = 0;
    const BACK: usize = 1;

    /// What arrives at a socket of what was sent over one line, which is given a few datagrams at a time: a full socket loses some that
    /// nobody counts.
    fn arrivals(
        proxy: &Proxy,
        line: usize,
        socket: &UdpSocket,
        sends: impl IntoIterator<Item = impl FnOnce()>,
    ) -> Vec<(SocketAddr, [u8; 2])> {
        let mut got = Vec::new();
        let before = proxy.stats()[line];
        let mut sent = before.sent;
        for send in sends {
            send();
            sent += 1;
            while proxy.stats()[line].sent < sent {
                thread::yield_now();
            }
        }
        let after = proxy.stats()[line];
        let due = after.arriving + after.doubled - before.arriving - before.doubled;
        while (got.len() as u64) < due {
            let mut buffer = [0; 3];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(length, 2);
            got.push((from, [buffer[0], buffer[1]]));
        }
        got
    }

    #[test]
    fn what_is_harmed_is_counted_and_the_rest_arrives_both_ways() {
        let patient = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let limit = Some(Duration::from_secs(10));
            socket.set_read_timeout(limit).unwrap();
            socket
        };
        let harm = Link {
            jitter: Duration::from_millis(15),
            loss: 100,
            duplicate: 100,
            corrupt: 100,
            ..Link::default()
        };
        let server = patient();
        let proxy = Proxy::new(server.local_addr().unwrap(), 7, harm.clone(), harm).unwrap();
        let clients = [patient(), patient()];
        let mut got = Vec::new();
        let seen = clients.each_ref().map(|client| {
            let sends = (0..60)
                .map(|_| || assert_eq!(client.send_to(&[1, 2], proxy.address()).unwrap(), 2));
            let from_it = arrivals(&proxy, THERE, &server, sends);
            got.extend_from_slice(&from_it);
            assert!(from_it.iter().all(|(from, _)| *from == from_it[0].0));
            from_it[0].0
        });
        assert_ne!(seen[0], seen[1], "the server tells its clients apart");
        let intact = got.iter().filter(|(_, bytes)| *bytes == [1, 2]).count();
        let [there, _] = proxy.stats();
        assert!(there.lost > 0 && there.doubled > 0 && there.corrupted > 0);
        assert_eq!(there.lost + there.arriving, 120);
        assert!(intact < got.len() && intact > 60, "{intact}");

        for (client, seen) in clients.iter().zip(seen) {
            let sends = (0..60).map(|_| || assert_eq!(server.send_to(&[3, 4], seen).unwrap(), 2));
            let got = arrivals(&proxy, BACK, client, sends);
            assert!(got.iter().all(|(from, _)| *from == proxy.address()));
            assert!(got.iter().any(|(_, bytes)| *bytes == [3, 4]));
        }
    }

    #[test]
    fn a_client_is_seen_elsewhere_and_what_goes_where_it_was_is_lost() {
        let server = Wire::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let rebinding = Rebinding {
            first: Duration::from_millis(100),
            every: Duration::from_secs(3600),
            address: true,
        };
        let link = Link::default;
        let proxy = Proxy::with(server.address, 1, link(), link(), Some(rebinding)).unwrap();
        let client = Arc::new(Wire::bind(Ipv4Addr::LOCALHOST.into()).unwrap());
        let arrives = |to: SocketAddr, by: &Arc<Wire>, at: &Wire, ecn| {
            let (by, bytes) = (Arc::clone(by), vec![1, 2, 3]);
            let sent = by.send(&Parcel {
                by: Arc::clone(&by),
                to,
                ecn,
                bytes,
            });
            sent.unwrap();
            let mut buffer = [0; 16];
            let tries = (0..20).find_map(|_| at.receive(&mut buffer).ok());
            tries.map(|(length, _, from, mark)| {
                assert_eq!((&buffer[..length], mark), (&[1, 2, 3][..], ecn));
                from
            })
        };
        let server = Arc::new(server);
        let before = arrives(proxy.address(), &client, &server, Mark::Ect0).unwrap();
        assert_eq!(
            arrives(before, &server, &client, Mark::Ce),
            Some(proxy.address())
        );
        thread::sleep(rebinding.first);
        let after = arrives(proxy.address(), &client, &server, Mark::NotEct).unwrap();
        assert_ne!(before.ip(), after.ip());
        assert_eq!(
            arrives(after, &server, &client, Mark::Ect1),
            Some(proxy.address())
        );
        assert_eq!(arrives(before, &server, &client, Mark::NotEct), None);
        let seen: Vec<_> = proxy
            .trace()
            .iter()
            .map(|it| (it.way, it.client, it.ecn))
            .collect();
        assert_eq!(
            seen,
            [
                (Way::There, before, Mark::Ect0),
                (Way::Back, before, Mark::Ce),
                (Way::There, after, Mark::NotEct),
                (Way::Back, after, Mark::Ect1),
            ]
        );
    }
}

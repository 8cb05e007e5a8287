//! A link between real sockets: what a client sends to the proxy's address reaches the server, and back, as a [`Link`] has it.
//!
//! Each client has a socket of its own towards the server, so that the server can tell them apart. What happens to how many datagrams comes from
//! the seed; which ones these are depends on when they come. Marks end here, for no portable call reads them.

#![allow(
    clippy::disallowed_methods,
    reason = "real sockets, and the system's clock"
)]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::link::Line;
use super::{Datagram, Dice, Link, Mark, Stats};

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    road: Arc<Road>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
struct Road {
    began: Instant,
    ended: AtomicBool,
    way: Mutex<Way>,
    /// Something was put on its way, or the end has come.
    news: Condvar,
}

struct Way {
    /// To the server, and back.
    lines: [Line; 2],
    dice: Dice,
    flying: BTreeMap<(Duration, u64), Parcel>,
    taken: u64,
}

struct Parcel {
    by: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Proxy {
    /// A proxy on a port of its own of the loopback.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn new(server: SocketAddr, seed: u64, there: Link, back: Link) -> io::Result<Self> {
        let front = Arc::new(socket()?);
        let road = Arc::new(Road {
            began: Instant::now(),
            ended: AtomicBool::new(false),
            way: Mutex::new(Way {
                lines: [Line::new(there), Line::new(back)],
                dice: Dice::new(seed),
                flying: BTreeMap::new(),
                taken: 0,
            }),
            news: Condvar::new(),
        });
        let address = front.local_addr()?;
        let (taking, carrying) = (Arc::clone(&road), Arc::clone(&road));
        let threads = vec![
            thread::spawn(move || taking.take_from_clients(&front, server)),
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
        let way = self.road.way();
        [way.lines[0].stats(), way.lines[1].stats()]
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
    /// Takes what clients send, and begins to take answers for each new one.
    fn take_from_clients(self: Arc<Self>, front: &Arc<UdpSocket>, server: SocketAddr) {
        let mut clients = HashMap::new();
        let mut threads = Vec::new();
        self.take(THERE, front, |client| {
            if let Some(back) = clients.get(&client) {
                return Some((Arc::clone(back), server));
            }
            let back = Arc::new(socket().ok()?);
            clients.insert(client, Arc::clone(&back));
            let (road, from, front) = (Arc::clone(&self), Arc::clone(&back), Arc::clone(front));
            threads.push(thread::spawn(move || {
                road.take(BACK, &from, |from| {
                    (from == server).then(|| (Arc::clone(&front), client))
                });
            }));
            Some((back, server))
        });
        for thread in threads {
            let _ended = thread.join();
        }
    }

    /// Puts what a socket receives on its way, until the end: `whither` says by which socket and where.
    fn take(
        &self,
        line: usize,
        socket: &UdpSocket,
        mut whither: impl FnMut(SocketAddr) -> Option<(Arc<UdpSocket>, SocketAddr)>,
    ) {
        let mut buffer = vec![0; 1 << 16];
        while !self.ended.load(Ordering::Relaxed) {
            // An error is a moment without a datagram, or what an earlier one met.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let Some((by, to)) = whither(from) else {
                continue;
            };
            let datagram = Datagram {
                from,
                to,
                ecn: Mark::NotEct,
                bytes: buffer[..length].to_vec(),
            };
            let mut way = self.way();
            let now = self.began.elapsed();
            let Way { lines, dice, .. } = &mut *way;
            let (_fate, copies) = lines[line].carry(now, datagram, dice);
            for (arrival, Datagram { bytes, .. }) in copies {
                way.taken += 1;
                let (number, by) = (way.taken, Arc::clone(&by));
                way.flying
                    .insert((arrival, number), Parcel { by, to, bytes });
            }
            self.news.notify_all();
        }
    }

    /// Delivers what has arrived, until the end.
    fn carry(&self) {
        let mut way = self.way();
        while !self.ended.load(Ordering::Relaxed) {
            let now = self.began.elapsed();
            let wait = match way.flying.first_entry() {
                Some(next) if next.key().0 <= now => {
                    let Parcel { by, to, bytes } = next.remove();
                    drop(way);
                    // A full socket is one more way to be lost.
                    let _sent = by.send_to(&bytes, to);
                    way = self.way();
                    continue;
                }
                Some(next) => next.key().0 - now,
                None => ROUND,
            };
            let woken = self.news.wait_timeout(way, wait);
            way = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that looks up now and then, whether the end has come.
fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(ROUND))?;
    Ok(socket)
}

const ROUND: Duration = Duration::from_millis(50);

const THERE: usize = 0;
const BACK: usize = 1;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
            let socket = socket().unwrap();
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
}

//! The sockets of one worker: one, or several at addresses of their own, such as the one that a server prefers.
//!
//! What is received is told by its route, and what is sent leaves by the socket that its route names. A datagram that names none leaves by the first that
//! can send to where it goes.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::slice::Chunks;

use pith_quic::{Ecn, Route, Transmit};

use super::driver::Datagrams;
use crate::udp::{Received, Sent};

/// Sockets that do not block, with their addresses; there is at least one.
pub(crate) struct Sockets<S> {
    all: Vec<(SocketAddr, S)>,
    /// Which is asked next.
    turn: usize,
    /// Which took nothing last.
    full: usize,
}

impl<S> Sockets<S> {
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a socket.
    pub(crate) fn new(all: Vec<(SocketAddr, S)>) -> io::Result<Self> {
        if all.is_empty() {
            let why = "each worker has at least one socket";
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(Self {
            all,
            turn: 0,
            full: 0,
        })
    }

    /// The address of the first.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.all.first().map(|(local, _)| *local)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.all.iter_mut().map(|(_, socket)| socket)
    }

    /// The one that took nothing last, and its number.
    pub(crate) fn full(&mut self) -> Option<(usize, &mut S)> {
        let (_, socket) = self.all.get_mut(self.full)?;
        Some((self.full, socket))
    }

    #[cfg(feature = "std")]
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut S> {
        self.all.get_mut(number).map(|(_, socket)| socket)
    }

    /// By which one datagrams leave that go this way.
    fn leaves_by(&self, route: &Route) -> usize {
        let locals = || self.all.iter().map(|(local, _)| local);
        let named = route.local.and_then(|own| {
            let here = |local: &SocketAddr| local.ip() == own.ip() && local.port() == own.port();
            let any = |local: &SocketAddr| {
                let reaches = local.is_ipv6() || own.is_ipv4();
                local.ip().is_unspecified() && reaches && local.port() == own.port()
            };
            locals().position(here).or_else(|| locals().position(any))
        });
        let family = |local: &SocketAddr| local.is_ipv4() == route.remote.is_ipv4();
        named.or_else(|| locals().position(family)).unwrap_or(0)
    }
}

impl<S: Datagrams> Datagrams for Sockets<S> {
    fn receive(
        &mut self,
        each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>),
    ) -> io::Result<Received> {
        for _ in 0..self.all.len() {
            let turn = self.turn;
            self.turn = turn
                .wrapping_add(1)
                .checked_rem(self.all.len())
                .unwrap_or(0);
            let Some((_, socket)) = self.all.get_mut(turn) else {
                continue;
            };
            match socket.receive(each) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => {
                    let alone = self.all.len() == 1;
                    return received.map(|received| Received {
                        // Nothing is known of the others.
                        is_drained: received.is_drained && alone,
                        ..received
                    });
                }
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
        self.full = self.leaves_by(&transmit.route);
        match self.all.get_mut(self.full) {
            Some((_, socket)) => socket.send(transmit, datagrams),
            None => Ok(Sent::all(datagrams.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a socket still has to give, and what was sent by it.
    #[derive(Default)]
    struct Fake {
        gives: usize,
        sent: usize,
        is_full: bool,
    }

    impl Datagrams for Fake {
        fn receive(
            &mut self,
            each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>),
        ) -> io::Result<Received> {
            let left = self.gives.checked_sub(1);
            self.gives = left.ok_or(ErrorKind::WouldBlock)?;
            each(way(None, "192.0.2.1:1"), Ecn::NotEct, [].chunks(1));
            Ok(Received {
                datagrams: 1,
                is_drained: self.gives == 0,
            })
        }

        fn send(&mut self, _: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
            if self.is_full {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.sent += 1;
            Ok(Sent::all(datagrams.len()))
        }
    }

    fn way(local: Option<&str>, remote: &str) -> Route {
        Route {
            local: local.map(|local| local.parse().unwrap()),
            remote: remote.parse().unwrap(),
        }
    }

    fn sockets(locals: &[&str]) -> Sockets<Fake> {
        let locals = locals.iter().map(|local| local.parse().unwrap());
        Sockets::new(locals.map(|local| (local, Fake::default())).collect()).unwrap()
    }

    #[test]
    fn datagrams_leave_by_the_socket_that_their_route_names() {
        let (own, v6) = (
            ["192.0.2.1:443", "192.0.2.1:444", "192.0.2.2:443"],
            "[2001:db8::9]:1",
        );
        let (any, to) = (["0.0.0.0:443", "0.0.0.0:444", "[::]:443"], "192.0.2.9:1");
        let both = ["[::]:443", "[::]:444"];
        // (sockets, own address, remote, which)
        let rows: [(&[&str], Option<&str>, &str, usize); 15] = [
            (&own, Some("192.0.2.1:443"), to, 0),
            (&own, Some("192.0.2.1:444"), to, 1),
            (&own, Some("192.0.2.2:443"), to, 2),
            (&own, Some("192.0.2.3:443"), to, 0),
            (&own, None, to, 0),
            (&own[..1], Some("192.0.2.1:0"), to, 0),
            (&any, Some("192.0.2.1:443"), to, 0),
            (&any, Some("192.0.2.7:444"), to, 1),
            (&any, Some("[2001:db8::1]:443"), v6, 2),
            (&any, None, v6, 2),
            (&any, None, to, 0),
            (&any[2..], None, to, 0),
            (&both, Some("192.0.2.1:444"), to, 1),
            (&both, Some("[2001:db8::1]:444"), v6, 1),
            (
                &["0.0.0.0:443", "192.0.2.1:443"],
                Some("192.0.2.1:443"),
                to,
                1,
            ),
        ];
        for (locals, local, remote, want) in rows {
            let which = sockets(locals).leaves_by(&way(local, remote));
            assert_eq!(which, want, "{locals:?} {local:?} {remote}");
        }
    }

    #[test]
    fn sockets_are_asked_in_turn_and_the_full_one_is_known() {
        let mut all = sockets(&["192.0.2.1:443", "192.0.2.1:444"]);
        for (socket, gives) in all.iter_mut().zip([3, 2]) {
            socket.gives = gives;
        }
        let mut left = Vec::new();
        while all.receive(&mut |_, _, _| {}).is_ok() {
            left.push(
                all.all
                    .iter()
                    .map(|(_, socket)| socket.gives)
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(left, [[2, 2], [2, 1], [1, 1], [1, 0], [0, 0]]);
        let transmit = Transmit {
            route: way(Some("192.0.2.1:444"), "192.0.2.9:1"),
            ecn: Ecn::NotEct,
            segment: 9,
            length: 9,
        };
        assert_eq!(all.send(&transmit, &[0; 9]).unwrap().bytes, 9);
        let (number, socket) = all.full().unwrap();
        assert_eq!((number, socket.sent), (1, 1));
        socket.is_full = true;
        let refused = all.send(&transmit, &[0; 9]).unwrap_err();
        assert_eq!(
            (refused.kind(), all.full().unwrap().0),
            (ErrorKind::WouldBlock, 1)
        );
        assert!(Sockets::<Fake>::new(Vec::new()).is_err());
    }
}

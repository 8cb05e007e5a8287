//! Early data that came before anything else of its client, or while the application decides about it: overtaken by nothing worse than the
//! network (RFC 9001 section 5.7).
//!
//! Nobody can tell whose it is. So there is one place for all, bounded in datagrams, bytes and time, whose oldest go first; a connection that is
//! let in takes what came for it.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::BytesMut;

use crate::limits;
use crate::recovery::Ecn;
use crate::wire::ConnectionId;

/// The datagrams, the oldest first.
#[derive(Default)]
pub(super) struct Strays {
    datagrams: VecDeque<Stray>,
    bytes: usize,
}

struct Stray {
    at: Duration,
    remote: SocketAddr,
    dcid: ConnectionId,
    ecn: Ecn,
    datagram: BytesMut,
}

impl Strays {
    /// Keeps a datagram. Says how many were dropped for it, itself among them if it is too large.
    pub(super) fn keep(
        &mut self,
        now: Duration,
        (remote, dcid): (SocketAddr, ConnectionId),
        ecn: Ecn,
        datagram: BytesMut,
    ) -> u64 {
        self.bytes = self.bytes.saturating_add(datagram.len());
        self.datagrams.push_back(Stray {
            at: now,
            remote,
            dcid,
            ecn,
            datagram,
        });
        let mut dropped: u64 = 0;
        while self.datagrams.len() > limits::STRAYS || self.bytes > limits::STRAY_BYTES {
            self.pop();
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    /// What came for this client, in order.
    pub(super) fn take(&mut self, remote: SocketAddr, dcid: ConnectionId) -> Vec<(Ecn, BytesMut)> {
        let all = core::mem::take(&mut self.datagrams);
        let (taken, kept) = all
            .into_iter()
            .partition::<Vec<_>, _>(|stray| stray.remote == remote && stray.dcid == dcid);
        self.datagrams = kept.into();
        self.bytes = self
            .datagrams
            .iter()
            .map(|stray| stray.datagram.len())
            .sum();
        let taken = taken.into_iter();
        taken.map(|stray| (stray.ecn, stray.datagram)).collect()
    }

    /// When the oldest goes.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let oldest = self.datagrams.front()?;
        Some(oldest.at.saturating_add(limits::HELD_TIME))
    }

    /// Drops what is out of date, and says how many that were.
    pub(super) fn expire(&mut self, now: Duration) -> u64 {
        let mut dropped: u64 = 0;
        while self.deadline().is_some_and(|at| at <= now) {
            self.pop();
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    fn pop(&mut self) {
        if let Some(stray) = self.datagrams.pop_front() {
            self.bytes = self.bytes.saturating_sub(stray.datagram.len());
        }
        if self.datagrams.is_empty() {
            self.datagrams = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(port: u16, id: u8) -> (SocketAddr, ConnectionId) {
        let id = ConnectionId::new(&[id; 8]).unwrap();
        (SocketAddr::from(([192, 0, 2, 1], port)), id)
    }

    fn keep(strays: &mut Strays, at: u64, whose: (SocketAddr, ConnectionId), length: usize) -> u64 {
        let datagram = BytesMut::from(&vec![at as u8; length][..]);
        strays.keep(Duration::from_millis(at), whose, Ecn::NotEct, datagram)
    }

    #[test]
    fn strays_go_to_the_client_that_they_came_for() {
        let mut strays = Strays::default();
        let rows = [(1, 1), (1, 2), (2, 1), (1, 1)];
        for (at, (port, id)) in (0..).zip(rows) {
            assert_eq!(keep(&mut strays, at, whose(port, id), 10), 0);
        }
        let take = |strays: &mut Strays, port, id| -> Vec<u8> {
            let (remote, dcid) = whose(port, id);
            let taken = strays.take(remote, dcid).into_iter();
            taken.map(|(_, datagram)| datagram[0]).collect()
        };
        assert_eq!(take(&mut strays, 1, 1), [0, 3]);
        assert_eq!(take(&mut strays, 1, 1), [0; 0]);
        assert_eq!(strays.bytes, 20);
        assert_eq!(take(&mut strays, 2, 1), [2]);
        assert_eq!(take(&mut strays, 1, 2), [1]);
        assert_eq!((strays.bytes, strays.deadline()), (0, None));
    }

    #[test]
    fn strays_are_bounded_in_number_bytes_and_time() {
        let mut strays = Strays::default();
        for at in 0..limits::STRAYS as u64 {
            assert_eq!(keep(&mut strays, at, whose(1, 1), 100), 0);
        }
        assert_eq!(keep(&mut strays, 99, whose(1, 1), 100), 1);
        assert_eq!(strays.datagrams.len(), limits::STRAYS);
        let first = Duration::from_millis(1);
        assert_eq!(strays.deadline(), Some(first + limits::HELD_TIME));
        let before = first + limits::HELD_TIME - Duration::from_nanos(1);
        assert_eq!(strays.expire(before), 0);
        assert_eq!(strays.expire(first + limits::HELD_TIME), 1);
        // One that fills the place by itself, and one that is too large for it.
        let many = strays.datagrams.len() as u64;
        assert_eq!(
            keep(&mut strays, 99, whose(1, 1), limits::STRAY_BYTES),
            many
        );
        assert_eq!(
            keep(&mut strays, 99, whose(1, 1), limits::STRAY_BYTES + 1),
            2
        );
        assert_eq!((strays.datagrams.len(), strays.bytes), (0, 0));
    }
}

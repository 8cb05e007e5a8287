//! A network in memory with a clock of its own: nodes, links that harm datagrams, and address translators that forget.
//!
//! Whatever is left to chance comes from one seed, and time only passes from one event to the next, so that a run replays: same
//! seed, same [`trace`](Network::trace). Nodes are numbered and have one address each; a [`Link`] is one direction between two of them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic
)]

mod dice;
mod link;
pub mod proxy;
mod seeds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub use dice::Dice;
use link::Line;
pub use link::{Fate, Link, Marking, Outage, Stats};
pub use seeds::for_each_seed;

/// The ECN field of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Not capable of ECN.
    NotEct,
    /// ECT(0).
    Ect0,
    /// ECT(1).
    Ect1,
    /// Congestion was met.
    Ce,
}

/// What nodes send to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where it comes from, as its receiver sees it.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// Its mark.
    pub ecn: Mark,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Something at an address. It is asked again whenever something has happened to any node.
pub trait Node {
    /// Takes what has arrived.
    fn receive(&mut self, now: Duration, datagram: Datagram);
    /// Everything that is to be sent now; `from` is one of the node's own addresses.
    fn transmit(&mut self, now: Duration) -> Vec<Datagram>;
    /// When [`on_deadline`](Node::on_deadline) has something to do.
    fn deadline(&self) -> Option<Duration>;
    /// The deadline has come.
    fn on_deadline(&mut self, now: Duration);
}

/// What became of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When it was sent.
    pub at: Duration,
    /// The node that sent it.
    pub from: usize,
    /// The node that it was for.
    pub to: usize,
    /// Its bytes.
    pub length: usize,
    /// What the link did with it.
    pub fate: Fate,
}

/// Nodes, the links between them, and what is under way.
pub struct Network<N> {
    /// The nodes, by number.
    pub nodes: Vec<N>,
    homes: Vec<SocketAddr>,
    /// By node: its other addresses, which no translator changes.
    others: Vec<Vec<SocketAddr>>,
    /// By node: from when on the world sees it under which address, in order.
    translations: Vec<Vec<(Duration, SocketAddr)>>,
    links: BTreeMap<(usize, usize), Line>,
    flying: BTreeMap<(Duration, u64), Datagram>,
    sent: u64,
    now: Duration,
    dice: Dice,
    trace: Vec<Entry>,
}

impl<N: Node> Network<N> {
    /// Nodes at their addresses, without links: what is sent over none is lost.
    #[must_use]
    pub fn new(seed: u64, nodes: Vec<(SocketAddr, N)>) -> Self {
        let (homes, nodes): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        Self {
            translations: vec![Vec::new(); nodes.len()],
            others: vec![Vec::new(); nodes.len()],
            nodes,
            homes,
            links: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
            now: Duration::ZERO,
            dice: Dice::new(seed),
            trace: Vec::new(),
        }
    }

    /// Gives a node another address. What comes there says so, and what the node sends from there arrives from there.
    pub fn also_at(&mut self, node: usize, address: SocketAddr) {
        self.others[node].push(address);
    }

    /// Joins two nodes by a link for each direction.
    pub fn join(&mut self, a: usize, b: usize, there: Link, back: Link) {
        self.links.insert((a, b), Line::new(there));
        self.links.insert((b, a), Line::new(back));
    }

    /// From then on the world sees the node at another address, and what goes to an earlier one is lost.
    pub fn rebind(&mut self, node: usize, at: Duration, address: SocketAddr) {
        self.translations[node].push((at, address));
        self.translations[node].sort();
    }

    /// The virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// What a link has counted.
    #[must_use]
    pub fn stats(&self, from: usize, to: usize) -> Stats {
        self.links
            .get(&(from, to))
            .map(Line::stats)
            .unwrap_or_default()
    }

    /// What became of everything that was sent, in order.
    #[must_use]
    pub fn trace(&self) -> &[Entry] {
        &self.trace
    }

    /// Runs until `done`, and says when that was; `None` if it is not within `time`, or nothing more can happen.
    pub fn run(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&mut [N], Duration) -> bool,
    ) -> Option<Duration> {
        let end = self.now + time;
        // A node whose deadline never moves on would hold the clock.
        let mut rounds = 0;
        let mut last = self.now;
        loop {
            if done(&mut self.nodes, self.now) {
                return Some(self.now);
            }
            self.flush();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let deadline = self.nodes.iter().filter_map(Node::deadline).min();
            let Some(next) = [arrival, deadline].into_iter().flatten().min() else {
                self.now = end;
                return None;
            };
            if next > end {
                self.now = end;
                return None;
            }
            self.now = self.now.max(next);
            rounds = if self.now == last { rounds + 1 } else { 0 };
            last = self.now;
            assert!(rounds < 10_000, "time stands still at {:?}", self.now);
            self.deliver();
            for node in &mut self.nodes {
                if node.deadline().is_some_and(|at| at <= self.now) {
                    node.on_deadline(self.now);
                }
            }
        }
    }

    fn flush(&mut self) {
        for node in 0..self.nodes.len() {
            for datagram in self.nodes[node].transmit(self.now) {
                self.fly(node, datagram);
            }
        }
    }

    fn fly(&mut self, from: usize, mut datagram: Datagram) {
        let Some(to) = self.owner(datagram.to) else {
            return;
        };
        if !self.others[from].contains(&datagram.from) {
            datagram.from = self.seen_at(from);
        }
        let Some(link) = self.links.get_mut(&(from, to)) else {
            return;
        };
        let length = datagram.bytes.len();
        let (fate, copies) = link.carry(self.now, datagram, &mut self.dice);
        self.trace.push(Entry {
            at: self.now,
            from,
            to,
            length,
            fate,
        });
        for (arrival, copy) in copies {
            self.sent += 1;
            self.flying.insert((arrival, self.sent), copy);
        }
    }

    fn deliver(&mut self) {
        let later = self.flying.split_off(&(self.now, u64::MAX));
        for mut datagram in std::mem::replace(&mut self.flying, later).into_values() {
            // The translator may have forgotten the address meanwhile.
            if let Some(node) = self.owner(datagram.to) {
                if !self.others[node].contains(&datagram.to) {
                    datagram.to = self.homes[node];
                }
                self.nodes[node].receive(self.now, datagram);
            }
        }
    }

    fn owner(&self, address: SocketAddr) -> Option<usize> {
        let is = |node: &usize| self.seen_at(*node) == address;
        let also = |node: &usize| self.others[*node].contains(&address);
        (0..self.homes.len()).find(|node| is(node) || also(node))
    }

    fn seen_at(&self, node: usize) -> SocketAddr {
        let past = self.translations[node].iter().rev();
        past.map(|(at, address)| (*at, *address))
            .find(|(at, _)| *at <= self.now)
            .map_or(self.homes[node], |(_, address)| address)
    }
}

//! One direction between two nodes, and what it does to datagrams. All chances are in a thousand.

use std::time::Duration;

use super::{Datagram, Dice, Mark};

/// What a link does. The default carries everything at once.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// How long a datagram is under way.
    pub delay: Duration,
    /// At most so much longer, without overtaking.
    pub jitter: Duration,
    /// How often a loss begins.
    pub loss: u32,
    /// How many datagrams in a row a loss takes, at most; 0 and 1 are the same.
    pub burst: u64,
    /// At most so many in a row are lost or broken, however it falls, as the interop runner has it; 0 for no such mercy.
    pub in_a_row: u64,
    /// How often a datagram is held back so long that others overtake it.
    pub reorder: (u32, Duration),
    /// How often it comes twice.
    pub duplicate: u32,
    /// How often one of its bits is flipped, at the start of a run of at most `burst`.
    pub corrupt: u32,
    /// Bytes a second; `None` for as many as come.
    pub rate: Option<u64>,
    /// With a rate: the bytes that wait at most. What comes on top is dropped.
    pub queue: u64,
    /// From when on which datagrams are too large, in order.
    pub mtu: Vec<(Duration, usize)>,
    /// What it does with marks.
    pub marking: Marking,
    /// When it carries nothing.
    pub outage: Outage,
    /// Which datagrams never arrive, by their number on this link from 1.
    pub dropped: Vec<u64>,
}

/// What a link does with ECN marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marking {
    /// Leaves them.
    #[default]
    Keep,
    /// Marks so many of those that may be marked.
    Congest(u32),
    /// Takes them off.
    Bleach,
}

/// When a link carries nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outage {
    /// Never.
    #[default]
    Never,
    /// From a time on, so long.
    Once(Duration, Duration),
    /// In each period, so long at its end.
    Each(Duration, Duration),
}

/// What a link did with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, then.
    Arrives(Duration),
    /// It arrives, then, with a bit flipped.
    Broken(Duration),
    /// Lost by chance, or by number.
    Lost,
    /// The link is out.
    Out,
    /// Larger than the MTU.
    TooLarge,
    /// The queue was full.
    Tail,
}

/// What a link has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams that were given to it.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that arrive, once or twice.
    pub arriving: u64,
    /// Lost by chance or number.
    pub lost: u64,
    /// Lost in an outage.
    pub out: u64,
    /// Larger than the MTU.
    pub too_large: u64,
    /// Dropped from the queue.
    pub tail: u64,
    /// Held back.
    pub held: u64,
    /// Doubled.
    pub doubled: u64,
    /// With a bit flipped.
    pub corrupted: u64,
    /// Sent with a mark that says that the sender is capable of ECN.
    pub capable: u64,
    /// Marked as having met congestion.
    pub marked: u64,
    /// Whose mark was taken off.
    pub bleached: u64,
}

/// A link in use.
#[derive(Debug)]
pub(super) struct Line {
    link: Link,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    stats: Stats,
    /// Datagrams that the current run still takes.
    losing: Run,
    corrupting: Run,
    /// When the last byte in the queue will have left.
    free_at: Duration,
    last_arrival: Duration,
}

impl Link {
    /// A link of this delay.
    #[must_use]
    pub fn of(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }
}

impl Line {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            state: State::default(),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.state.stats
    }

    /// What becomes of a datagram, and what arrives when.
    pub(super) fn carry(
        &mut self,
        now: Duration,
        mut datagram: Datagram,
        dice: &mut Dice,
    ) -> (Fate, Vec<(Duration, Datagram)>) {
        let length = datagram.bytes.len();
        self.state.stats.sent += 1;
        self.state.stats.bytes += length as u64;
        self.state.stats.capable += u64::from(datagram.ecn != Mark::NotEct);
        let stopped = self.stops(now, length, dice);
        let left_at = match stopped.map_or_else(|| self.queued(now, length), Err) {
            Ok(at) => at,
            Err(fate) => return (fate, Vec::new()),
        };
        let broken = self.corrupt(&mut datagram, dice);
        self.mark(&mut datagram, dice);
        let arrival = self.arrival(left_at, dice);
        self.state.stats.arriving += 1;
        let mut copies = vec![(arrival, datagram)];
        if dice.permille(self.link.duplicate) {
            self.state.stats.doubled += 1;
            let again = copies[0].1.clone();
            copies.push((self.arrival(left_at, dice), again));
        }
        let fate = if broken { Fate::Broken } else { Fate::Arrives };
        (fate(arrival), copies)
    }

    fn stops(&mut self, now: Duration, length: usize, dice: &mut Dice) -> Option<Fate> {
        let (link, stats) = (&self.link, &mut self.state.stats);
        let mtu = self.link.mtu.iter().rev().find(|(at, _)| *at <= now);
        if self.link.outage.is_out(now) {
            stats.out += 1;
            Some(Fate::Out)
        } else if mtu.is_some_and(|(_, mtu)| length > *mtu) {
            stats.too_large += 1;
            Some(Fate::TooLarge)
        } else if self.link.dropped.contains(&stats.sent)
            || self
                .state
                .losing
                .hits(link.loss, link.burst, link.in_a_row, dice)
        {
            stats.lost += 1;
            Some(Fate::Lost)
        } else {
            None
        }
    }

    /// When its last byte has left.
    fn queued(&mut self, now: Duration, length: usize) -> Result<Duration, Fate> {
        let Some(rate) = self.link.rate else {
            return Ok(now);
        };
        let takes = |bytes: u64| Duration::from_nanos(bytes * 1_000_000_000 / rate);
        let begins = self.state.free_at.max(now);
        if begins - now > takes(self.link.queue) {
            self.state.stats.tail += 1;
            return Err(Fate::Tail);
        }
        self.state.free_at = begins + takes(length as u64);
        Ok(self.state.free_at)
    }

    fn corrupt(&mut self, datagram: &mut Datagram, dice: &mut Dice) -> bool {
        let link = &self.link;
        let run = &mut self.state.corrupting;
        let hit = run.hits(link.corrupt, link.burst, link.in_a_row, dice);
        let breaks = hit && !datagram.bytes.is_empty();
        if breaks {
            let at = dice.below(datagram.bytes.len() as u64) as usize;
            datagram.bytes[at] ^= 1 << dice.below(8);
            self.state.stats.corrupted += 1;
        }
        breaks
    }

    fn mark(&mut self, datagram: &mut Datagram, dice: &mut Dice) {
        let capable = datagram.ecn != Mark::NotEct;
        match self.link.marking {
            Marking::Congest(chance) if capable && dice.permille(chance) => {
                datagram.ecn = Mark::Ce;
                self.state.stats.marked += 1;
            }
            Marking::Bleach if capable => {
                datagram.ecn = Mark::NotEct;
                self.state.stats.bleached += 1;
            }
            Marking::Keep | Marking::Congest(_) | Marking::Bleach => {}
        }
    }

    fn arrival(&mut self, left_at: Duration, dice: &mut Dice) -> Duration {
        let jitter = Duration::from_nanos(dice.below(self.link.jitter.as_nanos() as u64));
        let arrival = (left_at + self.link.delay + jitter).max(self.state.last_arrival);
        let (chance, held) = self.link.reorder;
        if dice.permille(chance) {
            self.state.stats.held += 1;
            return arrival + held;
        }
        self.state.last_arrival = arrival;
        arrival
    }
}

impl Outage {
    fn is_out(self, now: Duration) -> bool {
        match self {
            Self::Never => false,
            Self::Once(at, length) => now >= at && now < at + length,
            Self::Each(period, length) => {
                let nanos = now.as_nanos() % period.as_nanos();
                nanos >= (period - length).as_nanos()
            }
        }
    }
}

/// Datagrams in a row that are hit.
#[derive(Debug, Default)]
struct Run {
    left: u64,
    hit: u64,
}

impl Run {
    /// Whether this one is hit: in a run that has begun, or as the first of a new one.
    fn hits(&mut self, chance: u32, burst: u64, in_a_row: u64, dice: &mut Dice) -> bool {
        let goes_on = self.left > 0;
        self.left = self.left.saturating_sub(1);
        let begins = !goes_on && dice.permille(chance);
        if begins {
            self.left = dice.below(burst);
        }
        let spared = in_a_row > 0 && self.hit >= in_a_row;
        let hit = (goes_on || begins) && !spared;
        self.hit = if hit { self.hit + 1 } else { 0 };
        hit
    }
}

//! A connection past 2^32 packets. Nobody sends so many here: numbers are left out between, as far as the last four bytes of one still tell which it is, so what
//! arrives, is acknowledged, and is sent under other keys has the numbers and the lengths of a connection that has come so far.
//!
//! `PITH_PACKETS` is how many packets each side sends around 2^32, under keys with the limit of their AEAD:
//! `PITH_PACKETS=10000000 cargo test --release -p pith-quic --lib past_two_to_the_32 -- --nocapture`.

use std::sync::Mutex;

use super::*;
use crate::error::Code;
use crate::observe::{self, Observer, Seen, Subject};
use crate::wire::{PacketNumber, PacketType, Space};

const EDGE: u64 = 1 << 32;

/// What a side has received.
#[derive(Debug, Default)]
struct Notes {
    /// The largest number.
    largest: u64,
    below: u64,
    above: u64,
    /// ACK frames that name numbers on both sides of the edge, in one range and in several.
    across: u64,
    apart: u64,
    generations: u64,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Notes>>);

impl Observer for Watch {
    fn seen(&mut self, _at: Duration, seen: &Seen<'_>) {
        let Seen::Received(packet, frames) = seen else {
            return;
        };
        if packet.packet != PacketType::OneRtt {
            return;
        }
        let mut notes = self.0.lock().unwrap();
        notes.largest = notes.largest.max(packet.number);
        notes.below += u64::from(packet.number < EDGE);
        notes.above += u64::from(packet.number >= EDGE);
        notes.generations = notes.generations.max(packet.generation);
        for frame in frames.iter() {
            let observe::Frame::Ack { ranges, .. } = frame else {
                continue;
            };
            let ranges: Vec<_> = ranges.collect();
            let across = ranges
                .iter()
                .any(|range| *range.start() < EDGE && *range.end() >= EDGE);
            let whole = |below| {
                ranges
                    .iter()
                    .any(|range| (*range.start() < EDGE) == below && (*range.end() < EDGE) == below)
            };
            notes.across += u64::from(across);
            notes.apart += u64::from(whole(true) && whole(false));
        }
    }
}

impl Watch {
    fn choose(&self) -> impl Fn(&Subject) -> Option<Box<dyn Observer>> + use<> {
        let watch = self.clone();
        move |_| Some(Box::new(watch.clone()))
    }

    fn read<T>(&self, read: impl FnOnce(&Notes) -> T) -> T {
        read(&self.0.lock().unwrap())
    }
}

const BOTH: [Side; 2] = [Side::Client, Side::Server];

fn next(pair: &mut Pair, side: Side) -> u64 {
    let recovery = &mut pair.side(side).recovery;
    recovery
        .next_number(Space::Application, || 0)
        .unwrap()
        .get()
}

/// Leaves numbers out until those of both sides begin at `to`: each time as many as can be, with a word each way in between.
fn leap_to(pair: &mut Pair, to: u64) {
    let word = pattern(10);
    for from in BOTH {
        assert_eq!(pair.transfer(from, &word, Duration::from_secs(9)), word);
    }
    settle(pair);
    while BOTH.into_iter().any(|side| next(pair, side) < to) {
        for side in BOTH {
            let next = next(pair, side);
            let recovery = &mut pair.side(side).recovery;
            let acked = recovery.largest_acked(Space::Application).unwrap();
            // Four bytes tell one number of 2^31 from the others; a few are left for what is sent until an acknowledgment comes.
            let furthest = acked.get() + (1 << 31) - 200;
            let number = PacketNumber::new(furthest).unwrap();
            let short = number.truncate(Some(acked)).map(|short| short.size());
            assert_eq!(short, Some(4));
            recovery.leap(furthest.min(to).saturating_sub(next));
        }
        for from in BOTH {
            assert_eq!(pair.transfer(from, &word, Duration::from_secs(9)), word);
        }
        settle(pair);
    }
}

/// Runs until everything is acknowledged.
fn settle(pair: &mut Pair) {
    pair.run(Duration::from_secs(2));
    for side in BOTH {
        let stats = pair.side(side).stats();
        assert_eq!(stats.in_flight, 0, "{side:?}");
    }
}

/// One in `lost` is lost, and each is delayed by less than so many microseconds more than another. A packet that many overtake is told from later ones only if
/// its number was sent in enough bytes, and the first after a silence is sent in one.
fn bad(lost: u64, spread: u64) -> Fate {
    let mut dice = 1_u64;
    Box::new(move |_, _| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match (dice >> 33) % lost {
            0 => Vec::new(),
            _ => vec![DELAY + Duration::from_micros((dice >> 40) % spread)],
        }
    })
}

/// A stream of one side.
struct Flow {
    from: Side,
    id: StreamId,
    /// The number of the packet with which it may end.
    until: u64,
    finished: bool,
    accepted: bool,
    ended: bool,
    sent: usize,
    got: usize,
}

impl Flow {
    fn new(pair: &mut Pair, from: Side, packets: u64) -> Self {
        let until = next(pair, from) + packets;
        Self {
            from,
            id: pair.side(from).open(Dir::Uni).unwrap(),
            until,
            finished: false,
            accepted: false,
            ended: false,
            sent: 0,
            got: 0,
        }
    }

    /// Writes what there is room for; the data are `chunk` again and again.
    fn write(&mut self, pair: &mut Pair, chunk: &Bytes) {
        if self.finished {
            return;
        }
        let enough = next(pair, self.from) >= self.until;
        let sender = pair.side(self.from);
        loop {
            let mut left = chunk.slice(self.sent % chunk.len()..);
            match sender.send(self.id, &mut left).unwrap() {
                0 => break,
                taken => self.sent += taken,
            }
        }
        if enough {
            sender.finish(self.id).unwrap();
            self.finished = true;
        }
    }

    fn read(&mut self, pair: &mut Pair, chunk: &Bytes) {
        let receiver = pair.side(self.from.peer());
        self.accepted = self.accepted || receiver.accept(Dir::Uni) == Some(self.id);
        while self.accepted && !self.ended {
            match receiver.read(self.id, usize::MAX).unwrap() {
                Read::Data {
                    mut bytes, ends, ..
                } => {
                    self.ended = ends;
                    while !bytes.is_empty() {
                        let want = &chunk[self.got % chunk.len()..];
                        let piece = bytes.split_to(want.len().min(bytes.len()));
                        assert_eq!(piece, want[..piece.len()], "at {}", self.got);
                        self.got += piece.len();
                    }
                }
                Read::Finished => self.ended = true,
                Read::Blocked => return,
            }
        }
    }
}

/// Both sides send so many packets and some at once; what arrives is what was sent.
fn exchange(pair: &mut Pair, packets: u64) {
    let chunk = pattern(60_000);
    let mut flows = BOTH.map(|from| Flow::new(pair, from, packets));
    while flows.iter().any(|flow| !flow.ended) {
        for flow in &mut flows {
            flow.write(pair, &chunk);
        }
        let end = pair.now + Duration::from_secs(60);
        assert!(pair.step(end), "nothing happens");
        pair.log.clear();
        pair.went.clear();
        pair.client_events.clear();
        pair.server_events.clear();
        for flow in &mut flows {
            flow.read(pair, &chunk);
        }
    }
    for flow in &flows {
        assert_eq!(flow.got, flow.sent, "{:?}", flow.from);
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_connection_goes_on_past_two_to_the_32_packets() {
    let given = std::env::var("PITH_PACKETS").ok();
    let given = given.map(|packets| packets.parse().unwrap());
    let (packets, limit, lost, spread) = match given {
        Some(packets) => (packets, u64::MAX, 5000, 2000),
        None => (600, 400, 50, 8000),
    };
    let watches = BOTH.map(|_| Watch::default());
    let mut pair = Pair::with(
        straight(),
        |config| config.observers(watches[0].choose()).packets_per_key(limit),
        |config| config.observers(watches[1].choose()).packets_per_key(limit),
    );
    pair.connect();
    pair.fate = bad(lost, spread);
    exchange(&mut pair, 300);
    settle(&mut pair);
    let before = pair.client.stats();

    pair.fate = straight();
    leap_to(&mut pair, EDGE - packets / 2);
    let at_edge = BOTH.map(|side| next(&mut pair, side));
    assert!(at_edge.iter().all(|next| *next < EDGE), "{at_edge:?}");
    let updates = BOTH.map(|side| pair.side(side).stats().key_updates);
    for watch in &watches {
        watch.0.lock().unwrap().below = 0;
        watch.read(|notes| assert_eq!(notes.above, 0));
    }
    pair.fate = bad(lost, spread);
    exchange(&mut pair, packets);
    settle(&mut pair);

    // As far again, with numbers of which the last four bytes are those of numbers that were used before.
    pair.fate = straight();
    leap_to(&mut pair, 2 * EDGE - 200);
    pair.fate = bad(lost, spread);
    exchange(&mut pair, 400);
    settle(&mut pair);

    for (at, side) in BOTH.into_iter().enumerate() {
        let (stats, next) = (pair.side(side).stats(), next(&mut pair, side.peer()));
        println!("{side:?} reads up to {next}: {stats:?}");
        watches[at].read(|notes| println!("{side:?} received {notes:?}"));
        let limit = limit.min(1 << 23);
        // Keys are updated after half of what their AEAD allows, and may have to wait for a round trip or so.
        let wanted = packets / (limit / 2);
        let updated = stats.key_updates - updates[at];
        assert!(
            updated >= wanted / 2 && updated >= u64::from(wanted > 0),
            "{updated} of {wanted}"
        );
        assert_eq!(stats.undecryptable, 0, "{side:?}");
        assert!(stats.packets_lost > before.packets_lost, "the path is bad");
        watches[at].read(|notes| {
            assert!(
                notes.largest > 2 * EDGE && notes.largest <= next,
                "{notes:?}"
            );
            assert!(
                notes.below > packets / 3 && notes.above > packets / 3,
                "{notes:?}"
            );
            assert!(notes.across + notes.apart > 0, "{notes:?}");
            assert_eq!(notes.generations, stats.key_updates);
        });
    }
}

#[test]
fn a_packet_from_below_two_to_the_32_does_not_open_above() {
    let mut pair = Pair::connected();
    leap_to(&mut pair, EDGE - 3);
    pair.log.clear();
    let data = pattern(20_000);
    for from in BOTH {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    settle(&mut pair);
    let log = core::mem::take(&mut pair.log);
    leap_to(&mut pair, EDGE + (1 << 30));
    let before = BOTH.map(|side| pair.side(side).stats());
    for (from, datagram) in &log {
        pair.deliver(from.peer(), datagram);
    }
    for (at, side) in BOTH.into_iter().enumerate() {
        let stats = pair.side(side).stats();
        let came = log.iter().filter(|(from, _)| *from != side).count() as u64;
        let refused = |stats: Stats| stats.duplicates + stats.undecryptable;
        assert!(came > 0);
        assert_eq!(refused(stats) - refused(before[at]), came, "{stats:?}");
        assert_eq!(stats.packets_received, before[at].packets_received);
    }
    for from in BOTH {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
}

#[test]
fn packets_that_do_not_open_are_counted_past_two_to_the_32_packets() {
    let mut pair = Pair::with(straight(), |client| client.forgeries(20), |server| server);
    pair.connect();
    let forge = |pair: &mut Pair| {
        let now = pair.now;
        let mut datagram = pair.server().forge(Space::Application, &[1], now);
        let last = datagram.len() - 1;
        datagram[last] ^= 1;
        pair.deliver(Side::Client, &datagram);
    };
    // Those from before count too.
    for _ in 0..10 {
        forge(&mut pair);
    }
    leap_to(&mut pair, EDGE + 5);
    for forged in 10..=20 {
        assert!(pair.client.state.is_open(), "{forged}");
        forge(&mut pair);
    }
    let want = TransportError::from(crate::Fault::IntegrityLimit);
    assert_eq!(want.code, Code::AEAD_LIMIT_REACHED);
    assert_eq!(pair.client.error().cloned(), Some(want.into()));
}

#[test]
fn a_key_past_two_to_the_32_packets_protects_no_more_than_its_limit() {
    let limit = limits::CLOSING_PACKETS + 10;
    let mut pair = Pair::with(
        straight(),
        |client| client,
        |server| server.packets_per_key(limit),
    );
    pair.connect();
    leap_to(&mut pair, EDGE + 5);
    // Nothing is acknowledged any more, so there is no update, and the server stops before its key is used up.
    let updates = pair.server().stats().key_updates;
    pair.fate = Box::new(|from, _| match from {
        Side::Client => Vec::new(),
        Side::Server => vec![DELAY],
    });
    let sent = pair.server().stats().packets_sent;
    let id = pair.server().open(Dir::Uni).unwrap();
    pair.run_until(Duration::from_secs(20), |pair| {
        pair.server().ping();
        let _full = pair.server().send(id, &mut pattern(10_000)).is_err();
        !pair.server().state.is_open()
    });
    assert!(next(&mut pair, Side::Server) > EDGE);
    let stats = pair.server().stats();
    assert_eq!(stats.key_updates, updates);
    assert!(stats.packets_sent - sent <= limit, "{stats:?}");
    let Some(ConnectionError::Transport(error)) = pair.server().error().cloned() else {
        panic!("{:?}", pair.server().error);
    };
    assert_eq!(error.code, Code::AEAD_LIMIT_REACHED);
}

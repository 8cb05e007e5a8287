//! Two sides and a channel that loses, repeats and reorders packets, and reports late or wrongly what was lost.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

struct Packet {
    at: u64,
    to: usize,
    payload: Bytes,
}

/// What a sender learns about a packet, and when.
struct Report {
    at: u64,
    to: usize,
    tokens: Vec<Token>,
    acked: bool,
}

/// What one side's application does.
struct App {
    streams: Streams,
    /// Streams to open, and how much goes on each.
    to_open: Vec<(Dir, u64)>,
    /// Being sent: how much was written, and how much there is.
    sending: BTreeMap<StreamId, (u64, u64)>,
    reading: BTreeMap<StreamId, Incoming>,
    /// What was read to its end: how much.
    whole: BTreeMap<StreamId, u64>,
    finished: BTreeSet<StreamId>,
    /// How often, in a thousand turns, it gives a stream up.
    fickle: u64,
}

#[derive(Default)]
struct Incoming {
    unordered: bool,
    came: BTreeMap<u64, u64>,
    len: u64,
}

fn byte(id: StreamId, offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ (id.get() * 37)) as u8
}

fn answer_len(asked: StreamId) -> u64 {
    (asked.get() * 7919) % 5000
}

impl App {
    fn new(side: Side, fickle: u64, dice: &mut Dice) -> Self {
        let data = 2_000 + dice.below(60_000);
        let stream = 1_000 + dice.below(20_000);
        let streams = Streams::new(
            side,
            LocalLimits {
                stream_max: stream * (1 + dice.below(8)),
                connection_max: data * (1 + dice.below(8)),
                ..local(data, stream, 1 + dice.below(5))
            },
        );
        let count = 1 + dice.below(8);
        let to_open = (0..count)
            .map(|_| (Dir::ALL[dice.below(2) as usize], dice.below(9_000)))
            .collect();
        Self {
            streams,
            to_open,
            sending: BTreeMap::new(),
            reading: BTreeMap::new(),
            whole: BTreeMap::new(),
            finished: BTreeSet::new(),
            fickle,
        }
    }

    fn peer_limits(&self) -> PeerLimits {
        let local = &self.streams.local;
        PeerLimits {
            data: local.connection,
            bidi_local: local.bidi_local,
            bidi_remote: local.bidi_remote,
            uni: local.uni,
            streams_bidi: local.streams_bidi,
            streams_uni: local.streams_uni,
        }
    }

    fn act(&mut self, dice: &mut Dice) {
        while let Some(event) = self.streams.event() {
            if let StreamEvent::Finished(id) = event {
                assert!(self.finished.insert(id), "told twice");
            }
        }
        if let Some(&(dir, len)) = self.to_open.last() {
            if let Some(id) = self.streams.open(dir) {
                self.to_open.pop();
                self.sending.insert(id, (0, len));
                self.streams.set_urgency(id, dice.below(3) as u8).unwrap();
                if dir == Dir::Bi {
                    self.reading.insert(id, Incoming::default());
                }
            }
        }
        for dir in Dir::ALL {
            while let Some(id) = self.streams.accept(dir) {
                let unordered = dice.chance(30);
                self.reading.insert(
                    id,
                    Incoming {
                        unordered,
                        ..Incoming::default()
                    },
                );
                if dir == Dir::Bi {
                    self.sending.insert(id, (0, answer_len(id)));
                }
            }
        }
        self.give_up(dice);
        self.write(dice);
        self.read(dice);
    }

    fn give_up(&mut self, dice: &mut Dice) {
        let streams = &mut self.streams;
        self.sending.retain(|id, _| {
            let gives_up = dice.below(1000) < self.fickle;
            if gives_up {
                streams.reset(*id, v(1)).unwrap_or_default();
            }
            !gives_up
        });
        self.reading.retain(|id, _| {
            let gives_up = dice.below(1000) < self.fickle;
            if gives_up {
                streams.stop(*id, v(2)).unwrap_or_default();
            }
            !gives_up
        });
    }

    fn write(&mut self, dice: &mut Dice) {
        let streams = &mut self.streams;
        self.sending.retain(|id, (written, len)| {
            let more = dice.below(3_000).min(*len - *written);
            let bytes: Vec<u8> = (*written..*written + more)
                .map(|at| byte(*id, at))
                .collect();
            match streams.send(*id, &mut Bytes::from(bytes)) {
                Ok(taken) => *written += taken as u64,
                Err(error) => {
                    assert_eq!(error, SendError::Stopped(v(2)));
                    return false;
                }
            }
            if written == len {
                streams.finish(*id).unwrap();
            }
            written != len
        });
    }

    fn read(&mut self, dice: &mut Dice) {
        let (streams, whole) = (&mut self.streams, &mut self.whole);
        self.reading.retain(|id, incoming| {
            for _ in 0..dice.below(6) {
                let order = if incoming.unordered {
                    Order::Unordered
                } else {
                    Order::InOrder
                };
                let most = 1 + dice.below(2_000) as usize;
                let read = match streams.read(*id, most, order) {
                    Ok(read) => read,
                    Err(error) => {
                        assert!(
                            [1, 2]
                                .map(|code| ReadError::Reset(v(code)))
                                .contains(&error)
                        );
                        return false;
                    }
                };
                let ended = match read {
                    Read::Data {
                        offset,
                        bytes,
                        ends,
                        ..
                    } => {
                        assert!(incoming.unordered || offset == incoming.len);
                        for (at, got) in (offset..).zip(&bytes) {
                            assert_eq!(*got, byte(*id, at), "{id:?} at {at}");
                        }
                        incoming.came.insert(offset, bytes.len() as u64);
                        incoming.len += bytes.len() as u64;
                        ends
                    }
                    Read::Blocked => return true,
                    Read::Finished => true,
                };
                if ended {
                    let end = incoming.came.iter().fold(0, |end, (offset, len)| {
                        assert_eq!(*offset, end, "{id:?}: a gap, or twice the same");
                        end + len
                    });
                    whole.insert(*id, end);
                    return false;
                }
            }
            true
        });
    }
}

/// Runs until both sides have everything, and says how long that took.
fn run(seed: u64, fickle: u64) -> u64 {
    let mut dice = Dice(seed);
    let mut apps = [
        App::new(Side::Client, fickle, &mut dice),
        App::new(Side::Server, fickle, &mut dice),
    ];
    let (loss, repeats, wrong) = (dice.below(40), dice.below(20), dice.below(10));
    for side in 0..2 {
        let limits = apps[1 - side].peer_limits();
        apps[side].streams.set_peer(limits).unwrap();
    }
    let planned: Vec<_> = apps.iter().map(|app| app.to_open.clone()).collect();
    let mut flying: Vec<Packet> = Vec::new();
    let mut reports: Vec<Report> = Vec::new();
    for tick in 0..20_000 {
        for (side, app) in apps.iter_mut().enumerate() {
            app.act(&mut dice);
            let clock = Clock {
                now: Duration::from_millis(tick),
                rtt: Duration::from_millis(20),
            };
            for _ in 0..dice.below(4) {
                let room = 30 + dice.below(1170) as usize;
                let Some((payload, tokens)) = payload(&mut app.streams, room, clock) else {
                    break;
                };
                let arrives = !dice.chance(loss);
                let tokens: Vec<_> = tokens.iter().collect();
                let at = tick + 5 + dice.below(20);
                let copies = usize::from(arrives) + usize::from(arrives && dice.chance(repeats));
                for copy in 0..copies as u64 {
                    flying.push(Packet {
                        at: at + copy * 9,
                        to: 1 - side,
                        payload: payload.clone(),
                    });
                }
                if arrives && dice.chance(wrong) {
                    // Taken for lost, and acknowledged after all.
                    let at = tick + dice.below(20);
                    reports.push(Report {
                        at,
                        to: side,
                        tokens: tokens.clone(),
                        acked: false,
                    });
                }
                let at = at + 5 + dice.below(20);
                reports.push(Report {
                    at,
                    to: side,
                    tokens,
                    acked: arrives,
                });
            }
        }
        let arrived;
        (arrived, flying) = flying
            .into_iter()
            .partition(|packet: &Packet| packet.at <= tick);
        for packet in arrived {
            hear(&mut apps[packet.to].streams, &packet.payload)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        let due: Vec<Report>;
        (due, reports) = reports
            .into_iter()
            .partition(|report: &Report| report.at <= tick);
        for report in due {
            let streams = &mut apps[report.to].streams;
            for token in report.tokens {
                if report.acked {
                    streams.acked(token);
                } else {
                    streams.lost(token);
                }
            }
        }
        let done = apps
            .iter()
            .all(|app| app.to_open.is_empty() && app.streams.map.is_empty());
        if done && flying.is_empty() {
            for app in &apps {
                let account = &app.streams.account;
                assert_eq!(account.fragments, 0, "seed {seed}");
                assert_eq!(account.flow.unconsumed(), 0, "seed {seed}");
                assert!(!app.streams.wants_data(), "seed {seed}");
            }
            // Both sides count the same, whatever was given up.
            for (one, other) in [(&apps[0], &apps[1]), (&apps[1], &apps[0])] {
                let (sent, received) = (&one.streams.flow, &other.streams.account.flow);
                assert_eq!(sent.used(), received.received(), "seed {seed}");
            }
            if fickle == 0 {
                check(seed, &apps, &planned);
            }
            return tick;
        }
    }
    panic!(
        "seed {seed} does not end: {:?}",
        apps.map(|app| (app.to_open, app.sending, app.whole))
    );
}

fn check(seed: u64, apps: &[App; 2], planned: &[Vec<(Dir, u64)>]) {
    for (app, (planned, peer)) in apps.iter().zip(planned.iter().zip(apps.iter().rev())) {
        let mut index = BTreeMap::new();
        for (dir, len) in planned.iter().rev() {
            let next: &mut u64 = index.entry(*dir as u8).or_default();
            let id = id(app.streams.side, *dir, *next);
            *next += 1;
            assert_eq!(peer.whole.get(&id), Some(len), "seed {seed}: {id:?}");
            assert!(app.finished.contains(&id), "seed {seed}: {id:?}");
            if *dir == Dir::Bi {
                assert_eq!(app.whole.get(&id), Some(&answer_len(id)), "seed {seed}");
                assert!(peer.finished.contains(&id), "seed {seed}: {id:?}");
            }
        }
    }
}

#[test]
fn all_stream_data_arrives_over_a_channel_that_loses() {
    for seed in 0..400 {
        run(seed, 0);
    }
}

/// Whatever is reset or stopped half-way, no stream is left over and both sides agree on what was sent.
#[test]
fn streams_that_are_given_up_leave_nothing_behind() {
    for seed in 0..400 {
        run(seed, 1 + seed % 30);
    }
}

#[test]
#[ignore = "minutes: cargo test -p pith-quic --release joined -- --ignored"]
fn all_stream_data_arrives_for_many_seeds() {
    for seed in 400..40_000 {
        run(seed, 0);
        run(seed, 1 + seed % 30);
    }
}

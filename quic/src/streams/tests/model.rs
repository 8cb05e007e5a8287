//! Any operations on streams of two sides, and packets that arrive, are lost, or both, against a model of what each direction was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use super::*;

/// One direction of a stream, as the two applications see it.
#[derive(Default)]
struct Way {
    written: u64,
    read: u64,
    finished: bool,
    reset: bool,
    stopped: bool,
    /// Read to its end, or told of its reset.
    over: bool,
}

#[derive(Default)]
struct Model {
    /// By the side that sends.
    ways: BTreeMap<(usize, StreamId), Way>,
    /// What each side has opened or accepted.
    known: [Vec<StreamId>; 2],
}

struct Scene {
    sides: [Streams; 2],
    model: Model,
    flying: VecDeque<(usize, Bytes, Vec<Token>)>,
}

const SIDES: [Side; 2] = [Side::Client, Side::Server];
const RESET: u64 = 1;
const STOP: u64 = 2;

/// What a stream holds from an offset on: a part of the same long sequence, which begins elsewhere for each stream. It is made once, since a scene writes and
/// compares far more bytes than it takes steps.
fn bytes(id: StreamId, offset: u64, most: usize) -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut dice = Dice(1);
        let words = std::iter::from_fn(|| Some(dice.next().to_le_bytes()));
        words.take(LONGEST / 8).flatten().collect()
    });
    let begin = (offset + id.get() * 997) as usize;
    &ALL[begin..begin + most]
}

/// More than 64 steps write to the last of the streams.
const LONGEST: usize = 128 * 1024;

impl Scene {
    fn new() -> Self {
        Self {
            sides: SIDES.map(|side| streams(side, 3000, 1000, 3)),
            model: Model::default(),
            flying: VecDeque::new(),
        }
    }

    fn step(&mut self, what: u8, which: u8, size: u16) {
        let me = usize::from(which & 1);
        let dir = Dir::ALL[usize::from(which >> 1 & 1)];
        let initiator = SIDES[usize::from(which >> 2 & 1)];
        let id = id(initiator, dir, u64::from(which >> 3) % 5);
        match what % 12 {
            0 => self.opened(me, dir),
            1 => self.accept(me, dir),
            2 | 3 => self.send(me, id, usize::from(size) % 1500),
            4 => self.finish(me, id),
            5 => self.reset(me, id),
            6 => self.stop(me, id),
            7 => self.read(me, id, 1 + usize::from(size) % 1500),
            8 | 9 => {
                let room = 40 + usize::from(size) % 1200;
                if let Some((packet, tokens)) = payload(&mut self.sides[me], room, CLOCK) {
                    self.flying.push_back((me, packet, tokens.iter().collect()));
                }
            }
            10 => self.arrive(which, true),
            _ => self.arrive(which, size % 3 == 0),
        }
        for streams in &mut self.sides {
            events(streams);
            assert!(streams.held() <= 3000 * 16);
        }
    }

    fn opened(&mut self, me: usize, dir: Dir) {
        if let Some(id) = self.sides[me].open(dir) {
            assert!(!self.model.known[me].contains(&id), "used twice");
            self.model.known[me].push(id);
            self.model.ways.insert((me, id), Way::default());
            if dir == Dir::Bi {
                self.model.ways.insert((1 - me, id), Way::default());
            }
        }
    }

    fn accept(&mut self, me: usize, dir: Dir) {
        if let Some(id) = self.sides[me].accept(dir) {
            assert!(self.model.known[1 - me].contains(&id), "nobody opened it");
            assert!(!self.model.known[me].contains(&id), "accepted twice");
            self.model.known[me].push(id);
        }
    }

    /// The direction in which this side sends, if it knows the stream.
    fn own(&mut self, me: usize, id: StreamId) -> Option<&mut Way> {
        let known = self.model.known[me].contains(&id);
        self.model.ways.get_mut(&(me, id)).filter(|_| known)
    }

    fn other(&mut self, me: usize, id: StreamId) -> Option<&mut Way> {
        let known = self.model.known[me].contains(&id);
        self.model.ways.get_mut(&(1 - me, id)).filter(|_| known)
    }

    fn send(&mut self, me: usize, id: StreamId, most: usize) {
        let from = self.own(me, id).map_or(0, |way| way.written);
        let bytes = Bytes::from_static(bytes(id, from, most));
        let result = self.sides[me].send(id, &mut { bytes });
        let Some(way) = self.own(me, id) else {
            return assert_eq!(result, Err(SendError::Closed));
        };
        match result {
            Ok(taken) => {
                assert!(!way.finished && !way.reset && taken <= most);
                way.written += taken as u64;
            }
            Err(error) => check_send_error(way, error),
        }
    }

    fn finish(&mut self, me: usize, id: StreamId) {
        let result = self.sides[me].finish(id);
        let Some(way) = self.own(me, id) else {
            return assert_eq!(result, Err(SendError::Closed));
        };
        match result {
            Ok(()) => assert!(!std::mem::replace(&mut way.finished, true) && !way.reset),
            Err(error) => check_send_error(way, error),
        }
    }

    fn reset(&mut self, me: usize, id: StreamId) {
        let result = self.sides[me].reset(id, v(RESET));
        let Some(way) = self.own(me, id) else {
            return assert_eq!(result, Err(SendError::Closed));
        };
        match result {
            Ok(()) => assert!(!std::mem::replace(&mut way.reset, true)),
            Err(error) => check_send_error(way, error),
        }
    }

    fn stop(&mut self, me: usize, id: StreamId) {
        let result = self.sides[me].stop(id, v(STOP));
        match self.other(me, id) {
            Some(way) if result.is_ok() => {
                assert!(!std::mem::replace(&mut way.stopped, true) && !way.over);
            }
            Some(way) => assert!(way.stopped || way.over),
            None => assert_eq!(result, Err(Misuse)),
        }
    }

    fn read(&mut self, me: usize, id: StreamId, most: usize) {
        let result = self.sides[me].read(id, most, Order::InOrder);
        let Some(way) = self.other(me, id) else {
            return assert_eq!(result, Err(ReadError::Closed));
        };
        let ended = match result {
            Ok(Read::Data {
                offset,
                bytes,
                ends,
                ..
            }) => {
                assert!(offset == way.read && !bytes.is_empty() && bytes.len() <= most);
                let sent = self::bytes(id, offset, bytes.len());
                assert!(bytes == sent, "other bytes than were sent");
                way.read += bytes.len() as u64;
                assert!(way.read <= way.written && !way.over && !way.stopped);
                ends
            }
            Ok(Read::Blocked) => return assert!(!way.over && !way.stopped),
            Ok(Read::Finished) => true,
            Err(ReadError::Reset(code)) => {
                assert!(!way.over, "told twice");
                assert!(way.reset && code == v(RESET) || way.stopped && code == v(STOP));
                return way.over = true;
            }
            Err(ReadError::Closed) => return assert!(way.over || way.stopped),
            Err(error) => panic!("{error:?}"),
        };
        if ended {
            assert!(way.finished && way.read == way.written && !way.over);
            way.over = true;
        }
    }

    /// One of the packets on their way arrives, and is taken for lost or acknowledged, or only lost.
    fn arrive(&mut self, which: u8, acked: bool) {
        if self.flying.is_empty() {
            return;
        }
        let at = usize::from(which >> 1) % self.flying.len();
        let (from, packet, tokens) = self.flying.remove(at).unwrap();
        if acked || which & 1 == 0 {
            hear(&mut self.sides[1 - from], &packet).unwrap();
        }
        for token in tokens {
            if acked {
                self.sides[from].acked(token);
            } else {
                self.sides[from].lost(token);
            }
        }
    }

    /// All that was written arrives, and nothing is left.
    fn finish_all(&mut self) {
        while !self.flying.is_empty() {
            self.arrive(1, false);
        }
        let all: Vec<_> = self.model.ways.keys().copied().collect();
        for _ in 0..200 {
            // One more round than are needed: who is told twice would be so at once.
            let rests = self.rests();
            for me in 0..2 {
                for dir in Dir::ALL {
                    for _ in 0..5 {
                        self.accept(me, dir);
                    }
                }
                for (sender, id) in &all {
                    if *sender == me {
                        self.finish(me, *id);
                    } else {
                        self.read(me, *id, usize::MAX);
                    }
                }
                events(&mut self.sides[me]);
                let (one, other) = self.sides.split_at_mut(1);
                let (from, to) = if me == 0 {
                    (&mut one[0], &mut other[0])
                } else {
                    (&mut other[0], &mut one[0])
                };
                exchange(from, to);
            }
            if rests {
                break;
            }
        }
        for ((_, id), way) in &self.model.ways {
            let given_up = way.reset || way.stopped;
            assert!(given_up || way.over && way.read == way.written, "{id:?}");
        }
        for streams in &mut self.sides {
            events(streams);
            assert!(streams.map.is_empty() && streams.held() == 0);
            assert_eq!(streams.account.flow.unconsumed(), 0);
        }
    }
}

impl Scene {
    /// What `finish_all` waits for.
    fn rests(&self) -> bool {
        let over = |way: &Way| way.reset || way.stopped || way.over;
        self.model.ways.values().all(over) && self.sides.iter().all(|one| one.map.is_empty())
    }
}

fn check_send_error(way: &Way, error: SendError) {
    let right = match error {
        SendError::Stopped(code) => way.stopped && code == v(STOP),
        SendError::Finished => way.finished,
        // It may have arrived, or been stopped, and been forgotten.
        SendError::Closed => way.reset || way.finished || way.stopped,
    };
    assert!(right, "{error:?}");
}

#[test]
fn fuzz_any_operations_match_a_model() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, u16)>>()
        .with_iterations(500)
        .for_each(|steps| {
            let mut scene = Scene::new();
            for (what, which, size) in steps {
                scene.step(*what, *which, *size);
            }
            scene.finish_all();
        });
}

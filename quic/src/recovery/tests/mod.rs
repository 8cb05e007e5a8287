//! Recovery as a whole, in virtual time: RFC 9002 by section, and transfers over small simulated links.

mod congestion;
mod detection;
mod link;
mod timeouts;

use core::time::Duration;

use super::*;
use crate::limits;
use crate::wire::frame::{EcnCounts, Frame, frames};
use crate::wire::{Builder, PacketType, VarInt};

pub(super) const SIZE: u16 = 1200;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// Numbers that ascend, as the ranges of an ACK frame.
pub(super) fn ranges(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if *high + 1 == *number => *high = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges.reverse();
    ranges
}

/// One side, a clock, and what it heard.
pub(super) struct Bench {
    pub(super) recovery: Recovery,
    pub(super) now: Duration,
    pub(super) settled: Settled,
}

impl Bench {
    pub(super) fn new(side: Side) -> Self {
        let path = Path::new(
            PathId(0),
            Box::new(NewReno::new(SIZE)),
            SIZE,
            INITIAL_RTT,
            true,
        );
        Self {
            recovery: Recovery::new(side, path),
            now: ms(1000),
            settled: Settled::default(),
        }
    }

    /// One whose handshake is over, and whose round trip settled at so much, with no variation left.
    pub(super) fn settled_at(rtt: Duration) -> Self {
        let mut bench = Self::new(Side::Client);
        bench.recovery.discard_space(Space::Initial, bench.now);
        bench.recovery.discard_space(Space::Handshake, bench.now);
        bench.recovery.on_confirmed(bench.now);
        for _ in 0..100 {
            bench.recovery.path.rtt.sample(ms(1), rtt, ms(0), None);
        }
        bench
    }

    pub(super) fn at(&mut self, now: Duration) -> &mut Self {
        self.now = now;
        self
    }

    pub(super) fn packet(&mut self, space: Space) -> SentPacket {
        // As far away as may be, so that few numbers are left out.
        let number = self.recovery.next_number(space, || u64::MAX).unwrap();
        let mut tokens = Tokens::default();
        tokens.push(Token::RetireConnectionId {
            sequence: number.get(),
        });
        SentPacket {
            number,
            sent_at: self.now,
            size: SIZE,
            path: self.recovery.path.id,
            ack_eliciting: true,
            in_flight: true,
            ect0: self.recovery.marks_ecn(self.now),
            mtu_probe: false,
            tokens,
        }
    }

    pub(super) fn send_in(&mut self, space: Space) -> u64 {
        let packet = self.packet(space);
        let number = packet.number.get();
        self.recovery.on_sent(space, packet);
        number
    }

    pub(super) fn send(&mut self) -> u64 {
        self.send_in(Space::Application)
    }

    pub(super) fn send_many(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.send()).collect()
    }

    /// An ACK frame for these ranges, from the largest down.
    pub(super) fn try_ack(
        &mut self,
        space: Space,
        ranges: &[(u64, u64)],
        delay: Duration,
        ecn: Option<EcnCounts>,
    ) -> Result<Outcome, Fault> {
        let number = |value| PacketNumber::new(value).unwrap();
        let ranges = ranges
            .iter()
            .map(|(low, high)| number(*low)..=number(*high));
        let delay = VarInt::new(delay.as_micros() as u64 >> 3).unwrap();
        let mut buffer = [0; 1200];
        let mut builder = Builder::new(&mut buffer);
        builder.put_ack(delay, ranges, ecn).unwrap();
        let mut frames = frames(builder.written(), PacketType::OneRtt, Side::Client);
        let Some(Ok(Frame::Ack(ack))) = frames.next() else {
            panic!("no ACK frame");
        };
        self.recovery
            .on_ack(space, &ack, self.now, &mut self.settled)
    }

    pub(super) fn ack_in(&mut self, space: Space, ranges: &[(u64, u64)]) -> Outcome {
        self.try_ack(space, ranges, Duration::ZERO, None).unwrap()
    }

    pub(super) fn ack(&mut self, ranges: &[(u64, u64)]) -> Outcome {
        self.ack_in(Space::Application, ranges)
    }

    pub(super) fn timeout(&mut self) -> Outcome {
        self.recovery.on_timeout(self.now, &mut self.settled)
    }

    /// Packets of which tokens came back since the last call: acknowledged, lost, to be sent again.
    pub(super) fn heard(&mut self) -> [Vec<u64>; 3] {
        let settled = core::mem::take(&mut self.settled);
        [settled.acked, settled.lost, settled.resend].map(|tokens| {
            let number = |token: &Token| match token {
                Token::RetireConnectionId { sequence } => *sequence,
                other => panic!("{other:?}"),
            };
            tokens.iter().map(number).collect()
        })
    }

    pub(super) fn window(&self) -> u64 {
        self.recovery.path().window()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.recovery.path().in_flight()
    }
}

//! Transfers over simulated links in virtual time, both halves of recovery against one another. The mark is when a transfer is complete, and what the
//! window did on the way: `cwnd_*.tsv` are goldens, a line each 100 ms. After a change that is meant, copy what the failing test prints.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// What happens to packet `n` of the sender, counted from 0.
#[derive(Clone, Copy)]
struct Link {
    delay: Duration,
    /// Bytes in a millisecond, and bytes that may wait.
    rate: u64,
    queue: u64,
    lost: fn(u64) -> bool,
    /// How much longer it takes than those around it.
    held: fn(u64) -> Duration,
    /// Whether a mark is taken off, and past how many waiting bytes CE is set.
    bleached: bool,
    marks_above: u64,
}

/// 100 ms there and back, 12 Mbit/s; a window of 125 packets fills it, and as many may wait.
const PLAIN: Link = Link {
    delay: Duration::from_millis(50),
    rate: 1500,
    queue: 150_000,
    lost: |_| false,
    held: |_| Duration::ZERO,
    bleached: false,
    marks_above: u64::MAX,
};

enum Event {
    Packet(PacketNumber, Ecn),
    Ack(Vec<u8>),
}

#[derive(Debug, Default)]
struct Report {
    finished: Duration,
    sent: u64,
    dropped: u64,
    lost: u64,
    late: u64,
    congestion: u64,
    persistent: u64,
    undone: u64,
    probes: u64,
    acks: u64,
    capable: bool,
    trace: String,
}

/// A sender with chunks of a packet each, the link, and a receiver.
struct Transfer {
    bench: Bench,
    link: Link,
    events: BTreeMap<(Duration, u64), Event>,
    order: u64,
    busy_until: Duration,
    received: Received,
    waiting: VecDeque<u64>,
    missing: BTreeSet<u64>,
    ack_link_lost: fn(u64) -> bool,
    random: u64,
    report: Report,
}

impl Transfer {
    fn new(controller: Box<dyn Controller>, link: Link, chunks: u64) -> Self {
        let mut bench = Bench::settled_at(ms(100));
        let path = Path::new(PathId(0), controller, SIZE, INITIAL_RTT, true);
        bench.at(ms(0));
        bench.recovery.path = path;
        Self {
            bench,
            link,
            events: BTreeMap::new(),
            order: 0,
            busy_until: ms(0),
            received: Received::new(Space::Application),
            waiting: (0..chunks).collect(),
            missing: (0..chunks).collect(),
            ack_link_lost: |_| false,
            random: 1,
            report: Report::default(),
        }
    }

    fn run(mut self) -> Report {
        let mut traced = ms(0);
        for _ in 0..2_000_000 {
            self.transmit();
            self.acknowledge();
            if self.missing.is_empty() {
                self.report.finished = self.bench.now;
                self.report.capable = self.bench.recovery.path().ecn().is_capable();
                return self.report;
            }
            let next = self.next();
            while traced <= next {
                self.trace(traced);
                traced += ms(100);
            }
            self.bench.at(next);
            self.deliver();
            let outcome = self.bench.timeout();
            self.note(outcome);
        }
        panic!("no end: {:?}", self.report);
    }

    fn next(&mut self) -> Duration {
        let event = self.events.keys().next().map(|(at, _)| *at);
        let paced = match self.waiting.is_empty() {
            true => None,
            false => match self.gate() {
                Gate::Until(at) => Some(at),
                _ => None,
            },
        };
        let timers = [
            self.bench.recovery.deadline(),
            self.received.deadline(),
            paced,
        ];
        let next = timers.into_iter().flatten().chain(event).min().unwrap();
        next.max(self.bench.now)
    }

    fn gate(&mut self) -> Gate {
        let now = self.bench.now;
        self.bench
            .recovery
            .can_send(Space::Application, usize::from(SIZE), now)
    }

    fn transmit(&mut self) {
        let space = Space::Application;
        loop {
            let owed = self.bench.recovery.probes_owed(space) > 0;
            if (self.waiting.is_empty() && !owed) || self.gate() != Gate::Open {
                return;
            }
            let random = &mut self.random;
            let number = self.bench.recovery.next_number(space, || {
                *random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *random >> 33
            });
            let mut tokens = Tokens::default();
            match self.waiting.pop_front() {
                Some(sequence) => tokens.push(Token::RetireConnectionId { sequence }),
                None => tokens.push(Token::Ping),
            }
            let packet = SentPacket {
                number: number.unwrap(),
                sent_at: self.bench.now,
                size: SIZE,
                path: PathId(0),
                ack_eliciting: true,
                in_flight: true,
                ect0: self.bench.recovery.marks_ecn(self.bench.now),
                mtu_probe: false,
                tokens,
            };
            self.carry(packet.number, packet.ect0);
            self.bench.recovery.on_sent(space, packet);
        }
    }

    /// Puts a packet on the link, which may drop it.
    fn carry(&mut self, number: PacketNumber, ect0: bool) {
        let (now, link) = (self.bench.now, self.link);
        let index = self.report.sent;
        self.report.sent += 1;
        let waiting = self.busy_until.saturating_sub(now).as_micros() as u64 * link.rate / 1000;
        if waiting + u64::from(SIZE) > link.queue || (link.lost)(index) {
            self.report.dropped += 1;
            return;
        }
        self.busy_until = self.busy_until.max(now) + us(u64::from(SIZE) * 1000 / link.rate);
        let ecn = match (ect0 && !link.bleached, waiting > link.marks_above) {
            (true, true) => Ecn::Ce,
            (true, false) => Ecn::Ect0,
            (false, _) => Ecn::NotEct,
        };
        let at = self.busy_until + link.delay + (link.held)(index);
        self.post(at, Event::Packet(number, ecn));
    }

    fn post(&mut self, at: Duration, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), event);
    }

    fn acknowledge(&mut self) {
        let now = self.bench.now;
        if !self.received.is_due(now) {
            return;
        }
        let mut buffer = [0; 1200];
        let mut builder = Builder::new(&mut buffer);
        let mut tokens = Tokens::default();
        assert!(
            self.received
                .write(&mut builder, &mut tokens, now, 3, false)
        );
        self.report.acks += 1;
        if !(self.ack_link_lost)(self.report.acks) {
            let bytes = builder.written().to_vec();
            self.post(now + self.link.delay, Event::Ack(bytes));
        }
    }

    /// What arrives by now.
    fn deliver(&mut self) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > self.bench.now {
                return;
            }
            match entry.remove() {
                Event::Packet(number, ecn) => {
                    let now = self.bench.now;
                    assert!(self.received.on_packet(number, true, ecn, now, ms(25)));
                    self.acknowledge();
                }
                Event::Ack(bytes) => {
                    let mut frames = frames(&bytes, PacketType::OneRtt, Side::Client);
                    let Some(Ok(Frame::Ack(ack))) = frames.next() else {
                        panic!("no ACK frame");
                    };
                    let bench = &mut self.bench;
                    let outcome = bench
                        .recovery
                        .on_ack(Space::Application, &ack, bench.now, &mut bench.settled)
                        .unwrap();
                    self.note(outcome);
                    self.transmit();
                }
            }
        }
    }

    fn note(&mut self, outcome: Outcome) {
        let report = &mut self.report;
        report.lost += u64::from(outcome.lost_packets);
        report.late += u64::from(outcome.late_packets);
        report.congestion += u64::from(outcome.congestion);
        report.persistent += u64::from(outcome.persistent_congestion);
        report.undone += u64::from(outcome.undone);
        report.probes += u64::from(outcome.probe.is_some());
        let settled = core::mem::take(&mut self.bench.settled);
        for token in settled.acked {
            if let Token::RetireConnectionId { sequence } = token {
                self.missing.remove(&sequence);
            }
        }
        for token in settled.lost.into_iter().chain(settled.resend) {
            if let Token::RetireConnectionId { sequence } = token {
                if self.missing.contains(&sequence) && !self.waiting.contains(&sequence) {
                    self.waiting.push_front(sequence);
                }
            }
        }
    }

    fn trace(&mut self, at: Duration) {
        let path = self.bench.recovery.path();
        let threshold = match path.threshold() {
            u64::MAX => "-".to_owned(),
            threshold => threshold.to_string(),
        };
        let line = format!(
            "{}\t{}\t{threshold}\t{}\n",
            at.as_millis(),
            path.window(),
            path.in_flight()
        );
        self.report.trace.push_str(&line);
    }
}

fn new_reno() -> Box<dyn Controller> {
    Box::new(NewReno::new(SIZE))
}

fn cubic() -> Box<dyn Controller> {
    Box::new(Cubic::new(SIZE))
}

#[test]
fn recovery_windows_over_a_link_follow_their_goldens() {
    // A window of 50 packets fills it, and as many may wait; what is sent is enough for 10 s.
    let link = Link {
        delay: ms(20),
        queue: 60_000,
        ..PLAIN
    };
    let header = "# milliseconds\twindow\tthreshold\tin flight\n";
    for (name, controller, golden) in [
        (
            "cwnd_new_reno.tsv",
            new_reno(),
            include_str!("cwnd_new_reno.tsv"),
        ),
        ("cwnd_cubic.tsv", cubic(), include_str!("cwnd_cubic.tsv")),
    ] {
        let report = Transfer::new(controller, link, 12_500).run();
        let got = format!("{header}{}", report.trace);
        assert_eq!(
            (report.persistent, report.probes, report.undone),
            (0, 0, 0),
            "{name}"
        );
        let differs = got
            .lines()
            .zip(golden.lines())
            .position(|(got, golden)| got != golden);
        assert!(
            got == golden,
            "{name} differs from line {differs:?} on; if that is meant, it is now:\n{got}"
        );
    }
}

/// What is wanted of a transfer of 2,500 packets, which takes at least 2 s of the link, and of its report.
type Row = (&'static str, Link, fn(&Report) -> bool, u64);

#[test]
fn recovery_completes_transfers_over_links_of_all_kinds() {
    let rows: &[Row] = &[
        (
            "plain",
            PLAIN,
            |r| r.lost == r.dropped && r.late == 0,
            2_600,
        ),
        (
            "no queue to speak of",
            Link {
                queue: 12_000,
                ..PLAIN
            },
            |r| r.lost == r.dropped,
            3_500,
        ),
        (
            "one in a hundred lost",
            Link {
                lost: |n| n % 100 == 7,
                ..PLAIN
            },
            |r| r.lost == r.dropped && r.persistent == 0,
            27_000,
        ),
        (
            "bursts of ten lost",
            Link {
                lost: |n| n % 500 < 10 && n > 400,
                ..PLAIN
            },
            |r| r.lost == r.dropped,
            4_800,
        ),
        (
            "the first flight lost",
            Link {
                lost: |n| n < 10,
                ..PLAIN
            },
            |r| r.probes >= 1,
            8_900,
        ),
        (
            "nothing for a while",
            Link {
                lost: |n| (300..420).contains(&n),
                ..PLAIN
            },
            |r| r.lost >= 120,
            2_600,
        ),
        (
            "neighbours swapped",
            Link {
                held: |n| us(if n % 10 == 0 { 900 } else { 0 }),
                ..PLAIN
            },
            |r| r.lost == r.dropped && r.late == 0,
            2_600,
        ),
        (
            "some overtaken by many",
            Link {
                held: |n| ms(if n % 50 == 40 { 8 } else { 0 }),
                ..PLAIN
            },
            // The first ones are taken for lost, and taken back; then the thresholds are wide enough.
            |r| r.late > 0 && r.late < 10 && r.undone > 0,
            2_650,
        ),
        (
            "marked in place of dropped",
            Link {
                marks_above: 30_000,
                ..PLAIN
            },
            |r| r.dropped == 0 && r.lost == 0 && r.congestion > 0 && r.capable,
            2_700,
        ),
        (
            "bleached",
            Link {
                bleached: true,
                ..PLAIN
            },
            |r| r.lost == r.dropped && !r.capable,
            2_600,
        ),
        (
            "a slow one",
            Link {
                rate: 150,
                queue: 15_000,
                ..PLAIN
            },
            |r| r.lost == r.dropped,
            21_500,
        ),
        (
            "a short one",
            Link {
                delay: us(100),
                ..PLAIN
            },
            |r| r.lost == r.dropped,
            2_300,
        ),
    ];
    for (name, link, holds, within) in rows {
        for (controller, which) in [(new_reno(), "NewReno"), (cubic(), "CUBIC")] {
            let mut report = Transfer::new(controller, *link, 2500).run();
            report.trace.clear();
            assert!(holds(&report), "{name}, {which}: {report:?}");
            assert!(
                report.finished <= ms(*within),
                "{name}, {which}: {report:?}"
            );
            let acks = report.acks as f64 / report.sent as f64;
            assert!(acks < 0.75, "{name}, {which}: {report:?}");
        }
    }
}

#[test]
fn recovery_lives_with_lost_acknowledgments() {
    for (name, lost) in [
        ("every second", (|n| n % 2 == 0) as fn(u64) -> bool),
        ("three of four", |n| n % 4 != 0),
        ("a burst", |n| (20..40).contains(&n)),
    ] {
        let mut transfer = Transfer::new(cubic(), PLAIN, 1000);
        transfer.ack_link_lost = lost;
        let report = transfer.run();
        // What was not lost is not sent twice, but for probes.
        assert!(report.lost == report.dropped, "{name}: {report:?}");
        assert!(report.finished <= ms(2500), "{name}: {report:?}");
    }
}

//! What a long transfer over a lossy path holds in heap, on both sides together: little more than what is under way, what the receiver
//! may have to keep until a gap is filled, and what the sender has taken and not sent.
//!
//! `PITH_BYTES` is how much is transferred: by default what a build without optimization does in seconds, 1 GiB (`PITH_BYTES=1073741824`) in the gate.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{Connection, Dir, Ecn, Event, Read, StreamEvent, StreamId, limits};
use pith_tests::heap::{Counter, measured};
use pith_tests::network::Dice;
use pith_tests::pair::NOW;
use pith_tls::Now;

use crate::pair::{configs, connect, route};

#[test]
fn a_long_lossy_transfer_holds_little_more_than_its_window() {
    let name = "transfer::a_long_lossy_transfer_holds_little_more_than_its_window";
    measured(name, env!("CARGO_TARGET_TMPDIR"), transfer);
}

/// One direction of the path: its memory is there from the start, so that the counter sees none of it.
struct Line {
    dice: Dice,
    under_way: VecDeque<(Duration, usize, [u8; 1500])>,
}

impl Line {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            under_way: VecDeque::with_capacity(LINE),
        }
    }

    fn carry(&mut self, now: Duration, datagram: &[u8]) {
        // One of a hundred is lost.
        if self.dice.permille(10) {
            return;
        }
        assert!(
            self.under_way.len() < LINE,
            "the line is longer than thought"
        );
        let mut bytes = [0; 1500];
        bytes[..datagram.len()].copy_from_slice(datagram);
        self.under_way
            .push_back((now + DELAY, datagram.len(), bytes));
    }
}

impl Line {
    fn arrived(&mut self, now: Duration) -> Option<(usize, [u8; 1500])> {
        let (at, ..) = self.under_way.front()?;
        if *at > now {
            return None;
        }
        let (_, length, bytes) = self.under_way.pop_front()?;
        Some((length, bytes))
    }
}

/// A server sends, a client reads as fast as it comes.
struct Transfer {
    client: Connection,
    server: Connection,
    now: Now,
    lines: [Line; 2],
    stream: StreamId,
    left: usize,
    next: Bytes,
    received: usize,
    done: bool,
}

impl Transfer {
    fn write(&mut self) {
        while self.left > 0 {
            if self.next.is_empty() {
                // Of its own memory, as an application has it.
                self.next = Bytes::from(vec![0x5a; CHUNK.min(self.left)]);
            }
            let sent = self.server.send(self.stream, &mut self.next).unwrap();
            self.left -= sent;
            if !self.next.is_empty() {
                return;
            }
        }
        // Once more is refused.
        if self.left == 0 && self.next.is_empty() {
            let _ended_before = self.server.finish(self.stream);
        }
    }

    fn read(&mut self) {
        loop {
            match self.client.read(self.stream, usize::MAX) {
                Ok(Read::Data { bytes, ends, .. }) => {
                    assert!(bytes.iter().all(|byte| *byte == 0x5a));
                    self.received += bytes.len();
                    self.done |= ends;
                    if ends {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    fn step(&mut self, buffer: &mut [u8]) {
        for (side, line) in [(&mut self.server, 0), (&mut self.client, 1)] {
            side.on_deadline(self.now);
            while let Some(batch) = side.transmit(self.now, buffer) {
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    self.lines[line].carry(self.now.monotonic, datagram);
                }
            }
            while side.endpoint_event().is_some() {}
        }
        let next = self.lines.iter().filter_map(|line| line.under_way.front());
        let next = next.map(|(at, ..)| *at);
        let timers = [self.server.deadline(), self.client.deadline()];
        let next = next.chain(timers.into_iter().flatten()).min();
        let at = next.unwrap();
        self.now.monotonic = self.now.monotonic.max(at);
        for line in 0..2 {
            while let Some((length, bytes)) = self.lines[line].arrived(self.now.monotonic) {
                let to = match line {
                    0 => &mut self.client,
                    _ => &mut self.server,
                };
                to.receive(
                    self.now,
                    route(),
                    Ecn::NotEct,
                    BytesMut::from(&bytes[..length]),
                );
            }
        }
        let mut writable = false;
        while let Some(event) = self.server.event() {
            writable |= matches!(event, Event::Stream(StreamEvent::Writable(_)));
            assert!(!matches!(event, Event::Closed(_)), "{event:?}");
        }
        if writable {
            self.write();
        }
        while let Some(event) = self.client.event() {
            assert!(!matches!(event, Event::Closed(_)), "{event:?}");
            if matches!(event, Event::Stream(StreamEvent::Opened(Dir::Uni))) {
                assert_eq!(self.client.accept(Dir::Uni), Some(self.stream));
            }
        }
        self.read();
    }
}

fn transfer(counter: &Counter) {
    let total = std::env::var("PITH_BYTES").map_or(16 << 20, |bytes| bytes.parse().unwrap());
    let (client, server) = configs();
    let (client, mut server) = connect(&client, &server);
    let stream = server.open(Dir::Uni).unwrap();
    let mut transfer = Transfer {
        client,
        server,
        now: NOW,
        lines: [Line::new(1), Line::new(2)],
        stream,
        left: total,
        next: Bytes::new(),
        received: 0,
        done: false,
    };
    let mut buffer = vec![0; 64 * 1024];
    let before = counter.bytes();
    let (mut most, mut window) = (0, 0);
    transfer.write();
    while !transfer.done {
        transfer.step(&mut buffer);
        most = most.max(counter.bytes() - before);
        window = window.max(transfer.server.stats().window);
    }
    assert_eq!(transfer.received, total);
    let lost = transfer.server.stats().packets_lost;
    let allowed = limits::STREAM_WINDOW + limits::UNSENT + window;
    println!(
        "{total} bytes in {:?}, {lost} packets lost: at most {most} bytes on both sides together; windows of {allowed}",
        transfer.now.monotonic - NOW.monotonic
    );
    let held = u64::try_from(most).unwrap();
    assert!(
        held <= allowed + allowed / 5,
        "{held} bytes for windows of {allowed}"
    );
}

/// Datagrams under way at most: what the largest window and its acknowledgements are.
const LINE: usize = 4096;

const DELAY: Duration = Duration::from_millis(50);

/// What the application writes at once.
const CHUNK: usize = 64 * 1024;

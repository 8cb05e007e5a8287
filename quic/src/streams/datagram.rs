//! Datagrams (RFC 9221): sent once, maybe lost, never in order.
//!
//! Both directions wait in a queue with a cap in bytes, bookkeeping included, so that empty datagrams are bounded too (attack A31); where it is full the oldest goes, since
//! a datagram is worth most while it is new. Nothing is sent again, so an acknowledgment changes nothing here.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::recovery::{Token, Tokens};
use crate::wire::Builder;
use crate::wire::frame::datagram_size;
use crate::{Fault, limits};

/// The datagrams of a connection that wait to be sent or read.
#[derive(Debug)]
pub(crate) struct Datagrams {
    /// The largest frame that this side takes: 0 for none.
    local: u64,
    /// The largest frame that the peer takes.
    peer: u64,
    outgoing: Waiting,
    incoming: Waiting,
    /// What came in 0-RTT packets.
    early: Waiting,
}

/// Why a datagram is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramError {
    /// The peer takes none.
    NotTaken,
    /// The peer takes none of this size, or it would never fit in the queue.
    TooLarge,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<Bytes>,
    held: usize,
    dropped: u64,
}

impl Datagrams {
    /// `local` is what this side's max_datagram_frame_size says.
    pub(crate) fn new(local: u64) -> Self {
        Self {
            local,
            peer: 0,
            outgoing: Waiting::default(),
            incoming: Waiting::default(),
            early: Waiting::default(),
        }
    }

    /// The peer's max_datagram_frame_size, remembered for early data or from the handshake, where it may be larger.
    ///
    /// # Errors
    /// [`Fault::ReducedLimit`] if it is smaller than what early data was sent under (rfc9221#3-6).
    pub(crate) fn set_peer(&mut self, largest: u64) -> Result<(), Fault> {
        if largest < self.peer {
            return Err(Fault::ReducedLimit);
        }
        self.peer = largest;
        Ok(())
    }

    /// The most bytes that a datagram may have now, as far as the peer's limit goes; `None` if it takes none.
    pub(crate) fn largest(&self) -> Option<usize> {
        let frame = usize::try_from(self.peer).unwrap_or(usize::MAX);
        let mut length = frame.min(limits::DATAGRAMS).checked_sub(2)?;
        while datagram_size(length) > frame {
            length = length.checked_sub(1)?;
        }
        Some(length)
    }

    /// Queues a datagram. Where the queue is full the oldest goes, and so many were dropped so far.
    pub(crate) fn send(&mut self, bytes: Bytes) -> Result<u64, DatagramError> {
        // rfc9221#3-1
        if self.peer == 0 {
            return Err(DatagramError::NotTaken);
        }
        // rfc9221#3-2
        if !self.is_taken(&bytes) || cost(&bytes) > limits::DATAGRAMS {
            return Err(DatagramError::TooLarge);
        }
        self.outgoing.push(bytes);
        Ok(self.outgoing.dropped)
    }

    pub(crate) fn wants_data(&self) -> bool {
        !self.outgoing.queue.is_empty()
    }

    /// How many wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.queue.len()
    }

    /// Writes as many datagrams as there is room for; to be asked only when the congestion controller allows a packet (rfc9221#5.4-1) and for 0-RTT
    /// or 1-RTT packets (rfc9221#5-1, rfc9221#6-1). `largest` is the room in a packet that holds nothing else: what does not even fit there is dropped.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens, largest: usize) {
        while let Some(bytes) = self.outgoing.queue.front() {
            if datagram_size(bytes.len()) > largest {
                self.outgoing.drop_oldest();
            } else if builder.put_datagram(bytes).is_some() {
                self.outgoing.pop();
                tokens.push(Token::Datagram);
            } else {
                return;
            }
        }
    }

    /// A DATAGRAM frame came, in a 0-RTT packet if it is `early`. `frame` is its whole size.
    pub(crate) fn on_datagram(
        &mut self,
        bytes: &[u8],
        frame: usize,
        early: bool,
    ) -> Result<(), Fault> {
        // rfc9221#3-3
        if self.local == 0 {
            return Err(Fault::DatagramNotOffered);
        }
        // rfc9221#3-4
        if u64::try_from(frame).map_or(true, |frame| frame > self.local) {
            return Err(Fault::DatagramSize);
        }
        let waiting = if early {
            &mut self.early
        } else {
            &mut self.incoming
        };
        waiting.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    /// The oldest datagram that came.
    pub(crate) fn read(&mut self) -> Option<Bytes> {
        self.incoming.pop()
    }

    /// The oldest datagram that came in a 0-RTT packet.
    pub(crate) fn read_early(&mut self) -> Option<Bytes> {
        self.early.pop()
    }

    /// How many datagrams came and were dropped unread, because nobody read in time.
    #[cfg(test)]
    pub(crate) fn dropped(&self) -> u64 {
        self.incoming.dropped.saturating_add(self.early.dropped)
    }

    fn is_taken(&self, bytes: &Bytes) -> bool {
        u64::try_from(datagram_size(bytes.len())).is_ok_and(|size| size <= self.peer)
    }
}

impl Waiting {
    fn push(&mut self, bytes: Bytes) {
        self.held = self.held.saturating_add(cost(&bytes));
        self.queue.push_back(bytes);
        while self.held > limits::DATAGRAMS {
            self.drop_oldest();
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.queue.pop_front()?;
        self.held = self.held.saturating_sub(cost(&bytes));
        Some(bytes)
    }

    fn drop_oldest(&mut self) {
        if self.pop().is_some() {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.held = 0;
        }
    }
}

fn cost(bytes: &Bytes) -> usize {
    bytes.len().saturating_add(limits::SEGMENT_OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(datagrams: &mut Datagrams, room: usize, largest: usize) -> (Vec<u8>, usize) {
        let mut buffer = vec![0; room];
        let mut builder = Builder::new(&mut buffer);
        let mut tokens = Tokens::default();
        datagrams.write(&mut builder, &mut tokens, largest);
        (builder.written().to_vec(), tokens.iter().count())
    }

    #[test]
    fn a_datagram_that_was_not_asked_for_is_refused() {
        // (name, max_datagram_frame_size, data, frame, want)
        let rows = [
            ("not offered", 0, 0, 1, Err(Fault::DatagramNotOffered)),
            ("at the limit", 12, 10, 12, Ok(())),
            ("past the limit", 12, 11, 13, Err(Fault::DatagramSize)),
            (
                "past it by its length field",
                12,
                10,
                13,
                Err(Fault::DatagramSize),
            ),
            ("empty", 1, 0, 1, Ok(())),
        ];
        for (name, local, data, frame, want) in rows {
            let mut datagrams = Datagrams::new(local);
            let got = datagrams.on_datagram(&vec![7; data], frame, false);
            assert_eq!(got, want, "{name}");
            assert_eq!(datagrams.read().is_some(), want.is_ok(), "{name}");
        }
    }

    #[test]
    fn a_datagram_is_sent_only_as_large_as_the_peer_takes() {
        let mut datagrams = Datagrams::new(0);
        let ten = || Bytes::from(vec![7; 10]);
        assert_eq!(datagrams.send(Bytes::new()), Err(DatagramError::NotTaken));
        assert_eq!(datagrams.largest(), None);
        datagrams.set_peer(11).unwrap();
        assert_eq!(datagrams.send(ten()), Err(DatagramError::TooLarge));
        assert_eq!(datagrams.largest(), Some(9));
        datagrams.set_peer(12).unwrap();
        assert_eq!(datagrams.send(ten()), Ok(0));
        assert_eq!(datagrams.set_peer(11), Err(Fault::ReducedLimit));
        for (largest, most) in [
            (65, 63),
            (66, 63),
            (67, 64),
            (16_386, 16_383),
            (16_387, 16_383),
        ] {
            datagrams.set_peer(largest).unwrap();
            assert_eq!(datagrams.largest(), Some(most), "{largest}");
        }
    }

    #[test]
    fn datagrams_are_written_whole_and_in_order() {
        let mut datagrams = Datagrams::new(0);
        datagrams.set_peer(65_535).unwrap();
        for (byte, len) in [(1, 3), (2, 200), (3, 5), (4, 1)] {
            datagrams.send(Bytes::from(vec![byte; len])).unwrap();
        }
        assert_eq!(written(&mut datagrams, 4, 100), (vec![], 0));
        let (bytes, tokens) = written(&mut datagrams, 13, 100);
        // The second is too large for any packet, the fourth waits.
        assert_eq!(bytes, [0x31, 3, 1, 1, 1, 0x31, 5, 3, 3, 3, 3, 3]);
        assert_eq!(tokens, 2);
        assert_eq!(written(&mut datagrams, 9, 100).0, [0x31, 1, 4]);
        assert!(!datagrams.wants_data());
    }

    #[test]
    fn early_datagrams_are_read_by_themselves_and_bounded_too() {
        let mut datagrams = Datagrams::new(1200);
        let bytes = |byte| Bytes::from(vec![byte; 9]);
        for (byte, early) in [(1, true), (2, false), (3, true)] {
            datagrams.on_datagram(&bytes(byte), 10, early).unwrap();
        }
        assert_eq!(datagrams.read(), Some(bytes(2)));
        assert_eq!(datagrams.read(), None);
        assert_eq!(datagrams.read_early(), Some(bytes(1)));
        assert_eq!(datagrams.read_early(), Some(bytes(3)));
        assert_eq!(datagrams.read_early(), None);
        for _ in 0..10_000 {
            datagrams.on_datagram(&bytes(4), 10, true).unwrap();
            assert!(datagrams.early.held <= limits::DATAGRAMS);
        }
        assert!(datagrams.dropped() > 0 && datagrams.read().is_none());
    }

    #[test]
    fn a_datagram_flood_costs_no_more_than_the_cap() {
        for (len, count) in [(0, 10_000), (1, 10_000), (1200, 2_000), (60_000, 50_u32)] {
            let mut datagrams = Datagrams::new(65_535);
            datagrams.set_peer(65_535).unwrap();
            for number in 0..count {
                let mut bytes = number.to_be_bytes()[..len.min(4)].to_vec();
                bytes.resize(len, 0);
                datagrams.on_datagram(&bytes, len + 1, false).unwrap();
                datagrams.send(Bytes::from(bytes)).unwrap();
                for waiting in [&datagrams.incoming, &datagrams.outgoing] {
                    assert!(waiting.held <= limits::DATAGRAMS, "{len}");
                    assert!(waiting.queue.len() <= limits::DATAGRAMS / 128, "{len}");
                }
            }
            let kept = limits::DATAGRAMS / (len + limits::SEGMENT_OVERHEAD);
            assert_eq!(datagrams.dropped(), u64::from(count) - kept as u64, "{len}");
            if len >= 4 {
                let oldest = datagrams.read().unwrap();
                assert_eq!(oldest[..4], (count - kept as u32).to_be_bytes(), "{len}");
            }
        }
    }
}

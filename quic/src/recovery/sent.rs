//! The packets of one space that are on their way: a ring from the oldest that is not settled to the newest.
//!
//! Packets enter when they are sent and leave when they are acknowledged or lost. Only what is in flight is held: packets that elicit no
//! acknowledgment may never be acknowledged, so a peer that withholds ACK frames would make them pile up; of those, the last few are known by
//! number and time alone. Numbers ascend, so a number is found by its distance from the front, or by a binary search where
//! numbers are missing. Loss is detected from the front ([`Sent::advance`]), and packets settled out of order lie between the front and the
//! largest acknowledged number, no more than the reordering threshold: no operation walks over the whole ring.

use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::VecDeque;

use super::path::PathId;
use super::token::Tokens;
use crate::limits;
use crate::wire::PacketNumber;

/// A packet as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SentPacket {
    pub(crate) number: PacketNumber,
    pub(crate) sent_at: Duration,
    /// Bytes, without those of UDP and IP.
    pub(crate) size: u16,
    pub(crate) path: PathId,
    pub(crate) ack_eliciting: bool,
    /// Whether it counts against the window: all packets but those that hold nothing but ACK and CONNECTION_CLOSE frames.
    pub(crate) in_flight: bool,
    /// Whether it was marked ECT(0).
    pub(crate) ect0: bool,
    /// Whether it is longer than the path is known to carry: its loss says nothing of congestion.
    pub(crate) mtu_probe: bool,
    pub(crate) tokens: Tokens,
}

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    ring: VecDeque<Entry>,
    /// How many of the ring are unsettled and elicit an acknowledgment.
    eliciting: usize,
    last_eliciting_at: Option<Duration>,
    /// The largest number that has left the ring.
    passed: Option<PacketNumber>,
    /// The last packets that are not in flight, the newest at `newest_fleeting`.
    fleeting: [Option<(PacketNumber, Duration)>; FLEETING],
    newest_fleeting: usize,
}

#[derive(Debug)]
struct Entry {
    packet: SentPacket,
    outstanding: bool,
    /// Whether a number between this packet and the one before in the ring was acknowledged.
    after_acked: bool,
}

/// What [`Sent::advance`] finds at the front.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// A packet that was acknowledged before.
    Acked,
    /// A packet that is lost. `after_acked` if a number between it and the one before it was acknowledged.
    Lost {
        packet: SentPacket,
        after_acked: bool,
    },
}

impl Sent {
    /// Takes a packet; its number is larger than all before.
    pub(crate) fn push(&mut self, packet: SentPacket) {
        if !packet.in_flight {
            self.newest_fleeting = self
                .newest_fleeting
                .checked_add(1)
                .and_then(|next| next.checked_rem(FLEETING))
                .unwrap_or_default();
            if let Some(slot) = self.fleeting.get_mut(self.newest_fleeting) {
                *slot = Some((packet.number, packet.sent_at));
            }
            return;
        }
        if packet.ack_eliciting {
            self.eliciting = self.eliciting.saturating_add(1);
            self.last_eliciting_at = Some(packet.sent_at);
        }
        self.ring.push_back(Entry {
            packet,
            outstanding: true,
            after_acked: false,
        });
    }

    /// Settles the packets of a range, and hands each to `acked`.
    pub(crate) fn ack(
        &mut self,
        range: &RangeInclusive<PacketNumber>,
        mut acked: impl FnMut(&SentPacket),
    ) {
        let first = self.position(*range.start());
        let mut at = first;
        while let Some(entry) = self.ring.get_mut(at) {
            if entry.packet.number > *range.end() {
                break;
            }
            if entry.outstanding {
                entry.outstanding = false;
                let eliciting = usize::from(entry.packet.ack_eliciting);
                self.eliciting = self.eliciting.saturating_sub(eliciting);
                acked(&entry.packet);
                entry.packet.tokens.forget();
            }
            at = at.saturating_add(1);
        }
        // The range lies in a gap: packets that are no longer known arrived between two that are.
        let passes = self.passed.is_none_or(|passed| passed < *range.end());
        if at == first && (first > 0 || passes) {
            if let Some(entry) = self.ring.get_mut(first) {
                entry.after_acked = true;
            }
        }
    }

    /// Takes packets from the front as long as they are settled, or `is_lost` says that they are; hands each to `visit`. Returns when the packet
    /// was sent at which it stopped, if that is below `end`.
    pub(crate) fn advance(
        &mut self,
        end: PacketNumber,
        is_lost: impl Fn(&SentPacket) -> bool,
        mut visit: impl FnMut(Passed),
    ) -> Option<Duration> {
        while let Some(front) = self.ring.front() {
            if front.outstanding {
                if front.packet.number >= end {
                    return None;
                }
                if !is_lost(&front.packet) {
                    return Some(front.packet.sent_at);
                }
            }
            let Some(entry) = self.ring.pop_front() else {
                break;
            };
            self.passed = self.passed.max(Some(entry.packet.number));
            if entry.outstanding {
                let eliciting = usize::from(entry.packet.ack_eliciting);
                self.eliciting = self.eliciting.saturating_sub(eliciting);
                visit(Passed::Lost {
                    packet: entry.packet,
                    after_acked: entry.after_acked,
                });
            } else {
                visit(Passed::Acked);
            }
        }
        // What a burst needed is given back once all of it is settled.
        self.ring.shrink_to(SMALL);
        None
    }

    /// Whether anything that elicits an acknowledgment is on its way.
    pub(crate) fn has_eliciting(&self) -> bool {
        self.eliciting > 0
    }

    /// When the last packet was sent that elicits an acknowledgment.
    pub(crate) fn last_eliciting_at(&self) -> Option<Duration> {
        self.last_eliciting_at
    }

    /// Whether everything below `number` is settled.
    pub(crate) fn is_settled_below(&self, number: PacketNumber) -> bool {
        self.ring
            .front()
            .is_none_or(|front| front.packet.number >= number)
    }

    /// Whether all numbers up to this one have left the ring.
    pub(crate) fn is_settled_to(&self, number: PacketNumber) -> bool {
        self.passed.is_some_and(|passed| number <= passed)
    }

    /// Whether as many packets are held as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.ring.len() >= limits::SENT_PACKETS
    }

    /// The oldest packets that elicit an acknowledgment.
    pub(crate) fn oldest_eliciting(&self) -> impl Iterator<Item = &SentPacket> {
        let all = self.ring.iter();
        all.filter(|entry| entry.outstanding && entry.packet.ack_eliciting)
            .map(|entry| &entry.packet)
    }

    /// When a packet was sent that was not in flight, if it is one of the last few.
    pub(crate) fn fleeting_sent_at(&self, number: PacketNumber) -> Option<Duration> {
        let mut known = self.fleeting.iter().flatten();
        known.find(|(sent, _)| *sent == number).map(|(_, at)| *at)
    }

    /// Samples of the round trip shall come from a new path alone.
    pub(crate) fn forget_fleeting(&mut self) {
        self.fleeting = Default::default();
    }

    /// Gives up all packets and hands those that are not settled to `gone`.
    pub(crate) fn drain(&mut self, mut gone: impl FnMut(SentPacket)) {
        for entry in core::mem::take(&mut self.ring) {
            self.passed = self.passed.max(Some(entry.packet.number));
            if entry.outstanding {
                gone(entry.packet);
            }
        }
        self.eliciting = 0;
        self.last_eliciting_at = None;
    }

    /// Gives up what was sent on paths that are not `known`, and hands it to `gone`. Walks over the ring: for a change of paths only.
    pub(crate) fn forget_paths(
        &mut self,
        known: impl Fn(PathId) -> bool,
        mut gone: impl FnMut(SentPacket),
    ) {
        let left = |entry: &Entry| entry.outstanding && !known(entry.packet.path);
        if !self.ring.iter().any(left) {
            return;
        }
        let mut after_acked = false;
        for mut entry in core::mem::take(&mut self.ring) {
            if left(&entry) {
                after_acked |= entry.after_acked;
                let eliciting = usize::from(entry.packet.ack_eliciting);
                self.eliciting = self.eliciting.saturating_sub(eliciting);
                if self.ring.is_empty() {
                    self.passed = self.passed.max(Some(entry.packet.number));
                }
                gone(entry.packet);
            } else {
                entry.after_acked |= core::mem::take(&mut after_acked);
                self.ring.push_back(entry);
            }
        }
    }

    /// Bytes in flight on a path. Walks over the ring: for a change of paths only.
    pub(crate) fn in_flight_on(&self, path: PathId) -> u64 {
        let outstanding = self.ring.iter().filter(|entry| entry.outstanding);
        outstanding
            .filter(|entry| entry.packet.path == path)
            .fold(0, |sum, entry| {
                sum.saturating_add(u64::from(entry.packet.size))
            })
    }

    /// How many of the ring are settled and wait for those before them.
    #[cfg(test)]
    pub(crate) fn settled_in_ring(&self) -> usize {
        self.ring.iter().filter(|entry| !entry.outstanding).count()
    }

    /// Where the first packet stands whose number is not below this.
    fn position(&self, number: PacketNumber) -> usize {
        let Some(front) = self.ring.front() else {
            return 0;
        };
        let distance = number.get().saturating_sub(front.packet.number.get());
        let guess = usize::try_from(distance).unwrap_or(usize::MAX);
        match self.ring.get(guess) {
            Some(entry) if entry.packet.number == number => guess,
            _ => self
                .ring
                .partition_point(|entry| entry.packet.number < number),
        }
    }
}

/// How many packets that are not in flight are remembered. Of a receiver that mostly sends ACK frames, the peer's own ACK frame names one of
/// these, and without its time there would be no sample of the round trip.
const FLEETING: usize = 8;

/// Packets for which memory is kept where none are on their way.
const SMALL: usize = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recovery::Token;

    fn number(value: u64) -> PacketNumber {
        PacketNumber::new(value).unwrap()
    }

    fn packet(value: u64, in_flight: bool) -> SentPacket {
        SentPacket {
            number: number(value),
            sent_at: Duration::from_millis(value),
            size: 1200,
            ack_eliciting: in_flight,
            in_flight,
            ..SentPacket::default()
        }
    }

    fn acked(sent: &mut Sent, range: RangeInclusive<u64>) -> Vec<u64> {
        let mut numbers = Vec::new();
        let range = number(*range.start())..=number(*range.end());
        sent.ack(&range, |packet| numbers.push(packet.number.get()));
        numbers
    }

    /// Numbers that were passed: lost ones, those lost behind a gap that was acknowledged as 1000 more, acknowledged ones as `None`.
    fn passed(sent: &mut Sent, end: u64, lost_below: u64) -> Vec<Option<u64>> {
        let mut all = Vec::new();
        let is_lost = |packet: &SentPacket| packet.number.get() < lost_below;
        sent.advance(number(end), is_lost, |passed| {
            all.push(match passed {
                Passed::Acked => None,
                Passed::Lost {
                    packet,
                    after_acked,
                } => Some(packet.number.get() + 1000 * u64::from(after_acked)),
            });
        });
        all
    }

    #[test]
    fn recovery_sent_packets_leave_once() {
        let mut sent = Sent::default();
        (0..10).for_each(|value| sent.push(packet(value, true)));
        assert_eq!(acked(&mut sent, 2..=4), [2, 3, 4]);
        assert_eq!(acked(&mut sent, 0..=5), [0, 1, 5]);
        assert_eq!(acked(&mut sent, 0..=5), []);
        assert_eq!(passed(&mut sent, 6, 0), [None; 6]);
        assert_eq!(acked(&mut sent, 8..=8), [8]);
        assert_eq!(passed(&mut sent, 9, 7), [Some(6)]);
        assert!(sent.has_eliciting());
        assert_eq!(passed(&mut sent, 9, 9), [Some(7), None]);
        assert_eq!(acked(&mut sent, 0..=99), [9]);
        assert!(!sent.has_eliciting());
        assert_eq!(
            passed(&mut sent, 0, 0),
            [None],
            "what is settled goes, wherever it ends"
        );
    }

    #[test]
    fn recovery_sent_packets_that_elicit_nothing_are_forgotten() {
        let mut sent = Sent::default();
        sent.push(packet(0, true));
        for value in 1..100_000 {
            sent.push(packet(value, false));
        }
        assert_eq!(sent.ring.len(), 1);
        assert!(sent.ring.capacity() < 16);
        let last = 100_000 - FLEETING as u64;
        assert_eq!(sent.fleeting_sent_at(number(last - 1)), None);
        for value in last..100_000 {
            let at = Duration::from_millis(value);
            assert_eq!(sent.fleeting_sent_at(number(value)), Some(at));
        }
        assert_eq!(acked(&mut sent, 1..=99_999), []);
        assert_eq!(acked(&mut sent, 0..=0), [0]);
    }

    #[test]
    fn recovery_sent_ring_gives_memory_back() {
        let mut sent = Sent::default();
        (0..5000).for_each(|value| sent.push(packet(value, true)));
        assert!(!sent.is_full());
        acked(&mut sent, 0..=4999);
        passed(&mut sent, 5000, 0);
        assert!(sent.ring.capacity() <= SMALL);
    }

    #[test]
    fn recovery_sent_packets_stay_small() {
        // As the limit of packets in flight reckons with; and an idle connection has 6 KiB for all.
        assert!(size_of::<Entry>() <= 112, "{}", size_of::<Entry>());
        let idle = size_of::<crate::recovery::loss::Sending>()
            + SMALL * size_of::<Entry>()
            + size_of::<crate::recovery::Recovery>();
        assert!(idle <= 2048, "{idle}");
    }

    #[test]
    fn recovery_sent_ring_is_full_at_its_limit() {
        let mut sent = Sent::default();
        let limit = limits::SENT_PACKETS as u64;
        (1..limit).for_each(|value| sent.push(packet(value, true)));
        assert!(!sent.is_full());
        sent.push(packet(limit, true));
        assert!(sent.is_full());
        acked(&mut sent, 1..=1);
        passed(&mut sent, 2, 0);
        assert!(!sent.is_full());
    }

    #[test]
    fn recovery_sent_ring_knows_of_acknowledged_gaps() {
        // Packets 0, 3, 6, 9 are in flight; (name, acknowledged ranges, what is passed if all up to 9 is lost)
        type Row = (&'static str, &'static [(u64, u64)], &'static [Option<u64>]);
        let rows: &[Row] = &[
            ("none", &[], &[Some(0), Some(3), Some(6)]),
            ("one gap", &[(4, 4)], &[Some(0), Some(3), Some(1006)]),
            ("first gap", &[(1, 2)], &[Some(0), Some(1003), Some(6)]),
            ("gap and packet", &[(2, 3)], &[Some(0), None, Some(6)]),
            ("packet and gap", &[(3, 4)], &[Some(0), None, Some(6)]),
            ("the last gap", &[(8, 8)], &[Some(0), Some(3), Some(6)]),
        ];
        for (name, ranges, want) in rows {
            let mut sent = Sent::default();
            (0..10).for_each(|value| sent.push(packet(value, value % 3 == 0)));
            for (start, end) in *ranges {
                acked(&mut sent, *start..=*end);
            }
            assert_eq!(passed(&mut sent, 9, 9), *want, "{name}");
        }
        // What lies below all that was passed says nothing.
        let mut sent = Sent::default();
        (0..10).for_each(|value| sent.push(packet(value, value % 3 == 0)));
        passed(&mut sent, 9, 6);
        acked(&mut sent, 0..=2);
        assert_eq!(passed(&mut sent, 9, 9), [Some(6)]);
    }

    #[test]
    fn recovery_forgets_what_was_sent_on_paths_that_are_gone() {
        let mut sent = Sent::default();
        for value in 0..12 {
            let path = PathId(u32::try_from(value % 3).unwrap());
            let packet = packet(value, true);
            sent.push(SentPacket { path, ..packet });
        }
        acked(&mut sent, 3..=4);
        let mut gone = Vec::new();
        sent.forget_paths(
            |id| id != PathId(0),
            |packet| gone.push(packet.number.get()),
        );
        assert_eq!(gone, [0, 6, 9], "one was acknowledged");
        assert!(sent.is_settled_to(number(0)) && !sent.is_settled_to(number(1)));
        assert_eq!(sent.in_flight_on(PathId(0)), 0);
        assert_eq!(acked(&mut sent, 5..=8), [5, 7, 8]);
        assert!(sent.has_eliciting());
        sent.forget_paths(|_| true, |packet| panic!("{packet:?}"));
        sent.forget_paths(|_| false, |packet| gone.push(packet.number.get()));
        assert_eq!(gone, [0, 6, 9, 1, 2, 10, 11]);
        assert!(!sent.has_eliciting() && sent.is_settled_to(number(2)));
    }

    /// Each operation against a map from number to packet.
    #[test]
    fn recovery_sent_ring_matches_a_map() {
        bolero::check!()
            .with_type::<Vec<(u8, u8, u8)>>()
            .with_iterations(2000)
            .for_each(|steps| {
                let mut sent = Sent::default();
                let mut model = BTreeMap::new();
                let mut next = 0;
                let mut largest = None;
                for (what, one, two) in steps {
                    match what % 4 {
                        0 | 1 => {
                            next += 1 + u64::from(one % 3);
                            let in_flight = two % 3 != 0;
                            sent.push(packet(next, in_flight));
                            if in_flight {
                                model.insert(next, ());
                            }
                        }
                        2 => {
                            let start = next.saturating_sub(u64::from(*one));
                            let end = (start + u64::from(two % 16)).min(next);
                            let got = acked(&mut sent, start..=end);
                            let want: Vec<u64> =
                                model.range(start..=end).map(|(n, ())| *n).collect();
                            want.iter().for_each(|number| {
                                model.remove(number);
                            });
                            assert_eq!(got, want);
                            largest = largest.max(Some(end));
                        }
                        _ => {
                            let end = largest.unwrap_or(0);
                            let below = end.saturating_sub(3);
                            let got: Vec<u64> = passed(&mut sent, end, below)
                                .into_iter()
                                .flatten()
                                .map(|n| n % 1000)
                                .collect();
                            let want: Vec<u64> = model.range(..below).map(|(n, ())| *n).collect();
                            assert_eq!(got, want.iter().map(|n| n % 1000).collect::<Vec<_>>());
                            model = model.split_off(&below);
                        }
                    }
                    assert_eq!(sent.has_eliciting(), !model.is_empty());
                    assert_eq!(
                        sent.in_flight_on(PathId::default()),
                        1200 * model.len() as u64
                    );
                }
                let mut rest = Vec::new();
                sent.drain(|packet| rest.push(packet.number.get()));
                assert_eq!(rest, model.into_keys().collect::<Vec<_>>());
                assert!(!sent.has_eliciting());
            });
    }

    #[test]
    fn recovery_sent_packets_keep_their_tokens() {
        let mut sent = Sent::default();
        let mut carrying = packet(3, true);
        carrying.tokens.push(Token::Ping);
        sent.push(carrying);
        let oldest: Vec<_> = sent
            .oldest_eliciting()
            .flat_map(|packet| packet.tokens.iter())
            .collect();
        assert_eq!(oldest, [Token::Ping]);
        sent.ack(&(number(3)..=number(3)), |packet| {
            assert_eq!(packet.tokens.iter().collect::<Vec<_>>(), [Token::Ping]);
        });
        assert_eq!(sent.oldest_eliciting().count(), 0);
    }
}

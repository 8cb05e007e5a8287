//! What was received in one packet number space, and when to say so (RFC 9000 section 13.2).
//!
//! Numbers of packets enter when their frames have been processed, ACK frames leave. A packet that was already taken, or that is too old to
//! tell, is a duplicate. An ACK frame is due at once, after the promised delay, or never: what elicits none only rides along. The peer cannot make
//! this grow: the ranges are capped, and fall away once the peer has acknowledged an ACK frame that held them.

use core::time::Duration;

use super::ranges::Ranges;
use super::token::{Token, Tokens};
use crate::limits;
use crate::wire::{Builder, PacketNumber, Space, VarInt, frame::EcnCounts};

/// The ECN field of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ecn {
    /// Not marked.
    NotEct,
    /// ECN-capable, as this crate marks.
    Ect0,
    /// ECN-capable, the other mark.
    Ect1,
    /// A queue on the path was full, or almost.
    Ce,
}

/// The receiving half of a packet number space.
#[derive(Debug)]
pub(crate) struct Received {
    space: Space,
    ranges: Ranges,
    largest: Option<PacketNumber>,
    largest_at: Duration,
    largest_eliciting: Option<PacketNumber>,
    ecn: EcnCounts,
    due: Due,
    /// Packets that elicit an acknowledgment and have none yet.
    unacked: u32,
    /// ACK frames since one was written to a packet that the peer will acknowledge.
    unheard: u32,
}

/// When an ACK frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Never,
    At(Duration),
    Now,
}

impl Received {
    pub(crate) fn new(space: Space) -> Self {
        Self {
            space,
            ranges: Ranges::default(),
            largest: None,
            largest_at: Duration::ZERO,
            largest_eliciting: None,
            ecn: EcnCounts::default(),
            due: Due::Never,
            unacked: 0,
            unheard: 0,
        }
    }

    /// Whether the packet was taken before, or may have been: it must not be processed.
    pub(crate) fn is_duplicate(&self, number: PacketNumber) -> bool {
        self.ranges.contains(number)
    }

    /// The largest number that was taken, against which the next ones expand (rfc9000#13.2.3-2).
    pub(crate) fn largest(&self) -> Option<PacketNumber> {
        self.largest
    }

    /// Takes a packet whose frames have all been processed (rfc9000#13.1-1). `max_ack_delay` is what this side promised. False for a
    /// duplicate, of which nothing is counted.
    pub(crate) fn on_packet(
        &mut self,
        number: PacketNumber,
        ack_eliciting: bool,
        ecn: Ecn,
        now: Duration,
        max_ack_delay: Duration,
    ) -> bool {
        if !self.ranges.insert(number) {
            return false;
        }
        self.count(ecn);
        if self.largest.is_none_or(|largest| largest < number) {
            self.largest = Some(number);
            self.largest_at = now;
        }
        // rfc9000#13.2.1-4
        if ack_eliciting {
            self.unacked = self.unacked.saturating_add(1);
            let due = self.due_for(number, ecn, now, max_ack_delay);
            self.due = self.due.sooner(due);
            self.largest_eliciting = self.largest_eliciting.max(Some(number));
        }
        true
    }

    /// Whether an ACK frame has to be sent by now, in a packet of its own if there is no other.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        match self.due {
            Due::Never => false,
            Due::At(at) => at <= now,
            Due::Now => true,
        }
    }

    /// Whether a packet that is sent anyway should carry an ACK frame.
    pub(crate) fn is_wanted(&self) -> bool {
        self.unacked > 0
    }

    /// When [`Received::is_due`] becomes true. `Duration::ZERO` if it is.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.due {
            Due::Never => None,
            Due::At(at) => Some(at),
            Due::Now => Some(Duration::ZERO),
        }
    }

    /// Whether the packet that the next ACK frame goes into should elicit an acknowledgment, so that old ranges can be dropped. Never for two
    /// packets in a row, or the two sides would acknowledge one another for ever (rfc9000#13.2.1-5).
    pub(crate) fn wants_ping(&self) -> bool {
        self.unheard >= limits::UNHEARD_ACKS
    }

    /// Writes an ACK frame with as many ranges as there is room for, the newest first. `exponent` is the ack_delay_exponent that this side
    /// advertised, `ack_eliciting` whether the packet elicits an acknowledgment. False if nothing was written.
    pub(crate) fn write(
        &mut self,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        now: Duration,
        exponent: u8,
        ack_eliciting: bool,
    ) -> bool {
        let Some(largest) = self.largest.filter(|_| !self.ranges.is_empty()) else {
            return false;
        };
        let delay = encoded_delay(now.saturating_sub(self.largest_at), exponent);
        // rfc9000#13.4.1-1
        let ecn = Some(self.ecn).filter(|ecn| *ecn != EcnCounts::default());
        let ranges = self.ranges.descending();
        if builder.put_ack(delay, ranges, ecn).is_none() {
            return false;
        }
        tokens.push(Token::Ack {
            space: self.space,
            largest,
        });
        // rfc9000#13.2.1-3: until another packet comes that elicits one, no ACK frame is due.
        self.unacked = 0;
        self.due = Due::Never;
        self.unheard = if ack_eliciting || self.ranges.len() < limits::QUIET_RANGES {
            0
        } else {
            self.unheard.saturating_add(1)
        };
        true
    }

    /// An ACK frame up to `largest` has arrived at the peer (RFC 9000 section 13.2.4). The largest range stays, for every ACK frame shall name the
    /// largest number.
    pub(crate) fn on_ack_acked(&mut self, largest: PacketNumber) {
        let keep = self.largest.and_then(|own| own.get().checked_sub(1));
        let settled = keep
            .map(|keep| keep.min(largest.get()))
            .and_then(PacketNumber::new);
        if let Some(settled) = settled {
            self.ranges.settle(settled);
        }
    }

    fn due_for(
        &self,
        number: PacketNumber,
        ecn: Ecn,
        now: Duration,
        max_ack_delay: Duration,
    ) -> Due {
        // rfc9000#13.2.1-2
        if self.space != Space::Application || ecn == Ecn::Ce || self.unacked >= ACK_EVERY {
            return Due::Now;
        }
        let in_order = match self.largest_eliciting {
            Some(largest) => {
                number > largest && self.ranges.reaches(largest.get().saturating_add(1))
            }
            None => self.ranges.reaches(0),
        };
        if in_order {
            // rfc9000#13.2.1-1
            Due::At(now.saturating_add(max_ack_delay))
        } else {
            Due::Now
        }
    }

    fn count(&mut self, ecn: Ecn) {
        let count = match ecn {
            Ecn::NotEct => return,
            Ecn::Ect0 => &mut self.ecn.ect0,
            Ecn::Ect1 => &mut self.ecn.ect1,
            Ecn::Ce => &mut self.ecn.ce,
        };
        *count = VarInt::saturating(count.get().saturating_add(1));
    }
}

impl Due {
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::Never, due) | (due, Self::Never) => due,
            (Self::At(one), Self::At(other)) => Self::At(one.min(other)),
        }
    }
}

/// An ACK Delay field as time (RFC 9000 section 19.3); the longest there is where the peer writes nonsense.
pub(crate) fn decoded_delay(field: VarInt, exponent: u8) -> Duration {
    let factor = 1_u64.checked_shl(u32::from(exponent)).unwrap_or(u64::MAX);
    Duration::from_micros(field.get().saturating_mul(factor))
}

fn encoded_delay(delay: Duration, exponent: u8) -> VarInt {
    let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    VarInt::saturating(micros.checked_shr(u32::from(exponent)).unwrap_or(0))
}

/// An ACK frame for every second packet that elicits one (RFC 9000 section 13.2.2).
const ACK_EVERY: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{Ack, Frame, frames};
    use crate::wire::{PacketType, Side};

    const DELAY: Duration = Duration::from_millis(25);
    const EXPONENT: u8 = 3;

    fn number(value: u64) -> PacketNumber {
        PacketNumber::new(value).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn take(received: &mut Received, value: u64, eliciting: bool, ecn: Ecn, at: Duration) -> bool {
        received.on_packet(number(value), eliciting, ecn, at, DELAY)
    }

    /// Writes an ACK frame into `room` bytes and gives what it says to `check`.
    fn written(
        received: &mut Received,
        now: Duration,
        room: usize,
        check: impl FnOnce(&Ack<'_>, &Tokens),
    ) -> usize {
        let mut buffer = vec![0; room];
        let mut builder = Builder::new(&mut buffer);
        let mut tokens = Tokens::default();
        assert!(received.write(&mut builder, &mut tokens, now, EXPONENT, false));
        let mut frames = frames(builder.written(), PacketType::OneRtt, Side::Client);
        let Some(Ok(Frame::Ack(ack))) = frames.next() else {
            panic!("no ACK frame");
        };
        check(&ack, &tokens);
        assert!(frames.next().is_none());
        builder.len()
    }

    fn listed(ack: &Ack<'_>) -> Vec<(u64, u64)> {
        ack.ranges()
            .map(|range| (range.start().get(), range.end().get()))
            .collect()
    }

    /// Packets as (number, elicits, mark), and what the last of them makes due.
    type Row = (
        &'static str,
        Space,
        &'static [(u64, bool, Ecn)],
        Option<Duration>,
    );

    #[test]
    fn recovery_acks_are_due_as_section_13_2_1_says() {
        use Ecn::{Ce, Ect0, NotEct as Not};
        use Space::{Application as App, Handshake, Initial};
        let later = Some(DELAY);
        let at_once = Some(Duration::ZERO);
        let rows: &[Row] = &[
            ("first", App, &[(0, true, Not)], later),
            ("second", App, &[(0, true, Not), (1, true, Not)], at_once),
            ("not eliciting", App, &[(0, false, Not)], None),
            (
                "not eliciting behind a gap",
                App,
                &[(0, false, Not), (7, false, Not)],
                None,
            ),
            ("not eliciting and CE", App, &[(0, false, Ce)], None),
            (
                "one among others",
                App,
                &[(0, false, Not), (1, true, Not), (2, false, Not)],
                later,
            ),
            ("CE", App, &[(0, true, Ce)], at_once),
            ("ECT(0)", App, &[(0, true, Ect0)], later),
            ("the first is missing", App, &[(1, true, Not)], at_once),
            ("a gap", App, &[(0, true, Not), (2, true, Not)], at_once),
            (
                "a gap of what elicits none",
                App,
                &[(0, true, Not), (1, false, Not), (2, false, Not)],
                later,
            ),
            (
                "a gap below what elicits none",
                App,
                &[(0, false, Not), (2, false, Not), (3, true, Not)],
                at_once,
            ),
            (
                "reordered",
                App,
                &[(0, false, Not), (2, true, Not), (1, true, Not)],
                at_once,
            ),
            ("Initial", Initial, &[(0, true, Not)], at_once),
            ("Handshake", Handshake, &[(0, true, Not)], at_once),
            (
                "Handshake, not eliciting",
                Handshake,
                &[(0, false, Not)],
                None,
            ),
        ];
        for (name, space, packets, want) in rows {
            let mut received = Received::new(*space);
            for (value, eliciting, ecn) in *packets {
                assert!(
                    take(&mut received, *value, *eliciting, *ecn, ms(0)),
                    "{name}"
                );
            }
            assert_eq!(received.deadline(), *want, "{name}");
            assert_eq!(received.is_due(ms(24)), *want == at_once, "{name}");
            assert_eq!(received.is_due(ms(25)), want.is_some(), "{name}");
            assert_eq!(received.is_wanted(), want.is_some(), "{name}");
        }
    }

    #[test]
    fn recovery_acks_answer_a_reordered_packet_at_once_after_each_ack() {
        let mut received = Received::new(Space::Application);
        for value in [0, 1, 3] {
            take(&mut received, value, true, Ecn::NotEct, ms(0));
        }
        written(&mut received, ms(0), 99, |_, _| ());
        assert_eq!(received.deadline(), None);
        take(&mut received, 2, true, Ecn::NotEct, ms(1));
        assert!(received.is_due(ms(1)));
        written(&mut received, ms(1), 99, |ack, _| {
            assert_eq!(listed(ack), [(0, 3)])
        });
        take(&mut received, 4, true, Ecn::NotEct, ms(2));
        assert_eq!(received.deadline(), Some(ms(27)), "in order again");
        // The delay runs from the first packet that is not acknowledged.
        let mut received = Received::new(Space::Application);
        take(&mut received, 0, true, Ecn::NotEct, ms(5));
        take(&mut received, 1, false, Ecn::NotEct, ms(20));
        assert_eq!(received.deadline(), Some(ms(30)));
    }

    #[test]
    fn recovery_acks_are_sent_once_for_each_packet_that_elicits_one() {
        let mut received = Received::new(Space::Application);
        let mut buffer = [0; 64];
        let mut tokens = Tokens::default();
        let mut builder = Builder::new(&mut buffer);
        assert!(
            !received.write(&mut builder, &mut tokens, ms(0), EXPONENT, false),
            "nothing came"
        );
        take(&mut received, 0, true, Ecn::NotEct, ms(0));
        assert!(received.write(&mut builder, &mut tokens, ms(0), EXPONENT, false));
        // rfc9000#13.2.1-3
        assert_eq!(
            (received.is_due(ms(9999)), received.is_wanted()),
            (false, false)
        );
        // rfc9000#13.2.1-4
        for value in 2..20 {
            take(&mut received, value * 3, false, Ecn::Ce, ms(1));
            assert_eq!(
                (received.deadline(), received.is_wanted()),
                (None, false),
                "{value}"
            );
        }
    }

    #[test]
    fn recovery_acks_report_delay_and_marks() {
        let mut received = Received::new(Space::Application);
        for (value, ecn) in [
            (0, Ecn::Ect0),
            (1, Ecn::NotEct),
            (2, Ecn::Ect1),
            (4, Ecn::Ce),
            (5, Ecn::Ect0),
        ] {
            take(&mut received, value, true, ecn, ms(value));
        }
        // A duplicate counts nothing, and does not make the delay shorter.
        assert!(received.is_duplicate(number(5)));
        assert!(!take(&mut received, 5, true, Ecn::Ce, ms(9)));
        // Nor does a packet that is late.
        assert!(take(&mut received, 3, false, Ecn::NotEct, ms(9)));
        written(&mut received, ms(45), 99, |ack, tokens| {
            assert_eq!(decoded_delay(ack.delay, EXPONENT), ms(40));
            assert_eq!(listed(ack), [(0, 5)]);
            let marks = ack
                .ecn
                .map(|ecn| [ecn.ect0, ecn.ect1, ecn.ce].map(VarInt::get));
            assert_eq!(marks, Some([2, 1, 1]));
            let token = Token::Ack {
                space: Space::Application,
                largest: number(5),
            };
            assert_eq!(tokens.iter().collect::<Vec<_>>(), [token]);
        });
        let mut unmarked = Received::new(Space::Application);
        take(&mut unmarked, 0, true, Ecn::NotEct, ms(0));
        written(&mut unmarked, ms(0), 99, |ack, _| assert_eq!(ack.ecn, None));
    }

    #[test]
    fn recovery_acks_leave_out_the_oldest_ranges_where_there_is_no_room() {
        let mut received = Received::new(Space::Application);
        (0..limits::ACK_RANGES as u64).for_each(|value| {
            take(&mut received, 2 * value, true, Ecn::Ect0, ms(0));
        });
        let newest = 2 * (limits::ACK_RANGES as u64 - 1);
        let mut most = 0;
        for room in 12..200 {
            let used = written(&mut received, ms(0), room, |ack, _| {
                let got = listed(ack);
                assert_eq!(got.first(), Some(&(newest, newest)), "{room}");
                most = most.max(got.len());
            });
            assert!(used <= room);
        }
        assert_eq!(most, limits::ACK_RANGES);
    }

    #[test]
    fn recovery_acks_of_acks_shorten_what_is_said() {
        // (acknowledged up to, ranges left, a number that is still new)
        let rows: &[(u64, &[(u64, u64)], Option<u64>)] = &[
            (0, &[(10, 10), (5, 6), (1, 2)], Some(3)),
            (2, &[(10, 10), (5, 6)], Some(3)),
            (4, &[(10, 10), (5, 6)], Some(7)),
            (5, &[(10, 10), (6, 6)], Some(7)),
            (9, &[(10, 10)], None),
            (10, &[(10, 10)], None),
            (limits::VARINT, &[(10, 10)], None),
        ];
        for (acked, want, new) in rows {
            let mut received = Received::new(Space::Application);
            for value in [0, 1, 2, 5, 6, 10] {
                take(&mut received, value, true, Ecn::NotEct, ms(0));
            }
            received.on_ack_acked(number(*acked));
            written(&mut received, ms(0), 99, |ack, _| {
                assert_eq!(listed(ack), *want, "{acked}")
            });
            for value in 0..=10 {
                let fresh = new.is_some_and(|new| value >= new) && ![5, 6, 10].contains(&value);
                if value > 2 || *acked > 2 {
                    let gone = value <= *acked;
                    let taken = [0, 1, 2, 5, 6, 10].contains(&value);
                    assert_eq!(
                        received.is_duplicate(number(value)),
                        gone || taken,
                        "{acked}: {value}"
                    );
                    assert!(
                        !fresh || !received.is_duplicate(number(value)),
                        "{acked}: {value}"
                    );
                }
            }
            // rfc9000#13.2.3-2
            assert_eq!(received.largest(), Some(number(10)));
        }
    }

    #[test]
    fn recovery_acks_of_a_pure_receiver_ask_for_an_answer_now_and_then() {
        let mut received = Received::new(Space::Application);
        let mut pings = 0;
        let mut last = false;
        let mut buffer = [0; 1200];
        for value in 0..1000_u64 {
            take(&mut received, value * 2, true, Ecn::NotEct, ms(value));
            let ping = received.wants_ping();
            // rfc9000#13.2.1-5
            assert!(!(ping && last), "{value}");
            last = ping;
            pings += u32::from(ping);
            let mut builder = Builder::new(&mut buffer);
            assert!(received.write(
                &mut builder,
                &mut Tokens::default(),
                ms(value),
                EXPONENT,
                ping
            ));
        }
        let want = 1000 / (limits::UNHEARD_ACKS + 1);
        assert!(pings.abs_diff(want) <= 1, "{pings} of {want}");
        // One range is as short as it gets: nothing is to be gained.
        let mut received = Received::new(Space::Application);
        for value in 0..1000 {
            take(&mut received, value, true, Ecn::NotEct, ms(value));
            assert!(!received.wants_ping());
            received.write(
                &mut Builder::new(&mut buffer),
                &mut Tokens::default(),
                ms(value),
                EXPONENT,
                false,
            );
        }
        // So many ranges are worth a PING, and one less is not.
        for (ranges, asks) in [
            (limits::QUIET_RANGES - 1, false),
            (limits::QUIET_RANGES, true),
        ] {
            let mut received = Received::new(Space::Application);
            for value in 0..1000 {
                let gaps = (ranges as u64 - 1).min(value);
                take(&mut received, value + gaps, true, Ecn::NotEct, ms(value));
                let builder = &mut Builder::new(&mut buffer);
                received.write(builder, &mut Tokens::default(), ms(value), EXPONENT, false);
            }
            assert_eq!(received.wants_ping(), asks, "{ranges}");
        }
    }

    #[test]
    fn recovery_ack_delays_scale_and_saturate() {
        let rows = [
            (0, 3, Duration::ZERO),
            (1, 3, Duration::from_micros(8)),
            (3125, 3, ms(25)),
            (25_000, 0, ms(25)),
            (limits::VARINT, 20, Duration::from_micros(u64::MAX)),
            (1, 64, Duration::from_micros(u64::MAX)),
        ];
        for (field, exponent, want) in rows {
            let field = VarInt::new(field).unwrap();
            assert_eq!(
                decoded_delay(field, exponent),
                want,
                "{field:?} << {exponent}"
            );
        }
        assert_eq!(encoded_delay(Duration::MAX, 0), VarInt::MAX);
        assert_eq!(encoded_delay(Duration::from_micros(15), 3).get(), 1);
        assert_eq!(encoded_delay(ms(1), 64).get(), 0);
    }
}

//! Whether a path carries ECN marks and the peer reports them (RFC 9000 sections 13.4.2 and A.4).
//!
//! The first packets of a path are marked ECT(0). What the peer counts in each packet number space ([`Reported`]) is compared with what was sent; any
//! contradiction ends marking on the path for good. A peer that lies about marks gains nothing: too few fail the validation, and too many CE slow
//! its own download.

use core::time::Duration;

use crate::observe::EcnState;
use crate::wire::frame::EcnCounts;

/// The state of a path, as in RFC 9000 section A.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first packets are marked, so many of them, until then at the longest.
    Testing {
        sent: u64,
        until: Option<Duration>,
    },
    /// Enough were marked; none is until the peer has counted right.
    Unknown,
    Capable,
    Failed,
}

/// ECN of one path.
#[derive(Debug, Clone)]
pub(crate) struct Validation {
    state: State,
    /// Marked packets in flight that were sent, that arrived, that were lost; and those that arrived with CE.
    sent: u64,
    acked: u64,
    lost: u64,
    ce: u64,
}

/// What the peer has counted in one packet number space, over all paths, and how many marked packets it could have counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    ect0: u64,
    ce: u64,
    sent: u64,
}

impl Validation {
    /// A new path. Nothing is ever marked where `enabled` is false, as on a platform that cannot.
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            state: if enabled {
                State::Testing {
                    sent: 0,
                    until: None,
                }
            } else {
                State::Failed
            },
            sent: 0,
            acked: 0,
            lost: 0,
            ce: 0,
        }
    }

    /// Whether the next packet is to be marked ECT(0).
    pub(crate) fn marks(&self, now: Duration) -> bool {
        match self.state {
            State::Testing { sent, until } => {
                sent < TESTED && until.is_none_or(|until| now < until)
            }
            State::Capable => true,
            State::Unknown | State::Failed => false,
        }
    }

    pub(crate) fn state(&self) -> EcnState {
        match self.state {
            State::Testing { .. } => EcnState::Testing,
            State::Unknown => EcnState::Unknown,
            State::Capable => EcnState::Capable,
            State::Failed => EcnState::Failed,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_capable(&self) -> bool {
        self.state == State::Capable
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// A packet was sent, `marked` as [`Validation::marks`] said.
    pub(crate) fn on_sent(
        &mut self,
        now: Duration,
        marked: bool,
        in_flight: bool,
        probe_timeout: Duration,
    ) {
        if marked && in_flight {
            self.sent = self.sent.saturating_add(1);
        }
        if let State::Testing { sent, until } = &mut self.state {
            if marked {
                *sent = sent.saturating_add(1);
                until.get_or_insert(
                    now.saturating_add(probe_timeout.saturating_mul(TESTED_TIMEOUTS)),
                );
            } else if *sent > 0 {
                self.state = State::Unknown;
            }
        }
    }

    /// So many marked packets are lost. If all are, and enough were sent, the marks may be the reason.
    pub(crate) fn on_lost(&mut self, marked: u64) {
        self.lost = self.lost.saturating_add(marked);
        let over = !matches!(self.state, State::Testing { sent, .. } if sent < TESTED);
        if over && self.acked == 0 && self.lost >= self.sent && marked > 0 {
            self.state = State::Failed;
        }
    }

    /// An ACK frame that raised the largest acknowledged number came with these counts, and acknowledged so many marked packets of this path for
    /// the first time; `others` if it did so for another path too, whose marks cannot be told apart. True if the count of CE rose.
    pub(crate) fn on_ack(
        &mut self,
        acked: u64,
        others: bool,
        reported: &mut Reported,
        counts: Option<EcnCounts>,
    ) -> bool {
        let valid = reported.take(acked, counts);
        if others || self.state == State::Failed {
            return false;
        }
        let Some(ce) = valid else {
            // rfc9000#13.4.2.2-1, rfc9000#13.4.2.2-2
            self.state = State::Failed;
            return false;
        };
        self.acked = self.acked.saturating_add(acked);
        self.ce = self.ce.saturating_add(ce);
        if self.state != State::Capable && self.acked > 0 && self.has_tested() {
            // Something on the path marks whatever comes by: that says nothing of congestion.
            let all = self.acked >= TESTED && self.ce >= self.acked;
            self.state = if all { State::Failed } else { State::Capable };
        }
        ce > 0 && self.state != State::Failed
    }

    fn has_tested(&self) -> bool {
        match self.state {
            State::Testing { sent, .. } => sent >= TESTED,
            _ => true,
        }
    }
}

impl Reported {
    /// A packet with an ECT(0) mark was sent, in flight or not: the peer counts it all the same.
    pub(crate) fn on_marked(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// Takes counts of the peer, and says by how much that of CE rose. `None` if they contradict what was sent (RFC 9000 section 13.4.2.1).
    fn take(&mut self, acked: u64, counts: Option<EcnCounts>) -> Option<u64> {
        let Some(counts) = counts else {
            return Some(0).filter(|_| acked == 0);
        };
        let (ect0, ce) = (counts.ect0.get(), counts.ce.get());
        let risen = ect0.checked_sub(self.ect0).zip(ce.checked_sub(self.ce));
        self.ect0 = self.ect0.max(ect0);
        self.ce = self.ce.max(ce);
        let (ect0_risen, ce_risen) = risen?;
        let enough = ect0_risen.saturating_add(ce_risen) >= acked;
        let possible = ect0 <= self.sent && counts.ect1.get() == 0;
        Some(ce_risen).filter(|_| enough && possible)
    }
}

/// How many packets are marked before the peer has to have counted.
const TESTED: u64 = 10;

/// And for how many probe timeouts at the longest.
const TESTED_TIMEOUTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::VarInt;

    const PTO: Duration = Duration::from_millis(100);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn counts(ect0: u64, ect1: u64, ce: u64) -> Option<EcnCounts> {
        let [ect0, ect1, ce] = [ect0, ect1, ce].map(|count| VarInt::new(count).unwrap());
        Some(EcnCounts { ect0, ect1, ce })
    }

    fn send(path: &mut Validation, reported: &mut Reported, packets: u64, at: Duration) -> u64 {
        let mut marked = 0;
        for _ in 0..packets {
            let mark = path.marks(at);
            if mark {
                marked += 1;
                reported.on_marked();
            }
            path.on_sent(at, mark, true, PTO);
        }
        marked
    }

    /// (name, ACK frames as (newly acknowledged marked packets, counts), rises of CE, state after 10 marked packets)
    type Row = (
        &'static str,
        &'static [(u64, Option<(u64, u64, u64)>)],
        &'static [bool],
        State,
    );

    #[test]
    fn recovery_ecn_validation_follows_section_13_4_2_1() {
        use State::{Capable, Failed, Unknown};
        let rows: &[Row] = &[
            ("counted", &[(2, Some((2, 0, 0)))], &[false], Capable),
            (
                "more than acknowledged here",
                &[(1, Some((5, 0, 0)))],
                &[false],
                Capable,
            ),
            ("no counts", &[(1, None)], &[false], Failed),
            (
                "no counts for packets without marks",
                &[(0, None)],
                &[false],
                Unknown,
            ),
            ("bleached", &[(2, Some((0, 0, 0)))], &[false], Failed),
            (
                "bleached in part",
                &[(2, Some((1, 0, 0)))],
                &[false],
                Failed,
            ),
            (
                "bleached later",
                &[(2, Some((2, 0, 0))), (2, Some((2, 0, 0)))],
                &[false, false],
                Failed,
            ),
            (
                "counts gone later",
                &[(2, Some((2, 0, 0))), (2, None)],
                &[false, false],
                Failed,
            ),
            ("CE for ECT(0)", &[(2, Some((1, 0, 1)))], &[true], Capable),
            (
                "CE rises once",
                &[
                    (2, Some((1, 0, 1))),
                    (1, Some((2, 0, 1))),
                    (1, Some((2, 0, 2))),
                ],
                &[true, false, true],
                Capable,
            ),
            (
                "CE taken back",
                &[(2, Some((1, 0, 1))), (1, Some((3, 0, 0)))],
                &[true, false],
                Failed,
            ),
            (
                "ECT(0) taken back",
                &[(2, Some((2, 0, 0))), (0, Some((1, 0, 0)))],
                &[false, false],
                Failed,
            ),
            (
                "remarked as ECT(1)",
                &[(2, Some((1, 1, 1)))],
                &[false],
                Failed,
            ),
            (
                "more than were sent",
                &[(2, Some((11, 0, 0)))],
                &[false],
                Failed,
            ),
            (
                "all that were sent",
                &[(2, Some((10, 0, 0)))],
                &[false],
                Capable,
            ),
            ("all CE", &[(10, Some((0, 0, 10)))], &[false], Failed),
            ("all CE so far", &[(9, Some((0, 0, 9)))], &[true], Capable),
            (
                "a CE count too large to be",
                &[(1, Some((0, 0, u64::MAX >> 2)))],
                &[true],
                Capable,
            ),
        ];
        for (name, acks, rises, state) in rows {
            let mut path = Validation::new(true);
            let mut reported = Reported::default();
            assert_eq!(send(&mut path, &mut reported, 20, ms(0)), 10, "{name}");
            for ((acked, given), rise) in acks.iter().zip(*rises) {
                let given = given.and_then(|(ect0, ect1, ce)| counts(ect0, ect1, ce));
                let got = path.on_ack(*acked, false, &mut reported, given);
                assert_eq!(got, *rise, "{name}");
            }
            assert_eq!(path.state, *state, "{name}");
            assert_eq!(path.marks(ms(0)), *state == Capable, "{name}");
        }
    }

    #[test]
    fn recovery_ecn_marks_ten_packets_or_for_three_timeouts() {
        let mut reported = Reported::default();
        let mut path = Validation::new(true);
        assert_eq!(send(&mut path, &mut reported, 4, ms(5)), 4);
        assert_eq!(send(&mut path, &mut reported, 4, ms(304)), 4);
        assert_eq!(send(&mut path, &mut reported, 4, ms(305)), 0);
        assert_eq!(path.state, State::Unknown);
        assert!(!path.on_ack(8, false, &mut reported, counts(8, 0, 0)));
        assert!(path.is_capable());
        assert_eq!(send(&mut path, &mut reported, 4, ms(400)), 4);
        let mut disabled = Validation::new(false);
        assert_eq!(send(&mut disabled, &mut reported, 4, ms(0)), 0);
        assert!(disabled.has_failed());
    }

    #[test]
    fn recovery_ecn_fails_where_all_marked_packets_are_lost() {
        // (name, marked, lost before the test ends, lost after, acknowledged, failed)
        let rows = [
            ("all", 10, 0, 10, 0, true),
            ("all but one", 10, 0, 9, 0, false),
            ("one came", 10, 0, 9, 1, false),
            ("during the test", 5, 5, 0, 0, false),
        ];
        for (name, marked, early, late, acked, failed) in rows {
            let mut reported = Reported::default();
            let mut path = Validation::new(true);
            send(&mut path, &mut reported, marked, ms(0));
            path.on_lost(early);
            path.on_ack(acked, false, &mut reported, counts(acked, 0, 0));
            path.on_lost(late);
            assert_eq!(path.has_failed(), failed, "{name}");
        }
    }

    #[test]
    fn recovery_ecn_of_another_path_neither_fails_nor_proves_this_one() {
        let mut reported = Reported::default();
        let mut old = Validation::new(true);
        send(&mut old, &mut reported, 10, ms(0));
        let mut new = Validation::new(true);
        send(&mut new, &mut reported, 10, ms(0));
        // The old path bleaches: an ACK frame for packets of both says nothing of the new one.
        assert!(!new.on_ack(3, true, &mut reported, counts(3, 0, 0)));
        assert_eq!((new.has_failed(), new.is_capable()), (false, false));
        assert!(!new.on_ack(4, false, &mut reported, counts(7, 0, 0)));
        assert!(new.is_capable());
    }
}

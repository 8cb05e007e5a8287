//! The one timer of loss recovery: the time threshold, or else the probe timeout (RFC 9002 section 6.2 and its appendix A.8).
//!
//! It is set anew whenever something happened that it depends on, and computed when somebody asks for it, which is once a batch of packets. When it fires without a loss to declare, probes are owed: packets that elicit an
//! acknowledgment and that no window holds back. Nothing is taken for lost by it.

use core::time::Duration;

use super::loss::Sending;
use super::rtt::Rtt;
use crate::wire::{Side, Space};

/// The timer, and how far the handshake has come, on which it depends.
#[derive(Debug)]
pub(super) struct Timer {
    side: Side,
    set_at: Option<Duration>,
    /// Probe timeouts in a row.
    count: u32,
    handshake: Handshake,
    /// A server that may send nothing before it has received more.
    blocked: bool,
    /// Probes owed by space.
    probes: [u8; 3],
}

/// How far the handshake is, as the timer needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Handshake {
    Initial,
    /// There are Handshake keys.
    Keys,
    /// The peer has acknowledged a Handshake packet: a server has validated the address by then.
    Acknowledged,
    Confirmed,
}

/// The spaces that are still in use.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    pub(super) initial: Option<Box<Sending>>,
    pub(super) handshake: Option<Box<Sending>>,
    pub(super) application: Option<Box<Sending>>,
}

impl Timer {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            set_at: None,
            count: 0,
            handshake: Handshake::Initial,
            blocked: false,
            probes: [0; 3],
        }
    }

    /// When it fires. `max_ack_delay` is the peer's.
    pub(super) fn at(
        &self,
        spaces: &Spaces,
        rtt: &Rtt,
        max_ack_delay: Duration,
    ) -> Option<Duration> {
        let losses = spaces.iter().filter_map(|(_, sending)| sending.loss_time());
        // rfc9002#6.2.1-5
        losses.min().or_else(|| {
            self.probe_timeout(spaces, rtt, max_ack_delay)
                .map(|(at, _)| at)
        })
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.handshake == Handshake::Confirmed
    }

    pub(super) fn advance(&mut self, handshake: Handshake) {
        self.handshake = self.handshake.max(handshake);
    }

    pub(super) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// An acknowledgment came for something new.
    pub(super) fn on_progress(&mut self) {
        // A server that has not validated the address yet may just be slow.
        if self.peer_is_certain() {
            self.count = 0;
        }
        self.probes = [0; 3];
    }

    /// Keys were discarded, or the connection starts over: the backoff ends.
    pub(super) fn reset(&mut self) {
        self.count = 0;
    }

    /// How many probes are owed in a space.
    pub(super) fn owed(&self, space: Space) -> u8 {
        let [initial, handshake, application] = self.probes;
        match space {
            Space::Initial => initial,
            Space::Handshake => handshake,
            Space::Application => application,
        }
    }

    pub(super) fn owe(&mut self, space: Space, probes: u8) {
        let [initial, handshake, application] = &mut self.probes;
        *match space {
            Space::Initial => initial,
            Space::Handshake => handshake,
            Space::Application => application,
        } = probes;
    }

    /// Sets the timer.
    pub(super) fn set(&mut self, now: Duration) {
        self.set_at = Some(now);
    }

    /// The probe timeout has come: increases the backoff, and says for which space it was.
    pub(super) fn on_probe_timeout(
        &mut self,
        spaces: &Spaces,
        rtt: &Rtt,
        max_ack_delay: Duration,
    ) -> Option<Space> {
        let (_, space) = self.probe_timeout(spaces, rtt, max_ack_delay)?;
        // rfc9002#6.2.1-4
        self.count = self.count.saturating_add(1);
        for (other, sending) in spaces.iter() {
            // The Application space too, whose own timeout does not count yet: data that was lost with the end of the handshake goes with it.
            if other != space && sending.sent.has_eliciting() {
                self.owe(other, 1);
            }
        }
        // rfc9002#6.2.4-1, rfc9002#6.2.2.1-3
        let in_flight = spaces
            .get(space)
            .is_some_and(|sending| sending.sent.has_eliciting());
        self.owe(space, if in_flight { PROBES } else { 1 });
        Some(space)
    }

    fn probe_timeout(
        &self,
        spaces: &Spaces,
        rtt: &Rtt,
        max_ack_delay: Duration,
    ) -> Option<(Duration, Space)> {
        // rfc9002#6.2.2.1-1
        if self.blocked {
            return None;
        }
        let backoff = 1_u32.checked_shl(self.count).unwrap_or(u32::MAX);
        let period = |delay| rtt.probe_timeout(delay).saturating_mul(backoff);
        let mut soonest: Option<(Duration, Space)> = None;
        for (space, sending) in spaces.iter() {
            let delay = match space {
                Space::Initial | Space::Handshake => Duration::ZERO,
                // rfc9002#6.2.1-3
                Space::Application if !self.is_confirmed() => continue,
                Space::Application => max_ack_delay,
            };
            let last = sending.sent.last_eliciting_at();
            if let Some(last) = last.filter(|_| sending.sent.has_eliciting()) {
                let at = last.saturating_add(period(delay));
                // rfc9002#6.2.1-2
                if soonest.is_none_or(|(soonest, _)| at < soonest) {
                    soonest = Some((at, space));
                }
            }
        }
        if soonest.is_none() && !self.peer_is_certain() {
            // rfc9002#6.2.2.1-2: the server may be waiting for bytes before it can send again. What is on its way in the Application space does not
            // count, since its timeout is not set yet.
            let space = match self.handshake {
                Handshake::Initial => Space::Initial,
                _ => Space::Handshake,
            };
            let at = self.set_at?.saturating_add(period(Duration::ZERO));
            return Some((at, space));
        }
        soonest
    }

    /// Whether the peer has validated this side's address, as far as this side can know.
    fn peer_is_certain(&self) -> bool {
        self.side == Side::Server || self.handshake >= Handshake::Acknowledged
    }
}

impl Spaces {
    pub(super) fn new() -> Self {
        Self {
            initial: Some(Box::default()),
            handshake: Some(Box::default()),
            application: Some(Box::default()),
        }
    }

    pub(super) fn get(&self, space: Space) -> Option<&Sending> {
        match space {
            Space::Initial => self.initial.as_deref(),
            Space::Handshake => self.handshake.as_deref(),
            Space::Application => self.application.as_deref(),
        }
    }

    pub(super) fn get_mut(&mut self, space: Space) -> Option<&mut Sending> {
        self.slot(space).as_deref_mut()
    }

    pub(super) fn slot(&mut self, space: Space) -> &mut Option<Box<Sending>> {
        match space {
            Space::Initial => &mut self.initial,
            Space::Handshake => &mut self.handshake,
            Space::Application => &mut self.application,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Space, &Sending)> {
        Space::ALL
            .into_iter()
            .filter_map(|space| Some((space, self.get(space)?)))
    }
}

/// Probes that are sent on a timeout: one more than needed, since the loss of a single one would cost twice the time.
const PROBES: u8 = 2;

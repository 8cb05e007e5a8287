//! When a connection has to be looked at, and what happens then. Each timer is computed from the state that it depends on.

use core::time::Duration;

use pith_tls::Now;

use super::Connection;
use super::state::{State, Step};
use super::timers::Timer;
use crate::error::ConnectionError;
use crate::limits;
use crate::observe::{LossTimer, Seen};
use crate::wire::{Side, Space};

impl Connection {
    /// When [`on_deadline`](Connection::on_deadline) and [`transmit`](Connection::transmit) are to be called next, on the clock of
    /// [`Now::monotonic`]; it may be past. `None` if the connection waits for the peer or the application alone.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let timers = Timer::ALL.into_iter();
        timers.filter_map(|timer| self.timer(timer)).min()
    }

    /// Does what time has made due. Harmless at any time.
    pub fn on_deadline(&mut self, now: Now) {
        let now = now.monotonic;
        self.watch.at(now);
        for timer in Timer::ALL {
            if self.timer(timer).is_some_and(|at| at <= now) {
                self.fire(timer, now);
            }
        }
        self.watch_changes();
    }

    fn timer(&self, timer: Timer) -> Option<Duration> {
        let open = self.state.is_open();
        match timer {
            Timer::Close => self
                .closing
                .as_ref()
                .map(|closing| closing.until())
                .or(self.drained_at),
            _ if !open => None,
            Timer::Handshake if self.state == State::Confirmed => None,
            // Nothing that comes meanwhile moves it.
            Timer::Handshake => Some(self.began.saturating_add(self.config.handshake_timeout)),
            Timer::Idle => {
                let timeout = self.recovery.probe_timeout();
                self.activity.idle_deadline(self.idle_timeout(), timeout)
            }
            Timer::KeepAlive if self.state.is_established() && !self.signals.is_pending() => {
                self.activity.keep_alive_deadline(self.config.keep_alive)
            }
            Timer::KeepAlive => None,
            // Only a client's address is a NAT's to forget.
            Timer::Silence if self.side == Side::Client && self.state == State::Confirmed => {
                let waits = self.recovery.path().in_flight() == 0 && !self.signals.is_pending();
                let timeout = self.recovery.probe_timeout();
                waits.then(|| self.activity.silence_deadline(timeout))?
            }
            Timer::Silence => None,
            // rfc9000#8.1-4
            Timer::Recovery => self.recovery.deadline(),
            Timer::Ack => self.ack_deadline(),
            Timer::Pace => self.paced,
            Timer::Path => self.paths.deadline(),
            Timer::OldKeys => self.updates.deadline(),
            Timer::EarlyKeys => self.early.keys_deadline(),
            Timer::Held => self.held.deadline(),
            Timer::Rest => {
                let quiet = self.recovery.path().in_flight() == 0;
                let rests =
                    quiet && self.state == State::Confirmed && self.spaces.one_rtt.is_awake();
                rests.then(|| self.activity.quiet_since(limits::REST))
            }
        }
    }

    fn fire(&mut self, timer: Timer, now: Duration) {
        match timer {
            Timer::Close => {
                self.closing = None;
                self.drained_at = None;
                self.enter(Step::Expire);
            }
            Timer::Handshake => self.fail(ConnectionError::HandshakeTimeout, now),
            Timer::Idle => self.give_up(ConnectionError::IdleTimeout),
            Timer::Silence => {
                // RFC 9000 section 10.1.2
                self.streams.repeat_blocked();
                let expects = self.streams.expects_data() || self.streams.wants_control();
                if expects {
                    self.signals.owe_ping();
                }
                self.activity.on_silence(expects);
            }
            Timer::KeepAlive => {
                self.signals.owe_ping();
                self.streams.repeat_blocked();
            }
            Timer::Recovery => {
                let outcome = self
                    .recovery
                    .on_timeout(now, self.settled.get_or_insert_default());
                self.watch
                    .tell(|| Seen::LossTimer(LossTimer::Expired(outcome.probe)));
                self.on_outcome(&outcome);
                self.settle();
            }
            // The next packet takes them along.
            Timer::Ack => {}
            Timer::Pace => self.paced = None,
            Timer::Path => {
                if let Err(error) = self.on_path_timer(now) {
                    self.fail(error, now);
                }
            }
            Timer::OldKeys => {
                self.spaces.one_rtt.drop_previous();
                self.updates.on_dropped();
            }
            Timer::EarlyKeys => self.drop_early_keys(),
            Timer::Held => self.held.expire(now),
            Timer::Rest => {
                self.spaces.one_rtt.rest();
                self.ids.rest();
            }
        }
    }

    /// When the first ACK frame is due, if it can be sent.
    fn ack_deadline(&self) -> Option<Duration> {
        if !self.can_send() {
            return None;
        }
        let spaces = Space::ALL.into_iter();
        spaces
            .filter(|space| self.spaces.sends(*space).is_some() && self.may_acknowledge(*space))
            .filter_map(|space| self.spaces.received_ref(space)?.deadline())
            .min()
    }
}

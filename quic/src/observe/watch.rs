//! Between a connection and its observer: what it was told last, so that only changes are told.

use core::time::Duration;

use pith_tls::EarlyData;

use super::{
    Congestion, CongestionCause, EcnState, KeyChange, LossTimer, Metrics, Observer, Party, Seen,
};
use crate::limits;
use crate::path::Route;
use crate::recovery::PathId;
use crate::wire::PacketType;

/// The observer, if there is one.
#[derive(Default)]
pub(crate) struct Watch(Option<Box<Watched>>);

struct Watched {
    observer: Box<dyn Observer>,
    at: Duration,
    told: Standing,
    /// Since when the controller is in a recovery period.
    recovering: Option<Duration>,
    cause: Option<CongestionCause>,
}

/// How things stand with a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) keys: Keys,
    /// Nothing as long as there is none.
    pub(crate) early: Option<EarlyData>,
    pub(crate) ecn: Option<EcnState>,
    pub(crate) congestion: Option<Congestion>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) timer: Option<Duration>,
    pub(crate) route: Option<Route>,
    pub(crate) mtu: u16,
    pub(crate) paths: [Option<KnownPath>; limits::PATHS],
}

/// A path and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownPath {
    pub(crate) id: PathId,
    pub(crate) route: Route,
    /// Whether the peer is asked there.
    pub(crate) asked: bool,
    pub(crate) answers: u8,
}

/// Which keys there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    /// By [`PacketType::ALL`]: this side's, and the peer's.
    pub(crate) present: [(bool, bool); 4],
    /// Of the 1-RTT keys of this side and of the peer.
    pub(crate) generations: (u64, u64),
    /// Whether there are keys from before the peer's last update.
    pub(crate) previous: bool,
}

impl Watch {
    /// `standing` is what needs no telling.
    pub(crate) fn new(
        observer: Option<Box<dyn Observer>>,
        at: Duration,
        standing: Standing,
    ) -> Self {
        Self(observer.map(|observer| {
            Box::new(Watched {
                observer,
                at,
                told: standing,
                recovering: None,
                cause: None,
            })
        }))
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// A call begins.
    pub(crate) fn at(&mut self, now: Duration) {
        if let Some(watched) = &mut self.0 {
            watched.at = watched.at.max(now);
        }
    }

    /// Tells of an event, and makes it only if somebody is told.
    pub(crate) fn tell<'a>(&mut self, seen: impl FnOnce() -> Seen<'a>) {
        if let Some(watched) = &mut self.0 {
            watched.observer.seen(watched.at, &seen());
        }
    }

    /// A recovery period began, or was none.
    pub(crate) fn on_congestion(&mut self, cause: CongestionCause) {
        if let Some(watched) = &mut self.0 {
            watched.cause = Some(cause);
            let begins = matches!(cause, CongestionCause::Loss | CongestionCause::Marks);
            watched.recovering = begins.then_some(watched.at);
            // Told again, though it may be the state that was.
            watched.told.congestion = None;
        }
    }

    /// Tells of what has changed. A recovery period is over once something arrived that was sent after it began.
    pub(crate) fn compare(&mut self, newest_arrived: Option<Duration>, mut now: Standing) {
        let Some(watched) = &mut self.0 else { return };
        if newest_arrived > watched.recovering {
            watched.recovering = None;
        }
        if watched.recovering.is_some() {
            now.congestion = Some(Congestion::Recovery);
        }
        let before = core::mem::replace(&mut watched.told, now);
        if before != now {
            let cause = watched.cause;
            watched.keys(&before.keys, &now.keys);
            watched.rest(&before, &now, cause);
        }
        watched.cause = None;
    }
}

impl Watched {
    fn see(&mut self, seen: &Seen<'_>) {
        self.observer.seen(self.at, seen);
    }

    fn keys(&mut self, before: &Keys, now: &Keys) {
        let both = before.present.iter().zip(&now.present);
        for (packet, (before, now)) in PacketType::ALL.into_iter().zip(both) {
            let sides = [
                (Party::Local, before.0, now.0),
                (Party::Remote, before.1, now.1),
            ];
            for (of, before, now) in sides {
                let change = match (before, now) {
                    (false, true) => KeyChange::Installed,
                    (true, false) => KeyChange::Dropped,
                    _ => continue,
                };
                self.see(&Seen::Key { packet, of, change });
            }
        }
        let by = if now.generations.1 > before.generations.0 {
            Party::Remote
        } else {
            Party::Local
        };
        let sides = [
            (Party::Local, before.generations.0, now.generations.0),
            (Party::Remote, before.generations.1, now.generations.1),
        ];
        for (of, before, now) in sides.into_iter().filter(|(_, before, now)| now > before) {
            for generation in before.saturating_add(1)..=now {
                let change = KeyChange::Updated(generation, by);
                self.see(&one_rtt(of, change));
            }
        }
        if before.previous && !now.previous {
            let old = now.generations.1.saturating_sub(1);
            self.see(&one_rtt(Party::Remote, KeyChange::OldDropped(old)));
        }
    }

    fn paths(&mut self, before: &Standing, now: &Standing) {
        let find = |standing: &Standing, id| {
            let mut paths = standing.paths.iter().flatten();
            paths.find(|path| path.id == id).copied()
        };
        for path in now.paths.iter().flatten().filter(|path| path.asked) {
            if find(before, path.id).is_none_or(|before| !before.asked) {
                let (route, answered) = (path.route, None);
                self.see(&Seen::Validation { route, answered });
            }
        }
        for path in before.paths.iter().flatten().filter(|path| path.asked) {
            let now = find(now, path.id);
            if now.is_none_or(|now| !now.asked) {
                let route = path.route;
                let answered = Some(now.is_some_and(|now| now.answers != path.answers));
                self.see(&Seen::Validation { route, answered });
            }
        }
    }

    fn rest(&mut self, before: &Standing, now: &Standing, cause: Option<CongestionCause>) {
        if let Some(route) = now.route.filter(|_| before.route != now.route) {
            self.see(&Seen::Path(route));
        }
        if before.paths != now.paths {
            self.paths(before, now);
        }
        if before.mtu != now.mtu {
            self.see(&Seen::Mtu(now.mtu));
        }
        if let Some(early) = now.early.filter(|_| before.early != now.early) {
            self.see(&Seen::EarlyData(early));
        }
        if let Some(ecn) = now.ecn.filter(|_| before.ecn != now.ecn) {
            self.see(&Seen::Ecn(ecn));
        }
        if let Some(state) = now
            .congestion
            .filter(|_| before.congestion != now.congestion)
        {
            self.see(&Seen::Congestion { state, cause });
        }
        if let Some(metrics) = now.metrics.filter(|_| before.metrics != now.metrics) {
            self.see(&Seen::Metrics(metrics));
        }
        if before.timer != now.timer {
            let at = self.at;
            let set = |until: Duration| LossTimer::Set(until.saturating_sub(at));
            let timer = now.timer.map_or(LossTimer::Cancelled, set);
            self.see(&Seen::LossTimer(timer));
        }
    }
}

fn one_rtt(of: Party, change: KeyChange) -> Seen<'static> {
    Seen::Key {
        packet: PacketType::OneRtt,
        of,
        change,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Notebook(Arc<Mutex<Vec<String>>>);

    impl Observer for Notebook {
        fn seen(&mut self, at: Duration, seen: &Seen<'_>) {
            let mut lines = self.0.lock().unwrap();
            lines.push(format!("{} {seen}", at.as_millis()));
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_recovery_period_lasts_until_something_newer_arrives_and_has_its_cause() {
        let book = Notebook::default();
        let mut watch = Watch::new(Some(Box::new(book.clone())), ms(0), Standing::default());
        let standing = |congestion| Standing {
            congestion: Some(congestion),
            ..Standing::default()
        };
        let slow = standing(Congestion::SlowStart);
        let avoid = standing(Congestion::Avoidance);
        // When, what happened, what arrived that was sent then, and what the window says.
        let rows = [
            (1, None, None, slow),
            (2, None, Some(1), slow),
            (3, Some(CongestionCause::Loss), Some(1), avoid),
            (4, None, Some(3), avoid),
            (5, None, Some(4), avoid),
            (6, Some(CongestionCause::Marks), Some(4), avoid),
            (7, Some(CongestionCause::Loss), Some(4), avoid),
            (8, Some(CongestionCause::Spurious), Some(4), avoid),
            (9, Some(CongestionCause::Persistent), Some(4), slow),
            (10, None, Some(4), slow),
        ];
        for (now, cause, arrived, standing) in rows {
            watch.at(ms(now));
            if let Some(cause) = cause {
                watch.on_congestion(cause);
            }
            watch.compare(arrived.map(ms), standing);
        }
        assert_eq!(
            *book.0.lock().unwrap(),
            [
                "1 congestion control in slow start",
                "3 congestion control in recovery, for losses",
                "5 congestion control in avoidance",
                "6 congestion control in recovery, for ECN marks",
                "7 congestion control in recovery, for losses",
                "8 congestion control in avoidance, for losses that were none",
                "9 congestion control in slow start, for persistent congestion",
            ]
        );
    }

    #[test]
    fn time_does_not_go_back_and_nothing_is_made_for_nobody() {
        let book = Notebook::default();
        let mut watch = Watch::new(Some(Box::new(book.clone())), ms(5), Standing::default());
        for now in [9, 7] {
            watch.at(ms(now));
            watch.tell(|| Seen::Mtu(1200));
        }
        let want = ["9 datagrams of 1200 bytes", "9 datagrams of 1200 bytes"];
        assert_eq!(*book.0.lock().unwrap(), want);
        Watch::default().tell(|| panic!("made for nobody"));
    }

    #[test]
    fn paths_sizes_ecn_and_timers_are_told_when_they_change() {
        let book = Notebook::default();
        let mut watch = Watch::new(Some(Box::new(book.clone())), ms(0), Standing::default());
        let standing = Standing {
            ecn: Some(EcnState::Failed),
            timer: Some(ms(30)),
            route: Some(Route {
                local: None,
                remote: ([192, 0, 2, 1], 7).into(),
            }),
            mtu: 1400,
            ..Standing::default()
        };
        watch.at(ms(10));
        watch.compare(None, standing);
        watch.compare(None, standing);
        watch.compare(
            None,
            Standing {
                timer: None,
                ..standing
            },
        );
        assert_eq!(
            *book.0.lock().unwrap(),
            [
                "10 path to 192.0.2.1:7",
                "10 datagrams of 1400 bytes",
                "10 ECN failed",
                "10 loss timer set to 20ms",
                "10 loss timer cancelled",
            ]
        );
    }
}

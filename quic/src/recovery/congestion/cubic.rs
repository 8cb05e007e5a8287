//! CUBIC (RFC 9438, and RFC 8312 before it), with HyStart++ in the first slow start.
//!
//! The window grows along a cubic curve of time since the last congestion event: fast up to where that happened, slowly around it, then fast again;
//! and never slower than NewReno would. All of it is whole numbers: bytes, microseconds and a cube root of integers, so that a trace is the
//! same on every machine. What a division leaves over is carried to the next acknowledgment.
//!
//! The curve's time runs only while the window is in use: neither idle nor underused times count. The recovery period is never moved for that, or a
//! window at its minimum, whose packets are all settled before the next are sent, would stay in recovery for ever.

use core::time::Duration;

use super::hystart::HyStart;
use super::{Acked, Controller, Window, scaled};

/// The controller of RFC 9438.
#[derive(Debug)]
pub(crate) struct Cubic {
    pub(super) window: Window,
    pub(super) state: State,
    /// What was before the last recovery period.
    before: Option<Box<(Window, State)>>,
}

#[derive(Debug, Clone)]
pub(super) struct State {
    /// Where the curve is flat: the window at the last congestion event, or less (fast convergence). Zero before the first.
    pub(super) max: u64,
    /// The window before the last congestion event.
    prior: u64,
    epoch: Option<Epoch>,
    /// Only in the first slow start.
    pub(super) hystart: Option<HyStart>,
}

/// A time of congestion avoidance.
#[derive(Debug, Clone)]
struct Epoch {
    /// How long it has lasted, without the times in which the window was not in use.
    elapsed: Duration,
    /// Until when that is counted.
    counted: Duration,
    /// The window at the start.
    start: u64,
    /// Where the curve is flat, and after how many microseconds.
    origin: u64,
    flat_at: u64,
    /// What NewReno's window would be.
    reno: u64,
    /// Left over from divisions.
    reno_rest: u128,
    rest: u128,
}

impl Cubic {
    pub(crate) fn new(datagram: u16) -> Self {
        Self {
            window: Window::new(datagram),
            state: State {
                max: 0,
                prior: 0,
                epoch: None,
                hystart: Some(HyStart::default()),
            },
            before: None,
        }
    }

    fn avoid_congestion(&mut self, acked: &Acked) {
        let window = &mut self.window;
        let state = &mut self.state;
        let epoch = state
            .epoch
            .get_or_insert_with(|| Epoch::new(acked.now, window, state.max));
        epoch.count(acked.now);
        epoch.grow_reno(acked.bytes, window, state.prior);
        let now = epoch.curve(epoch.elapsed, window.datagram);
        if now < epoch.reno {
            window.bytes = window.bytes.max(epoch.reno);
            return;
        }
        let limit = scaled(window.bytes, 3, 2);
        let soon = epoch.elapsed.saturating_add(acked.rtt);
        let target = epoch
            .curve(soon, window.datagram)
            .clamp(window.bytes, limit);
        let step = target.saturating_sub(window.bytes);
        let share = u128::from(step).saturating_mul(u128::from(acked.bytes));
        let growth = divide(&mut epoch.rest, share, window.bytes.into());
        window.grow(growth);
    }

    fn leave_slow_start(&mut self) {
        self.window.threshold = self.window.bytes;
        self.state.hystart = None;
    }
}

impl Controller for Cubic {
    fn window(&self) -> u64 {
        self.window.bytes
    }

    fn threshold(&self) -> u64 {
        self.window.threshold
    }

    fn on_ack(&mut self, acked: &Acked) {
        if self.window.in_recovery(acked.sent_at) {
            return;
        }
        if acked.underused {
            if let Some(epoch) = &mut self.state.epoch {
                epoch.counted = acked.now;
            }
        } else if self.window.is_slow_start() {
            let hystart = self.state.hystart.as_ref();
            self.window
                .grow(hystart.map_or(acked.bytes, |hystart| hystart.growth(acked.bytes)));
        } else {
            self.avoid_congestion(acked);
        }
    }

    fn on_sample(&mut self, now: Duration, sent_at: Duration, rtt: Duration) {
        let hystart = self.state.hystart.as_mut();
        if hystart.is_some_and(|hystart| hystart.on_sample(now, sent_at, rtt)) {
            self.leave_slow_start();
        }
    }

    fn on_congestion(&mut self, now: Duration, sent_at: Duration) -> bool {
        if self.window.in_recovery(sent_at) {
            return false;
        }
        self.before = Some(Box::new((self.window.clone(), self.state.clone())));
        let bytes = self.window.bytes;
        self.state = State {
            // Below the last maximum others have come: make room for them.
            max: if bytes < self.state.max {
                scaled(
                    bytes,
                    BETA.1.saturating_add(BETA.0),
                    BETA.1.saturating_mul(2),
                )
            } else {
                bytes
            },
            prior: bytes,
            epoch: None,
            hystart: None,
        };
        self.window.reduce(now, BETA.0, BETA.1);
        true
    }

    fn on_persistent_congestion(&mut self) {
        self.before = None;
        self.state = State {
            max: 0,
            prior: 0,
            epoch: None,
            hystart: None,
        };
        self.window.collapse();
    }

    fn on_spurious_congestion(&mut self, now: Duration) {
        let Some(before) = self.before.take() else {
            return;
        };
        let (window, mut state) = *before;
        if let Some(epoch) = &mut state.epoch {
            epoch.counted = now;
        }
        self.window.bytes = self.window.bytes.max(window.bytes);
        self.window.threshold = window.threshold;
        self.window.recovery_start = None;
        self.state = state;
    }

    fn on_restart(&mut self, now: Duration, timeouts: u32) {
        if let Some(epoch) = &mut self.state.epoch {
            epoch.counted = epoch.counted.max(now);
        }
        if self.window.wear(timeouts) {
            self.before = None;
            self.state.epoch = None;
        }
    }

    fn set_datagram_size(&mut self, size: u16, restart: bool) {
        self.window.set_datagram_size(size, restart);
        if let Some(epoch) = &mut self.state.epoch {
            epoch.flat_at = time_to_rise(
                epoch.origin.saturating_sub(epoch.start),
                self.window.datagram,
            );
        }
    }

    fn fresh(&self, size: u16) -> Box<dyn Controller> {
        Box::new(Self::new(size))
    }
}

impl Epoch {
    fn new(now: Duration, window: &Window, max: u64) -> Self {
        let origin = max.max(window.bytes);
        Self {
            elapsed: Duration::ZERO,
            counted: now,
            start: window.bytes,
            origin,
            flat_at: time_to_rise(origin.saturating_sub(window.bytes), window.datagram),
            reno: window.bytes,
            reno_rest: 0,
            rest: 0,
        }
    }

    fn count(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted);
        self.elapsed = self.elapsed.saturating_add(passed);
        self.counted = now;
    }

    /// W_cubic of a time since the start, in bytes.
    fn curve(&self, time: Duration, datagram: u64) -> u64 {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let distance = u128::from(time.abs_diff(self.flat_at).min(FARTHEST));
        let cube = distance.saturating_mul(distance).saturating_mul(distance);
        let rise = cube
            .saturating_mul(C.0.into())
            .saturating_mul(datagram.into())
            .checked_div(u128::from(C.1).saturating_mul(CUBED_MICROS))
            .and_then(|rise| u64::try_from(rise).ok())
            .unwrap_or(u64::MAX);
        if time < self.flat_at {
            self.origin.saturating_sub(rise)
        } else {
            self.origin.saturating_add(rise)
        }
    }

    /// W_est: one datagram for each window, scaled so that the smaller reduction is as fair as NewReno's, until it is back where it was.
    fn grow_reno(&mut self, bytes: u64, window: &Window, prior: u64) {
        let (numerator, denominator) = if self.reno < prior { ALPHA } else { (1, 1) };
        let share = u128::from(bytes)
            .saturating_mul(window.datagram.into())
            .saturating_mul(numerator.into());
        let whole = u128::from(window.bytes).saturating_mul(denominator.into());
        let growth = divide(&mut self.reno_rest, share, whole);
        self.reno = self.reno.saturating_add(growth);
    }
}

/// K: after how many microseconds the curve has risen by so many bytes.
fn time_to_rise(bytes: u64, datagram: u64) -> u64 {
    let cube = u128::from(bytes)
        .saturating_mul(u128::from(C.1).saturating_mul(CUBED_MICROS))
        .checked_div(u128::from(C.0).saturating_mul(datagram.into()))
        .unwrap_or(u128::MAX);
    cube_root(cube)
}

/// The largest integer whose cube is not above `value`.
fn cube_root(value: u128) -> u64 {
    let mut root = 0_u64;
    // 2^42 cubed is 2^126: the root has at most 43 bits.
    for bit in (0..43).rev() {
        let next = root | (1 << bit);
        let wide = u128::from(next);
        let cube = wide
            .checked_mul(wide)
            .and_then(|square| square.checked_mul(wide));
        if cube.is_some_and(|cube| cube <= value) {
            root = next;
        }
    }
    root
}

/// `(rest + share) / whole`, and what is left over in `rest`.
fn divide(rest: &mut u128, share: u128, whole: u128) -> u64 {
    let sum = rest.saturating_add(share);
    *rest = sum.checked_rem(whole).unwrap_or_default();
    let quotient = sum.checked_div(whole).unwrap_or_default();
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// Beta, what congestion leaves of the window.
const BETA: (u64, u64) = (7, 10);

/// C, in datagrams for each second cubed.
const C: (u64, u64) = (4, 10);

/// Alpha, `3 * (1 - beta) / (1 + beta)`.
const ALPHA: (u64, u64) = (9, 17);

/// A second cubed, in microseconds cubed.
const CUBED_MICROS: u128 = 1_000_000_000_000_000_000;

/// Microseconds from the flat part of the curve at which it counts as infinite: about 19 hours, whose cube times C and a datagram fits 128 bits.
const FARTHEST: u64 = 1 << 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_cubic_roots_are_the_largest_that_fit() {
        let rows = [
            (0, 0),
            (1, 1),
            (7, 1),
            (8, 2),
            (26, 2),
            (27, 3),
            (999_999_999, 999),
            (1_000_000_000, 1000),
            ((1 << 126) - 1, (1 << 42) - 1),
            (1 << 126, 1 << 42),
        ];
        for (value, root) in rows {
            assert_eq!(cube_root(value), root, "{value}");
        }
        bolero::check!()
            .with_type::<u128>()
            .with_iterations(5000)
            .for_each(|value| {
                let root = u128::from(cube_root(*value));
                assert!(root.pow(3) <= *value);
                assert!((root + 1).checked_pow(3).is_none_or(|next| next > *value));
            });
    }

    #[test]
    fn recovery_cubic_curve_passes_through_its_three_points() {
        // (maximum in datagrams, K in milliseconds): the cube root of 0.3 * maximum / 0.4.
        for (max, flat_at) in [
            (10, 1957),
            (100, 4217),
            (1000, 9085),
            (10_000, 19574),
            (100_000, 42171),
        ] {
            let mut window = Window::new(1200);
            window.bytes = max * 1200 * 7 / 10;
            let epoch = Epoch::new(Duration::ZERO, &window, max * 1200);
            assert_eq!(epoch.flat_at / 1000, flat_at, "{max}");
            let flat = Duration::from_micros(epoch.flat_at);
            assert_eq!(epoch.curve(flat, 1200), max * 1200, "{max}");
            // At the start it is the reduced window, at twice K as much above the maximum.
            assert!(
                epoch.curve(Duration::ZERO, 1200).abs_diff(window.bytes) <= 1,
                "{max}"
            );
            let above = max * 1200 * 13 / 10;
            assert!(epoch.curve(flat * 2, 1200).abs_diff(above) <= 1, "{max}");
        }
    }

    #[test]
    fn recovery_cubic_saturates() {
        let mut window = Window::new(u16::MAX);
        window.bytes = u64::MAX;
        let epoch = Epoch::new(Duration::ZERO, &window, u64::MAX);
        assert_eq!(epoch.curve(Duration::MAX, window.datagram), u64::MAX);
        window.bytes = 0;
        let epoch = Epoch::new(Duration::ZERO, &window, u64::MAX);
        assert!(epoch.flat_at > FARTHEST);
        assert!(epoch.curve(Duration::ZERO, window.datagram) < u64::MAX);
        assert_eq!(epoch.curve(Duration::MAX, 0), u64::MAX);
    }
}

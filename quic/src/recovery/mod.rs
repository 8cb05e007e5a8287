//! Loss recovery and congestion control (RFC 9002), and the acknowledgment of what is received (RFC 9000 section 13.2).
//!
//! [`Recovery`] hears of each packet that is sent, of each ACK frame and of the timer. It answers with the tokens of what arrived and what is
//! lost ([`Settled`]), and with what may be sent now ([`Recovery::can_send`]). It holds no data and writes no frames: the owners of frames do.
//! [`Received`] is the other half, one for each packet number space.
//!
//! This file is longer than most: it is the one place where RFC 9002's parts meet, and each part has a file of its own.
//!
//! Time is a `Duration` since any fixed moment. Any order of calls is legal, and an ACK frame that is refused has changed nothing.

mod ack;
mod congestion;
mod ecn;
mod loss;
mod pacer;
mod path;
mod period;
mod ranges;
mod rtt;
mod sent;
mod settled;
mod skip;
#[cfg(test)]
mod tests;
mod timer;
mod token;

use core::time::Duration;

use crate::Fault;
use crate::observe::Lost;
use crate::wire::frame::Ack;
use crate::wire::{PacketNumber, Side, Space};
use loss::{Detection, Persistent, Reordering, Sending};
use period::Period;
use settled::Arrived;
use timer::{Handshake, Spaces, Timer};

pub use ack::Ecn;
pub(crate) use ack::{Received, decoded_delay};
pub(crate) use congestion::{Controller, Cubic, NewReno};
pub(crate) use path::{Gate, Path, PathId};
pub(crate) use ranges::Ranges;
pub(crate) use rtt::{INITIAL as INITIAL_RTT, Rtt};
pub(crate) use sent::SentPacket;
pub(crate) use settled::{Outcome, Settled};
pub(crate) use token::{Token, Tokens};

/// The sending side's knowledge of what it sent.
#[derive(Debug)]
pub(crate) struct Recovery {
    spaces: Spaces,
    path: Path,
    timer: Timer,
    reordering: Reordering,
    period: Period,
    /// What the peer promised, and how it encodes its delays.
    max_ack_delay: Duration,
    ack_delay_exponent: u8,
    /// Packets that were lost, where an observer is told of them.
    losses: Option<Box<Losses>>,
}

#[derive(Debug, Default)]
struct Losses(Vec<Lost>);

impl Recovery {
    pub(crate) fn new(side: Side, path: Path) -> Self {
        Self {
            spaces: Spaces::new(),
            path,
            timer: Timer::new(side),
            reordering: Reordering::default(),
            period: Period::default(),
            max_ack_delay: DEFAULT_MAX_ACK_DELAY,
            ack_delay_exponent: DEFAULT_ACK_DELAY_EXPONENT,
            losses: None,
        }
    }

    /// Notes lost packets from now on.
    pub(crate) fn tell_losses(&mut self) {
        self.losses = Some(Box::default());
    }

    /// The packets that were lost since the last call.
    pub(crate) fn take_losses(&mut self) -> Vec<Lost> {
        let losses = self.losses.as_mut();
        losses
            .map(|losses| core::mem::take(&mut losses.0))
            .unwrap_or_default()
    }

    /// When the newest packet was sent that has arrived.
    pub(crate) fn newest_arrival(&self) -> Option<Duration> {
        let spaces = self.spaces.iter();
        spaces
            .filter_map(|(_, sending)| sending.newest_acked())
            .max()
    }

    /// Of the peer's ACK frames.
    pub(crate) fn ack_delay_exponent(&self) -> u8 {
        self.ack_delay_exponent
    }

    /// The path that packets go out on.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// When [`Recovery::on_timeout`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.timer
            .at(&self.spaces, &self.path.rtt, self.max_ack_delay)
    }

    /// The probe timeout of the Application space without backoff.
    pub(crate) fn probe_timeout(&self) -> Duration {
        self.path.rtt.probe_timeout(self.max_ack_delay)
    }

    /// Probe timeouts since the peer last acknowledged anything.
    pub(crate) fn probe_count(&self) -> u32 {
        self.timer.count()
    }

    /// The largest number that the peer has acknowledged in a space, against which numbers are truncated.
    pub(crate) fn largest_acked(&self, space: Space) -> Option<PacketNumber> {
        self.spaces.get(space)?.largest_acked()
    }

    /// How many packets that elicit an acknowledgment are owed in this space. They go out whatever the window says, and are filled with a PING if there
    /// is nothing else (rfc9002#6.2.4-2); a client pads those of the Initial space.
    pub(crate) fn probes_owed(&self, space: Space) -> u8 {
        self.timer.owed(space)
    }

    /// Whether the next packet is to be marked ECT(0).
    pub(crate) fn marks_ecn(&self, now: Duration) -> bool {
        self.path.ecn.marks(now)
    }

    /// Whether a packet of `bytes` that counts as in flight may be sent in this space. Ask only when there is something to send: a refusal means that the path
    /// is in use. Packets that hold nothing but an ACK frame need not ask.
    pub(crate) fn can_send(&mut self, space: Space, bytes: usize, now: Duration) -> Gate {
        // rfc9002#7.5-1
        if self.timer.owed(space) > 0 {
            return Gate::Open;
        }
        if self
            .spaces
            .get(space)
            .is_none_or(|sending| sending.sent.is_full())
        {
            return Gate::Closed;
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.path.gate(bytes, now)
    }

    /// The number for the next packet of a space; the same until that is sent, and never again (rfc9000#12.3-1, rfc9000#12.3-2). Now and then one is left out, at a distance that `random` draws. `None` once no
    /// numbers are left, or the space is gone.
    pub(crate) fn next_number(
        &mut self,
        space: Space,
        random: impl FnOnce() -> u64,
    ) -> Option<PacketNumber> {
        let window = self.path.window_in_packets();
        let sending = self.spaces.get_mut(space)?;
        if space == Space::Application {
            sending.maybe_skip(window, random);
        }
        sending.next_number()
    }

    /// So many Initial packets were sent before there was a connection, none of which asked for an acknowledgement.
    pub(crate) fn begin_after(&mut self, packets: u64) {
        if let Some(sending) = self.spaces.get_mut(Space::Initial) {
            sending.begin_after(packets);
        }
    }

    /// Goes on in the Application space so many numbers later.
    #[cfg(test)]
    pub(crate) fn leap(&mut self, numbers: u64) {
        let sending = self.spaces.get_mut(Space::Application).unwrap();
        assert!(!sending.sent.has_eliciting(), "in flight");
        sending.leap(numbers);
    }

    /// A packet was sent, with the number that [`Recovery::next_number`] gave.
    pub(crate) fn on_sent(&mut self, space: Space, packet: SentPacket) {
        let timeout = self.probe_timeout();
        let Some(sending) = self.spaces.get_mut(space) else {
            return;
        };
        let now = packet.sent_at;
        let (in_flight, eliciting) = (packet.in_flight, packet.ack_eliciting);
        if packet.path == self.path.id {
            self.path.ecn.on_sent(now, packet.ect0, in_flight, timeout);
            if in_flight {
                self.path.on_sent(now, packet.size.into(), timeout);
            }
        }
        sending.on_sent(packet);
        if eliciting {
            let owed = self.timer.owed(space).saturating_sub(1);
            self.timer.owe(space, owed);
        }
        if in_flight {
            self.set_timer(now);
        }
    }

    /// An ACK frame came in a packet of this space.
    ///
    /// # Errors
    /// It acknowledges what was never sent. Nothing has changed then.
    pub(crate) fn on_ack(
        &mut self,
        space: Space,
        ack: &Ack<'_>,
        now: Duration,
        settled: &mut Settled,
    ) -> Result<Outcome, Fault> {
        let mut outcome = Outcome::default();
        let Some(sending) = self.spaces.get_mut(space) else {
            return Ok(outcome);
        };
        sending.check(ack)?;
        let rises = sending.raise_largest(ack.largest);
        let mut arrived =
            Arrived::new(sending.sent.fleeting_sent_at(ack.largest).filter(|_| rises));
        for range in ack.ranges() {
            // Most frames repeat ranges that are long settled.
            if sending.knows_none_from(*range.end()) {
                break;
            }
            let (path, period) = (&mut self.path, &mut self.period);
            sending.take_late(&range, &mut self.reordering, |late| {
                outcome.late_packets = outcome.late_packets.saturating_add(1);
                period.on_late(late.period);
                settled.arrived(&late.tokens);
            });
            sending.sent.ack(&range, |packet| {
                arrived.take(packet, ack.largest, path.id);
                if packet.path == path.id && packet.in_flight {
                    path.leave_flight(packet.size.into());
                    settled.growth.push((packet.sent_at, packet.size.into()));
                }
                settled.arrived(&packet.tokens);
            });
        }
        outcome.progress = rises || arrived.packets > 0 || outcome.late_packets > 0;
        if !outcome.progress {
            return Ok(outcome);
        }
        if let Some(newest) = arrived.newest {
            sending.on_arrival(newest);
        }
        outcome.acked_packets = arrived.packets;
        outcome.largest_acked_size = arrived.largest_size;
        if space == Space::Handshake {
            self.timer.advance(Handshake::Acknowledged);
        }
        outcome.sampled = self.sample(&arrived, ack, now);
        // rfc9000#13.4.2.1-1
        if rises {
            self.on_counts(space, &arrived, ack, now, &mut outcome);
        }
        self.detect(space, now, settled, &mut outcome);
        outcome.undone = self.undo(now);
        for (sent_at, bytes) in settled.growth.drain(..) {
            self.path.on_acked(now, sent_at, bytes);
        }
        self.timer.on_progress();
        self.set_timer(now);
        Ok(outcome)
    }

    /// The time of [`Recovery::deadline`] has come. Does nothing before.
    pub(crate) fn on_timeout(&mut self, now: Duration, settled: &mut Settled) -> Outcome {
        let mut outcome = Outcome::default();
        if self.deadline().is_none_or(|at| at > now) {
            return outcome;
        }
        let by_time = |space: &Space| self.spaces.get(*space).and_then(Sending::loss_time);
        match Space::ALL
            .into_iter()
            .filter(|space| by_time(space).is_some())
            .min_by_key(by_time)
        {
            Some(space) => self.detect(space, now, settled, &mut outcome),
            None => {
                // rfc9002#6.2-1
                let rtt = &self.path.rtt;
                outcome.probe = self
                    .timer
                    .on_probe_timeout(&self.spaces, rtt, self.max_ack_delay);
                for space in Space::ALL {
                    let owed = usize::from(self.timer.owed(space));
                    let sending = self.spaces.get(space).into_iter();
                    let oldest =
                        sending.flat_map(|sending| sending.sent.oldest_eliciting().take(owed));
                    settled
                        .resend
                        .extend(oldest.flat_map(|packet| packet.tokens.iter()));
                }
            }
        }
        self.set_timer(now);
        outcome
    }

    /// The keys of a space are gone, and with them all that was sent with them (RFC 9002 section 6.4).
    pub(crate) fn discard_space(&mut self, space: Space, now: Duration) {
        // rfc9002#6.4-1
        if let Some(mut sending) = self.spaces.slot(space).take() {
            let path = &mut self.path;
            sending.drain(|packet| leave(path, &packet));
        }
        self.timer.owe(space, 0);
        // rfc9002#6.2.2-1
        self.timer.reset();
        self.set_timer(now);
    }

    /// The server did not take 0-RTT: what was sent in the Application space is as good as never sent. Its tokens are in [`Settled::lost`].
    pub(crate) fn on_early_data_rejected(&mut self, now: Duration, settled: &mut Settled) {
        self.give_up(Space::Application, settled);
        self.set_timer(now);
    }

    /// A Retry came: recovery starts over with the next packet number (RFC 9002 section 6.3). All tokens are in [`Settled::lost`].
    pub(crate) fn on_retry(&mut self, now: Duration, settled: &mut Settled) {
        for space in Space::ALL {
            self.give_up(space, settled);
            self.timer.owe(space, 0);
        }
        let size = self.path.datagram_size();
        let rtt = self.path.rtt.smoothed();
        let ecn = !self.path.ecn.has_failed();
        self.path = self.path.fresh(self.path.id, size, rtt, ecn);
        self.timer.reset();
        self.set_timer(now);
    }

    /// There are keys for Handshake packets.
    pub(crate) fn on_handshake_keys(&mut self, now: Duration) {
        self.timer.advance(Handshake::Keys);
        self.set_timer(now);
    }

    /// The handshake is confirmed.
    pub(crate) fn on_confirmed(&mut self, now: Duration) {
        self.timer.advance(Handshake::Confirmed);
        self.set_timer(now);
    }

    /// The peer's transport parameters.
    pub(crate) fn set_peer(&mut self, max_ack_delay: Duration, ack_delay_exponent: u8) {
        self.max_ack_delay = max_ack_delay;
        self.ack_delay_exponent = ack_delay_exponent;
    }

    /// A server can send nothing until it receives more, or can again. When it can, the deadline may be past: then call [`Recovery::on_timeout`] at once.
    pub(crate) fn set_amplification_limited(&mut self, limited: bool, now: Duration) {
        self.timer.set_blocked(limited);
        self.set_timer(now);
    }

    /// Datagrams have another size from now on; see [`Path::set_datagram_size`].
    pub(crate) fn set_datagram_size(&mut self, size: u16, restart: bool) {
        self.path.set_datagram_size(size, restart);
    }

    /// A better guess of the round trip than the default, as from a Retry; nothing once there is a sample.
    pub(crate) fn guess_rtt(&mut self, rtt: Duration) {
        self.path.rtt.guess(rtt);
    }

    /// Sends on another path from now on, and gives back the one before, which may be handed in again later. Packets that were sent on it are still
    /// acknowledged or lost, but change neither path (rfc9000#9.4-1).
    pub(crate) fn switch_path(&mut self, path: Path, now: Duration) -> Path {
        let before = core::mem::replace(&mut self.path, path);
        self.reordering = Reordering::default();
        self.on_switched(now);
        before
    }

    /// The same path leads to another port: what is known of it stays, and what was sent before counts no more (rfc9000#9.4-1). Marks are tested anew.
    pub(crate) fn rename_path(&mut self, id: PathId, ecn: bool, now: Duration) {
        self.path.rename(id, ecn);
        self.on_switched(now);
    }

    /// What was sent on paths that are not `known` is lost: where a peer changes its address again and again and acknowledges nothing, it would pile up.
    pub(crate) fn forget_paths(
        &mut self,
        known: impl Fn(PathId) -> bool,
        now: Duration,
        settled: &mut Settled,
    ) {
        if let Some(sending) = self.spaces.get_mut(Space::Application) {
            sending
                .sent
                .forget_paths(known, |packet| settled.lost.extend(packet.tokens.iter()));
        }
        self.set_timer(now);
    }

    /// A path like the one in use, of which nothing is known.
    pub(crate) fn fresh_path(
        &self,
        id: PathId,
        size: u16,
        initial_rtt: Duration,
        ecn: bool,
    ) -> Path {
        self.path.fresh(id, size, initial_rtt, ecn)
    }

    /// The probe timeout of a path of which nothing is known.
    pub(crate) fn first_probe_timeout(&self, initial_rtt: Duration) -> Duration {
        Rtt::new(initial_rtt).probe_timeout(self.max_ack_delay)
    }

    fn on_switched(&mut self, now: Duration) {
        let id = self.path.id;
        self.path.in_flight = self.spaces.iter().fold(0, |sum: u64, (_, sending)| {
            sum.saturating_add(sending.sent.in_flight_on(id))
        });
        self.period.forget();
        for space in Space::ALL {
            if let Some(sending) = self.spaces.get_mut(space) {
                sending.sent.forget_fleeting();
            }
        }
        self.timer.reset();
        self.set_timer(now);
    }

    fn set_timer(&mut self, now: Duration) {
        self.timer.set(now);
    }

    /// Takes a sample of the round trip, if the frame holds one (RFC 9002 section 5.1).
    fn sample(&mut self, arrived: &Arrived, ack: &Ack<'_>, now: Duration) -> bool {
        // rfc9002#5.1-1
        let Some(sent_at) = arrived.largest_sent_at.filter(|_| arrived.eliciting) else {
            return false;
        };
        let delay = decoded_delay(ack.delay, self.ack_delay_exponent);
        let max_ack_delay = Some(self.max_ack_delay).filter(|_| self.timer.is_confirmed());
        let latest = now.saturating_sub(sent_at);
        self.path.rtt.sample(now, latest, delay, max_ack_delay);
        self.path.on_sample(now, sent_at);
        true
    }

    /// Takes the counts of ECN marks (RFC 9002 section 7.1).
    fn on_counts(
        &mut self,
        space: Space,
        arrived: &Arrived,
        ack: &Ack<'_>,
        now: Duration,
        outcome: &mut Outcome,
    ) {
        let Some(sending) = self.spaces.get_mut(space) else {
            return;
        };
        let others = arrived.marked_elsewhere;
        let risen = self
            .path
            .ecn
            .on_ack(arrived.marked, others, &mut sending.ecn, ack.ecn);
        if let Some(sent_at) = arrived.largest_sent_at.or(arrived.newest).filter(|_| risen) {
            let begins = self.path.on_congestion(now, sent_at);
            if begins {
                self.period.begin();
                outcome.congestion = true;
            }
            self.period.certain = true;
        }
    }

    /// Finds what is lost in a space, and tells everybody: in one piece, since who hears what depends on what was found before.
    fn detect(
        &mut self,
        space: Space,
        now: Duration,
        settled: &mut Settled,
        outcome: &mut Outcome,
    ) {
        let persistent = self.persistent(space);
        let Some(sending) = self.spaces.get_mut(space) else {
            return;
        };
        let (rtt, path) = (self.path.rtt.clone(), &mut self.path);
        let detection = Detection {
            now,
            loss_delay: rtt.loss_delay(self.reordering.eighths()),
            reordering: &self.reordering,
            persistent,
        };
        let id = path.id;
        let speaks = |packet: &SentPacket| {
            // rfc9002#7.4-1: all losses count, but those of datagrams that may have been too long.
            packet.in_flight && packet.path == id && !packet.mtu_probe
        };
        let mut congested: Option<Duration> = None;
        let mut speaking = 0_u32;
        let mut marked = 0_u64;
        let losses = &mut self.losses;
        let persistent = sending.detect(&detection, speaks, |packet| {
            outcome.lost_packets = outcome.lost_packets.saturating_add(1);
            outcome.largest_lost_size = outcome.largest_lost_size.max(packet.size);
            settled.lost.extend(packet.tokens.iter());
            leave(path, packet);
            if let Some(losses) = losses {
                losses.0.push(Lost {
                    space,
                    number: packet.number.get(),
                    size: packet.size,
                    by_time: packet.sent_at.saturating_add(detection.loss_delay) <= now,
                });
            }
            if packet.path == id {
                marked = marked.saturating_add(packet.ect0.into());
            }
            if speaks(packet) {
                let smallest = outcome.smallest_lost_size.unwrap_or(u16::MAX);
                outcome.smallest_lost_size = Some(smallest.min(packet.size));
                speaking = speaking.saturating_add(1);
                congested = congested.max(Some(packet.sent_at));
            }
        });
        path.ecn.on_lost(marked);
        if let Some(sent_at) = congested {
            // rfc9000#13.3-4
            if path.on_congestion(now, sent_at) {
                self.period.begin();
                outcome.congestion = true;
            }
            let count = usize::try_from(outcome.lost_packets).unwrap_or(usize::MAX);
            sending.late.assign(count, self.period.number);
            self.period.lost = self.period.lost.saturating_add(speaking);
        }
        if persistent {
            path.on_persistent_congestion();
            self.period.certain = true;
            outcome.persistent_congestion = true;
        }
        let remembered = rtt
            .probe_timeout(self.max_ack_delay)
            .saturating_mul(REMEMBERED_TIMEOUTS);
        sending.late.expire(now.saturating_sub(remembered));
    }

    /// What makes losses in a space persistent congestion.
    fn persistent(&self, space: Space) -> Persistent {
        let others = self.spaces.iter().filter(|(other, _)| *other != space);
        let rtt = &self.path.rtt;
        Persistent {
            after: rtt.persistent_congestion(self.max_ack_delay),
            first_sample: rtt.first_sample(),
            elsewhere: others
                .filter_map(|(_, sending)| sending.newest_acked())
                .max(),
        }
    }

    /// Takes the last recovery period back if all that was lost in it has arrived.
    fn undo(&mut self, now: Duration) -> bool {
        let spurious = self.period.is_spurious();
        if spurious {
            self.path.on_spurious_congestion(now);
            self.period.forget();
        }
        spurious
    }

    fn give_up(&mut self, space: Space, settled: &mut Settled) {
        let path = &mut self.path;
        if let Some(sending) = self.spaces.get_mut(space) {
            sending.drain(|packet| {
                leave(path, &packet);
                settled.lost.extend(packet.tokens.iter());
            });
        }
    }
}

fn leave(path: &mut Path, packet: &SentPacket) {
    if packet.in_flight && packet.path == path.id {
        path.leave_flight(packet.size.into());
    }
}

/// Of the transport parameters (RFC 9000 section 18.2), until the peer's are known.
const DEFAULT_MAX_ACK_DELAY: Duration = Duration::from_millis(25);
const DEFAULT_ACK_DELAY_EXPONENT: u8 = 3;

/// Probe timeouts for which a lost packet is remembered. One that comes later than that is no reordering.
const REMEMBERED_TIMEOUTS: u32 = 3;

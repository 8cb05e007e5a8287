//! 1-RTT keys, which are updated (RFC 9001 section 6).
//!
//! Each direction counts its updates in a generation; the key phase is its lowest bit. Receiving holds three keys: the previous, until the connection
//! drops it; the current; and the next, made ahead when this side sends, so that a packet that claims an update costs what any other does. A
//! peer that updates makes this side follow before it sends again. Which key opens a packet depends on its claimed phase and number alone, and
//! a wrong claim ends in a packet that does not open.

use core::mem;

use pith_crypto::{Error, PacketOpeningKey};

use super::keys::{Keys, LazyHeader, PacketSecret, Sealer};
use super::packet::{Draft, Opened, Protected, Refused};
use crate::wire::{Builder, PacketNumber, Side};
use crate::{Fault, limits};

/// The keys of both directions.
pub(crate) struct OneRtt {
    sending: Keys<Sending>,
    receiving: Keys<Receiving>,
    /// How many packets a sending key may protect, if less than its AEAD's limit.
    limit: u64,
}

struct Sending {
    keys: Sealer,
    /// What the keys came from.
    secret: PacketSecret,
    generation: u64,
    /// The lowest number sent in this generation.
    first: Option<PacketNumber>,
    /// Whether a packet of this generation was acknowledged.
    acked: bool,
}

struct Receiving {
    header: LazyHeader,
    previous: Option<Previous>,
    current: Generation,
    next: Option<Generation>,
    generation: u64,
    /// The lowest and highest number opened in this generation.
    opened: Option<(PacketNumber, PacketNumber)>,
    /// The highest number opened in the generations before.
    before: Option<PacketNumber>,
}

struct Previous(Generation);

/// A secret and the key from it, which a connection that rests does without.
struct Generation {
    secret: PacketSecret,
    key: Option<PacketOpeningKey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Previous,
    Current,
    Next,
}

impl OneRtt {
    /// No keys yet; sending keys will protect at most `limit` packets, and never more than their AEAD's limit.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            sending: Keys::Absent,
            receiving: Keys::Absent,
            limit,
        }
    }

    pub(crate) fn install_sending(&mut self, secret: PacketSecret) -> Result<(), Error> {
        self.sending.install(Sending {
            keys: secret.sealer(self.limit)?,
            secret,
            generation: 0,
            first: None,
            acked: false,
        });
        Ok(())
    }

    pub(crate) fn install_receiving(&mut self, secret: PacketSecret) -> Result<(), Error> {
        self.receiving.install(Receiving {
            header: secret.lazy_header()?,
            previous: None,
            next: Some(Generation::new(secret.next()?)?),
            current: Generation::new(secret)?,
            generation: 0,
            opened: None,
            before: None,
        });
        Ok(())
    }

    pub(crate) fn can_send(&self) -> bool {
        self.sending.ready().is_some()
    }

    /// How many updates came before the sending and the receiving keys.
    pub(crate) fn generations(&self) -> (u64, u64) {
        let sending = self.sending.ready().map(|keys| keys.generation);
        let receiving = self.receiving.ready().map(|keys| keys.generation);
        (sending.unwrap_or_default(), receiving.unwrap_or_default())
    }

    pub(crate) fn can_receive(&self) -> bool {
        self.receiving.ready().is_some()
    }

    /// Opens a 1-RTT packet. `largest` is the largest number of the application space that was opened so far.
    pub(crate) fn open(
        &mut self,
        packet: Protected,
        largest: Option<PacketNumber>,
        receiver: Side,
    ) -> Result<Opened, Refused> {
        let receiving = self.receiving.ready_mut().ok_or(Refused::Forged)?;
        receiving.wake().map_err(Refused::Local)?;
        let header = receiving.header.key().map_err(Refused::Local)?;
        let unmasked = packet.unmask(header)?;
        let number = unmasked.expand(largest)?;
        let which = receiving.select(unmasked.phase(), number);
        // A key that is not there is stood in for by one that takes as long (rfc9001#6.3-1).
        let generation = match which {
            Which::Previous => receiving.previous.as_ref().map(|previous| &previous.0),
            Which::Current => Some(&receiving.current),
            Which::Next => receiving.next.as_ref(),
        };
        let key = generation.and_then(|generation| generation.key.as_ref());
        let current = receiving.current.key.as_ref();
        let stand_in = key.or(current).ok_or(Refused::Forged)?;
        let opened = unmasked.open(stand_in, number, receiver);
        if key.is_none() {
            return Err(Refused::Forged);
        }
        let mut opened = opened?;
        opened.generation = receiving.on_opened(which, number).map_err(Refused::Fault)?;
        self.follow().map_err(Refused::Local)?;
        Ok(opened)
    }

    /// Seals a packet that has a short header.
    ///
    /// # Errors
    /// As [`Draft::seal`].
    pub(crate) fn seal(&mut self, draft: Draft, builder: &mut Builder<'_>) -> Result<usize, Error> {
        if let Some(receiving) = self.receiving.ready_mut() {
            receiving.prepare()?;
        }
        let sending = self
            .sending
            .ready_mut()
            .ok_or(Error::Internal("no 1-RTT keys"))?;
        // rfc9001#6.4-1: there are no older keys to send with.
        let number = draft.number();
        let phase = is_odd(sending.generation);
        let size = draft.seal_in_phase(builder, &mut sending.keys, phase)?;
        sending.first.get_or_insert(number);
        Ok(size)
    }

    /// Notes that the peer acknowledged packets up to `largest`, in a packet that was opened in `generation`.
    ///
    /// # Errors
    /// [`Fault::AckWithOldKeys`] if the peer has seen an update and not followed it.
    pub(crate) fn acked(&mut self, largest: PacketNumber, generation: u64) -> Result<(), Fault> {
        if let Some(sending) = self.sending.ready_mut() {
            if sending.first.is_some_and(|first| largest >= first) {
                if generation < sending.generation {
                    return Err(Fault::AckWithOldKeys);
                }
                sending.acked = true;
            }
        }
        Ok(())
    }

    /// Whether this side may update its keys: `confirmed` says that the handshake is (rfc9001#6.1-1), and the peer has acknowledged a packet of this
    /// generation (rfc9001#6.1-2), which it can only after it has followed the last update.
    pub(crate) fn may_update(&self, confirmed: bool) -> bool {
        confirmed && self.sending.ready().is_some_and(|sending| sending.acked)
    }

    /// Whether the sending key has been used so often that it is time for an update: half of what it may (rfc9001#6.6-3).
    pub(crate) fn wants_update(&self) -> bool {
        let packet =
            |sending: &Sending| sending.keys.packet.used() >= sending.keys.packet.limit() / 2;
        self.sending.ready().is_some_and(packet)
    }

    /// Whether the sending key can protect only what closes the connection, which is to be done if no update is possible (rfc9001#6.6-4).
    pub(crate) fn is_nearly_used_up(&self) -> bool {
        self.sending.ready().is_some_and(|sending| {
            let packet = &sending.keys.packet;
            packet.limit().saturating_sub(packet.used()) <= limits::CLOSING_PACKETS
        })
    }

    /// Updates this side's keys, if [`OneRtt::may_update`]; says whether it did.
    pub(crate) fn update(&mut self, confirmed: bool) -> Result<bool, Error> {
        if !self.may_update(confirmed) {
            return Ok(false);
        }
        if let Some(sending) = self.sending.ready_mut() {
            sending.update(self.limit)?;
        }
        Ok(true)
    }

    /// Gives back what can be made again from secrets: for a connection in which nothing happens. The next packet of either direction makes it, whatever
    /// its key phase, so the time that it takes tells nothing.
    pub(crate) fn rest(&mut self) {
        if let Some(sending) = self.sending.ready_mut() {
            sending.keys.header.rest();
        }
        if let Some(receiving) = self.receiving.ready_mut() {
            receiving.header.rest();
            receiving.current.key = None;
            if let Some(next) = &mut receiving.next {
                next.key = None;
            }
        }
    }

    /// Whether there is anything to give back.
    pub(crate) fn is_awake(&self) -> bool {
        let awake = |receiving: &Receiving| receiving.current.key.is_some();
        self.receiving.ready().is_some_and(awake)
    }

    /// Whether keys from before the peer's last update are still there, for the connection's timer: three times the PTO after it.
    pub(crate) fn has_previous(&self) -> bool {
        let previous = |receiving: &Receiving| receiving.previous.is_some();
        self.receiving.ready().is_some_and(previous)
    }

    pub(crate) fn drop_previous(&mut self) {
        if let Some(receiving) = self.receiving.ready_mut() {
            receiving.previous = None;
        }
    }

    /// Takes the sending keys along when the peer has updated its own (rfc9001#6.2-1, rfc9001#6.2-2).
    fn follow(&mut self) -> Result<(), Error> {
        if let (Some(receiving), Some(sending)) = (self.receiving.ready(), self.sending.ready_mut())
        {
            if receiving.generation > sending.generation {
                sending.update(self.limit)?;
            }
        }
        Ok(())
    }
}

impl Sending {
    fn update(&mut self, limit: u64) -> Result<(), Error> {
        let secret = self.secret.next()?;
        // Header protection keys stay as they are.
        self.keys.packet = secret.sealing_key(limit)?;
        self.secret = secret;
        self.generation = self.generation.saturating_add(1);
        self.first = None;
        self.acked = false;
        Ok(())
    }
}

impl Receiving {
    /// A packet with a lower number than any of this generation and the other phase is of the one before (RFC 9001 section 6.5).
    fn select(&self, phase: bool, number: PacketNumber) -> Which {
        if phase == is_odd(self.generation) {
            return Which::Current;
        }
        let below = self.opened.is_some_and(|(lowest, _)| number < lowest);
        if below && self.previous.is_some() {
            Which::Previous
        } else {
            Which::Next
        }
    }

    /// Notes that a packet opened, and says of which generation it is.
    fn on_opened(&mut self, which: Which, number: PacketNumber) -> Result<u64, Fault> {
        match which {
            Which::Previous => return Ok(self.generation.saturating_sub(1)),
            Which::Current => {}
            Which::Next => self.advance(),
        }
        // Older keys have opened a higher number (rfc9001#6.4-2).
        if self.before.is_some_and(|before| number < before) {
            return Err(Fault::OldKeysAfterNew);
        }
        self.opened = Some(match self.opened {
            Some((lowest, highest)) => (lowest.min(number), highest.max(number)),
            None => (number, number),
        });
        Ok(self.generation)
    }

    /// The peer has updated: the next keys are the current ones. Those before stay for packets that are late (rfc9001#6.1-3).
    fn advance(&mut self) {
        if let Some(next) = self.next.take() {
            self.previous = Some(Previous(mem::replace(&mut self.current, next)));
            self.generation = self.generation.saturating_add(1);
            let highest = self.opened.take().map(|(_, highest)| highest);
            self.before = self.before.max(highest);
        }
    }

    /// Makes the next keys, if they are not there (rfc9001#6.3-2). Not while a packet is received, since that would tell when keys are updated;
    /// and in time, since the peer may update again only once this side has acknowledged the last update.
    fn prepare(&mut self) -> Result<(), Error> {
        if self.next.is_none() {
            self.next = Some(Generation::new(self.current.secret.next()?)?);
        }
        Ok(())
    }

    /// Makes the keys that were given back.
    fn wake(&mut self) -> Result<(), Error> {
        self.current.wake()?;
        self.next.as_mut().map_or(Ok(()), Generation::wake)
    }
}

impl Generation {
    fn new(secret: PacketSecret) -> Result<Self, Error> {
        let key = Some(secret.opening_key()?);
        Ok(Self { secret, key })
    }

    fn wake(&mut self) -> Result<(), Error> {
        if self.key.is_none() {
            self.key = Some(self.secret.opening_key()?);
        }
        Ok(())
    }
}

fn is_odd(generation: u64) -> bool {
    generation & 1 == 1
}

pith_crypto::assert_neither_debug_nor_clone!(OneRtt);

#[cfg(test)]
mod tests;

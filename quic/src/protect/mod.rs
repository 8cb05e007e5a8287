//! Packet protection (RFC 9001 section 5): keys from secrets, and packets opened and sealed in place.
//!
//! A packet goes through types: [`Protected`] as it came, `Unmasked` without its header protection, [`Opened`] once it is known to be genuine. What
//! header protection hid, the reserved bits and the key phase among it, is judged in the last step alone, so that an attacker learns nothing
//! from how long a forged packet takes (rfc9001#9.5-1). Nothing here allocates for a packet.

mod keys;
mod packet;
mod phase;
mod retry;

pub(crate) use keys::{Forgeries, Keys, Opener, PacketSecret, Sealer};
pub(crate) use packet::{Datagram, Draft, Incoming, Opened, Protected, Refused};
pub(crate) use phase::OneRtt;
pub(crate) use retry::{retry_is_genuine, retry_tag};

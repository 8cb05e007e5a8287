//! What outlives a connection: tickets, sessions and pre-shared keys (RFC 9846 sections 2.2, 2.3, 4.3.11, 4.7.1 and 8).
//!
//! A server seals what it has to know again into a ticket ([`Tickets`]); a client keeps a [`Session`] beside it, in a
//! [`SessionStore`]. What a ticket is bound to is compared by one function (`binding`), so that it is never accepted where a
//! full handshake would not have been. External pre-shared keys enter only as imported ones (RFC 9258), and early data only
//! past a [`StrikeRegister`]. Everything here is data: the handshake decides when it is asked for, and brings the time.

pub(crate) mod binding;
pub(crate) mod psk;
pub(crate) mod replay;
mod seal;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod ticket;

#[cfg(test)]
mod tests;

pub use psk::{ExternalPsk, ImportedIdentity, ImportedPsk, role_context};
pub use replay::StrikeRegister;
pub use session::{KeptSession, Session, SessionError, SessionKey};
pub use store::SessionStore;
pub use ticket::Tickets;

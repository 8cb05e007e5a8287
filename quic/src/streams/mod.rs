//! Streams (RFC 9000 sections 2 to 4) and datagrams (RFC 9221).
//!
//! [`Streams`] owns every stream of a connection. The connection hands it frames (`on_…`), asks it to write its own (`write_control`, `write_data`), and
//! tells it which of them were acknowledged or lost. The application opens, accepts, reads, sends, finishes, resets and stops, and
//! hears what happened from [`Streams::event`]. Time goes in with a write alone, since only windows depend on it.
//!
//! A stream costs memory from the first frame that names it, or from its acceptance or opening, until both of its parts are in a terminal
//! state and the application has heard so; only then does the peer get credit for another (attack Q10). Streams that have nothing to say cost
//! no time: what has something stands in a queue, once.

mod app;
mod datagram;
mod event;
mod flow;
mod recv;
mod send;
mod set;
mod state;
mod write;

pub use app::{Misuse, Read, ReadError, SendError};
pub use datagram::DatagramError;
pub(crate) use datagram::Datagrams;
pub use event::StreamEvent;
pub(crate) use recv::Order;
pub(crate) use set::{LocalLimits, PeerLimits, Streams};
pub(crate) use write::Clock;

#[cfg(test)]
mod tests;

//! The syntax of QUIC: what stands in packets and frames, and nothing of what it means to a connection.
//!
//! Everything is parsed by [`Reader`] and written by [`Builder`]; neither allocates. What has been decoded holds only values
//! that the RFCs allow.

mod builder;
pub(crate) mod frame;
#[cfg(test)]
mod fuzz;
pub(crate) mod header;
mod id;
mod number;
pub(crate) mod params;
mod reader;
mod space;
mod varint;
pub(crate) mod version;

pub(crate) use builder::Builder;
pub(crate) use id::Side;
pub use id::{ConnectionId, Dir, ResetToken, StreamId};
pub(crate) use number::{PacketNumber, TruncatedNumber};
pub(crate) use params::Parameters;
pub(crate) use reader::{Reader, Truncated};
pub(crate) use space::PerSpace;
pub use space::{PacketType, Space};
pub use varint::{TooLarge, VarInt};
pub(crate) use version::Versions;
pub use version::{Labels, Version};

//! The syntax of QUIC: what stands in packets and frames, and nothing of what it means to a connection.
//!
//! Everything is parsed by [`Reader`] and written by [`Builder`]; neither allocates. What has been decoded holds only values
//! that the RFCs allow.

mod builder;
mod id;
mod number;
mod reader;
mod varint;

pub(crate) use builder::Builder;
pub(crate) use id::{ConnectionId, Dir, Side, StreamId};
pub(crate) use number::{PacketNumber, Space, TruncatedNumber};
pub(crate) use reader::{Reader, Truncated};
pub(crate) use varint::VarInt;

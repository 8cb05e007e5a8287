//! Every number that a peer can push against, and those that the RFCs set.
//!
//! Each limit has a unit, a source, and a pair of tests: one at the limit that passes, one past it that fails. A limit is checked on
//! what a peer announces, before anything is held for it.

/// The largest value of a variable-length integer (RFC 9000 section 16), and so of packet numbers, offsets and limits.
pub const VARINT: u64 = (1 << 62) - 1;

/// Streams of one kind over the life of a connection: more could not be numbered (RFC 9000 section 4.6).
pub const STREAMS: u64 = 1 << 60;

/// Bytes of a connection id (rfc9000#17.2-2).
pub const CONNECTION_ID: usize = 20;

/// Bytes of a stateless reset token (RFC 9000 section 10.3).
pub const RESET_TOKEN: usize = 16;

/// Bytes that every path carries in one datagram, and to which Initial datagrams are padded (RFC 9000 section 14).
pub const DATAGRAM: usize = 1200;

/// Packets that a sending key has left when the connection closes, if no update is possible: those that say so (RFC 9001 section 6.6).
pub const CLOSING_PACKETS: u64 = 64;

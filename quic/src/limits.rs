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

/// Bytes beyond what was read in which a peer may send CRYPTO frames, for each packet number space: a post-quantum chain comes in 10 to 19
/// KB, and TLS takes what is in order at once (RFC 9000 section 7.5 asks for at least 4096).
pub const CRYPTO_BUFFER: usize = 65_536;

/// Bytes that one received slice costs beyond its data: a node's share of a tree that is half full, the handle, and the header of an allocation.
pub const SEGMENT_OVERHEAD: usize = 128;

/// How many times its own length a received slice may keep alive; past that it is copied.
pub const PINNED: usize = 4;

/// Bytes that a peer may send on a stream before the application reads, at first.
pub const STREAM_WINDOW: u64 = 256 * 1024;

/// Bytes to which a stream's window grows by itself where the application reads that fast: twice what is under way on a path of 250 ms
/// and 1 Gbit/s, and some.
pub const STREAM_WINDOW_MAX: u64 = 64 * 1024 * 1024;

/// Bytes that a peer may send on all streams together before the application reads, at first.
pub const CONNECTION_WINDOW: u64 = 512 * 1024;

/// Bytes to which a connection's window grows by itself.
pub const CONNECTION_WINDOW_MAX: u64 = 96 * 1024 * 1024;

/// Streams of one kind that a peer may have open at once, by default.
pub const OPEN_STREAMS: u64 = 100;

/// Bytes of one stream that are taken from the application before they are sent.
pub const UNSENT: u64 = 256 * 1024;

/// Bytes of DATAGRAM frames that wait in one direction, bookkeeping included; past that the oldest goes.
pub const DATAGRAMS: usize = 256 * 1024;

/// Transport parameters that a peer may send. Browsers send about 20; the bound keeps the search for a repeated one cheap.
pub const PARAMETERS: usize = 128;

/// Versions that are kept of a peer's version information, the first ones: there are two to choose from, and reserved ones among them.
pub const VERSIONS: usize = 32;

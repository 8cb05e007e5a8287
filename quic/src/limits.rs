//! Every number that a peer can push against, and those that the RFCs set.
//!
//! Each limit has a unit, a source, and a pair of tests: one at the limit that passes, one past it that fails. A limit is checked on
//! what a peer announces, before anything is held for it.

use core::time::Duration;

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

/// How many times its own length what is left of a received piece may keep alive; past that it is copied.
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

/// Ranges of received packet numbers in one space, 16 bytes each. Below the lowest that is kept nothing is taken as new. A loss of one packet in
/// a hundred makes a range for each hundred packets, so this reaches back 6,400. quinn keeps as many.
pub const ACK_RANGES: usize = 64;

/// ACK frames of a side that sends nothing else before one is sent with a PING, so that the peer acknowledges it and ranges can be dropped
/// (RFC 9000 section 13.2.4).
pub const UNHEARD_ACKS: u32 = 32;

/// Ranges below which such a PING is not worth its bytes.
pub const QUIET_RANGES: usize = 4;

/// Packets in flight in one space, about 100 bytes each. The window bounds them in bytes; this bounds those that are small. Enough for 10 Gbit/s
/// at 100 ms in packets of 1,200 bytes.
pub const SENT_PACKETS: usize = 1 << 17;

/// Lost packets that are remembered, to find out whether they were late and not lost. The oldest are forgotten first.
pub const LOST_PACKETS: usize = 1024;

/// Packets by which one may be overtaken before it is lost, however late the peer's acknowledgments make it seem. Bounds the packets that an ACK
/// frame makes this side look at.
pub const REORDERING: u64 = 64;

/// Skipped packet numbers that are armed at one time.
pub const SKIPPED_NUMBERS: usize = 8;

/// Datagrams in a batch that goes to the system in one call: as many of [`MTU`] bytes as the 64 KiB hold that a call takes.
pub const BATCH: u64 = 44;

/// Datagrams in a burst, where pacing spreads them (RFC 9002 section 7.7; s2n-quic and quinn have the same).
pub(crate) const BURST: u32 = 10;

/// Bytes of the destination connection id that a client chooses at random for its first packet; at least 8 (RFC 9000 section 7.2).
pub const FIRST_ID: usize = 16;

/// Connection ids of the peer that are held at once, and so this side's active_connection_id_limit: enough to move a few times.
pub const ACTIVE_IDS: usize = 5;

/// Connection ids of the peer whose retirement it has not acknowledged; twice [`ACTIVE_IDS`] and some (RFC 9000 section 5.1.2).
pub const RETIRING_IDS: usize = 16;

/// Connection ids that are issued to the peer at once, whatever it is willing to hold: each costs the endpoint a route.
pub const ISSUED_IDS: usize = 5;

/// Paths of a connection: the one in use, the one to return to if that fails, and those that the peer has left or tries.
pub const PATHS: usize = 4;

/// Paths that a client may try to move to at one time.
pub const MOVES: usize = 2;

/// Bytes of the longest datagram that is tried, by default: what an Ethernet carries over IPv6. Over IPv4 20 more would fit, but not where the way leads
/// through PPPoE or a translation to IPv6, and a probe that is lost costs more time than 20 bytes in 1,452 are worth. quinn has the same.
pub const MTU: u16 = 1452;

/// Bytes between a size that arrives and one that does not, below which nothing is gained by a longer search.
pub const MTU_STEP: u16 = 20;

/// Probes of one size that may be lost before it is taken for too long (RFC 8899 section 5.1.2).
pub const MTU_PROBES: u8 = 3;

/// Bursts of losses of long packets alone, without an arrival of one, by which a path carries less than it did.
pub const MTU_BURSTS: u8 = 5;

/// The time after which a path is searched again for whether it carries more (RFC 8899 section 5.1.1).
pub const MTU_TIME: Duration = Duration::from_secs(600);

/// For how long nothing may come on a path that is not in use before it is forgotten.
pub const PATH_TIME: Duration = Duration::from_secs(5);

/// Challenges of one path that may still be answered. One is sent for each probe timeout, so an older answer would be later than any.
pub const CHALLENGES: usize = 4;

/// Bytes below which no datagram is sent to an address that is not validated: with fewer a packet would hold next to nothing.
pub const SMALL_DATAGRAM: usize = 64;

/// Bytes of the smallest datagram that can be a Stateless Reset (RFC 9000 section 10.3).
pub const RESET_DATAGRAM: usize = 21;

/// Bytes of a token of a NEW_TOKEN frame that is told of. A token is opaque; those of known servers have fewer than 150.
pub const TOKEN: usize = 1024;

/// Tokens of NEW_TOKEN frames that a connection tells of; a client needs one for each connection that it will make.
pub const TOKENS: usize = 8;

/// Tokens that a client keeps for its next connections to one server.
pub const TOKENS_OF_A_SERVER: usize = 4;

/// Tokens that a client keeps in all, of at most [`TOKEN`] bytes each.
pub const STORED_TOKENS: usize = 256;

/// Packets that came before their keys and wait for them: a server's first flight of 1-RTT packets, or a client's 0-RTT packets before its hello.
pub const HELD_PACKETS: usize = 16;

/// How long they wait. After that they have been sent again.
pub const HELD_TIME: Duration = Duration::from_secs(1);

/// Frames in a row that may change nothing.
pub const GLITCHES: u32 = 1000;

/// The time after which one more may.
pub const GLITCH_REFILL: Duration = Duration::from_millis(10);

/// Bytes of the largest DATAGRAM frame that may be announced: no packet holds more.
pub const DATAGRAM_FRAME: u64 = 65_535;

/// Bytes of the largest datagram that is received.
pub const UDP_PAYLOAD: u64 = 65_527;

/// For how long a handshake may go on, by default.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// For how long nothing may come before a connection is given up, by default.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// After how long a silence a connection gives back what it can make again in microseconds.
pub const REST: Duration = Duration::from_secs(1);

/// Bytes of a connection id that an endpoint mints: six random ones, and the worker's number enciphered.
pub const ENDPOINT_ID: usize = 8;

/// Bytes of the shortest destination connection id that a client may choose (RFC 9000 section 7.2).
pub const FIRST_ID_LEAST: usize = 8;

/// Clients whose hello is not complete yet, or that the application has yet to decide on.
pub const ATTEMPTS: usize = 256;

/// Bytes of datagrams that are kept for one of them, and what the pieces of its hello may cost that have gaps between.
pub const ATTEMPT_BYTES: usize = 16 * 1024;

/// Datagrams that are kept for one of them; a post-quantum hello needs two.
pub const ATTEMPT_DATAGRAMS: usize = 4;

/// Bytes of datagrams that are kept for all of them together, those included about which the application decides. Clients that have not shown their
/// address take at most half of it while [`RETRY_FROM`] is as it is.
pub const ADMISSION_BYTES: usize = 2 * 1024 * 1024;

const _: () = assert!(RETRY_FROM * ATTEMPT_BYTES * 2 <= ADMISSION_BYTES);

/// Acknowledgements that one of them is sent, each when it repeats what it has sent.
pub const ATTEMPT_ACKS: u64 = 8;

/// For how long the application may take to decide on one of them, and for how long the pieces of a hello are kept under load.
pub const ATTEMPT_TIME: Duration = Duration::from_secs(10);

/// For how long the pieces of a hello are kept while fewer clients wait than [`CALM_ATTEMPTS`], with less than [`CALM_BYTES`]. They are not acknowledged, so where much is lost the missing
/// one comes with a later probe of the client, and its sixth is 32 s after the fifth.
pub const CALM_ATTEMPT_TIME: Duration = Duration::from_secs(40);

/// As many clients that wait make time short for those whose hello is not complete.
pub const CALM_ATTEMPTS: usize = ATTEMPTS / 2;

/// And as many bytes that are kept for them.
pub const CALM_BYTES: usize = ADMISSION_BYTES / 2;

/// Datagrams of early data that an endpoint keeps, for all clients together, that it has heard nothing else of or not let in yet.
pub const STRAYS: usize = 32;

/// Bytes of them. They are kept for [`HELD_TIME`].
pub const STRAY_BYTES: usize = 64 * 1024;

/// Accepted connections whose handshake is not complete, by default.
pub const HALF_OPEN: usize = 1024;

/// Unfinished attempts and handshakes from which on clients have to show their address by a Retry, by default.
pub const RETRY_FROM: usize = 64;

/// For how long a Retry token is good.
pub const RETRY_TIME: Duration = Duration::from_secs(10);

/// For how long a token of a NEW_TOKEN frame is good.
pub const TOKEN_TIME: Duration = Duration::from_secs(3 * 24 * 3600);

/// Used tokens that are remembered, 16 bytes each. When there are as many, all that were issued until then are good no more.
pub const USED_TOKENS: usize = 4096;

/// Answers without a connection, of one kind, that go out at once: Stateless Resets, Version Negotiation, and CONNECTION_CLOSE to clients about which
/// nobody is asked.
pub const ANSWERS: u32 = 64;

/// The time after which one more may.
pub const ANSWER_REFILL: Duration = Duration::from_millis(10);

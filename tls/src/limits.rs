//! Every number that a peer can push against.
//!
//! Each limit has a unit, a source, and a pair of tests: one at the limit that passes, one past it that fails. A limit is
//! checked on what a peer announces, before anything is held for it. Nothing here depends on configuration, so that what
//! one connection can cost is known from this page.

use core::time::Duration;

/// Bytes of plaintext in one record (rfc9846#5.1-12).
pub const RECORD_PLAINTEXT: usize = 1 << 14;

/// Bytes that protection may add to a record: content type, padding and tag (rfc9846#5.2-1).
pub const RECORD_EXPANSION: usize = 256;

/// Bytes to whose multiple records may be padded at the most: ours to choose, and no peer's.
pub const RECORD_PADDING: usize = 1024;

/// Bytes of one handshake message, header included, in the states in which the peer's certificates may arrive; and of all that
/// waits behind an open question.
///
/// s2n-tls and rustls have the same limit. An ML-DSA-87 chain of three is about 25 KiB.
pub const HANDSHAKE_MESSAGE: usize = 64 << 10;

/// Bytes of one handshake message, header included, in every other state: no hello, ticket or Finished needs more.
pub const HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE: usize = 16 << 10;

/// Bytes of certificates in a chain: a larger one of our own is refused when its credential is made, and one of a peer does not
/// fit its message ([`HANDSHAKE_MESSAGE`]), which is refused by its announced length.
pub const CHAIN_BYTES: usize = 64 << 10;

/// Certificates in a peer's chain, the leaf included, checked before any is parsed.
pub const CHAIN_CERTIFICATES: usize = 10;

/// Intermediates of one subject in a peer's chain. Cross-signing takes two. Nine that could each have issued the others send
/// webpki on 200,000 steps, measured at 6.6 s of a release build with certificates of 3.5 KiB; three at a time, 52 ms.
pub const CHAIN_SAME_SUBJECT: usize = 3;

/// Accepted chains that one configuration may remember, by their digests.
pub const KNOWN_CHAINS: usize = 1024;

/// How long an accepted chain may be remembered at the most.
pub const CHAIN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Extensions in one block. Browsers send about 20; the bound keeps the search for a repeated one cheap.
pub const EXTENSIONS: usize = 128;

/// Key shares in one ClientHello that are looked at; each group may stand once, and there are far fewer groups.
pub const KEY_SHARES: usize = 32;

/// Records without content in a row (rustls, BoringSSL and OpenSSL have the same limit).
pub const EMPTY_RECORDS: u8 = 32;

/// Handshake messages after the handshake without application data between them (rustls has the same limit).
pub const QUIET_MESSAGES: u8 = 32;

/// ChangeCipherSpec records in a handshake: one, and one more after a HelloRetryRequest.
pub const CHANGE_CIPHER_SPECS: u8 = 2;

/// `user_canceled` alerts, the only alert besides `close_notify` that does not end the connection (rfc9846#6.1-3).
pub const USER_CANCELED: u8 = 4;

/// Bytes of records with early data that a server skips: a client may send them on a ticket of another server, before it
/// learns that this one does not accept them (BoringSSL has the same limit).
pub const SKIPPED_EARLY_DATA: usize = 16 << 10;

/// One byte more for so many, that a server which takes early data skips where it rejects some: what records add to those that
/// its tickets allow. A client with records of under 256 bytes adds more, and has to live with the end of its connection.
pub const SKIPPED_OVERHEAD: usize = 8;

/// Key updates in one direction (rfc9846#4.7.3-9).
pub const KEY_UPDATES: u64 = (1 << 48) - 1;

/// Bytes of a ticket that a server makes, so that a ClientHello with two of them still fits in a few packets.
pub const TICKET: usize = 2 << 10;

/// Tickets that a server issues at once, however many a client asks for (RFC 9149).
pub const TICKETS: u8 = 8;

/// How long a ticket, and a line of sessions that began with one full handshake, may live at the most (rfc9846#4.7.1-5).
pub const TICKET_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes of an application and a carrier that a ticket and a session remember, together.
pub const SESSION_DATA: usize = 1 << 10;

/// Bytes of what an application knows a peer as, in a ticket.
pub const IDENTITY: usize = 512;

/// Bytes of a ticket that a client keeps. Those of other libraries may hold a chain; a larger one is not worth its place in
/// each ClientHello.
pub const SESSION_TICKET: usize = 8 << 10;

/// Sessions of one name that a client keeps by default.
pub const SESSIONS_OF_A_NAME: u8 = 4;

/// Sessions that a client keeps in all by default.
pub const SESSIONS: usize = 1024;

/// Bytes of the identity and the context of an external pre-shared key, together. They stand in each ClientHello once for each
/// hash.
pub const PSK_IDENTITY: usize = 1 << 10;

/// Pre-shared keys of one ClientHello that a server looks at; those behind them count as unknown. A client may have a few
/// tickets and a few keys.
pub const PSK_IDENTITIES: usize = 16;

/// The sending of a hello with early data, as its ticket's age tells it, must be less than this from its arrival (RFC 9846
/// section 8.3).
pub const EARLY_DATA_SKEW: Duration = Duration::from_secs(10);

/// Hellos with early data that are remembered by default, in each of two windows of 20 seconds.
pub const STRIKES: usize = 1 << 16;

/// Bytes of the window that a brotli or zstd decoder may keep for a compressed certificate: the default of brotli's encoders, and
/// as much as 64 certificates. Their formats allow a GiB and more.
pub const COMPRESSION_WINDOW: usize = 4 << 20;

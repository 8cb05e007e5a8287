//! The record layer (RFC 9846 section 5).

pub(crate) mod deframe; // sections 5.1 and 5.2: where a record begins and ends
pub(crate) mod protect;
pub(crate) mod shape; // RFC 8449, and padding // sections 5.2 to 5.5: sealing and opening

/// Bytes of a record's header: type, version and length.
pub(crate) const HEADER: usize = 5;

//! Status codes, and what the core's errors are among them.

use core::ffi::{CStr, c_char};

use pith_tls::{ConfigError, Error, Local};

/// It worked.
pub const PITH_OK: i32 = 0;

/// Not an error: bytes of the peer are wanted first.
pub const PITH_WANT_INPUT: i32 = 1;
/// Not an error: bytes wait to go to the peer, and have to go first (pith_tls_transmit, or a socket that can be written).
pub const PITH_WANT_OUTPUT: i32 = 2;
/// Not an error: a question waits for its answer (pith_tls_question, pith_quic_question).
pub const PITH_WANT_ANSWER: i32 = 3;
/// Not an error: plaintext waits, and has to be read first (pith_tls_read).
pub const PITH_WANT_READ: i32 = 4;
/// Not an error: early data waits, and has to be read first (pith_tls_read_early).
pub const PITH_WANT_READ_EARLY: i32 = 5;
/// Not an error: the peer has closed its direction in due form, so nothing more comes.
pub const PITH_END: i32 = 6;
/// Not an error: there is nothing of what was asked for.
pub const PITH_NONE: i32 = 7;

/// A pointer is NULL that must not be.
pub const PITH_NULL: i32 = -1;
/// An argument has a value that it cannot have.
pub const PITH_ARGUMENT: i32 = -2;
/// The buffer of the caller is too small. Nothing was written to it; the needed length is, where there is a place for it.
pub const PITH_TOO_SMALL: i32 = -3;
/// The call is not possible now, whatever the peer does. The object goes on.
pub const PITH_MISUSE: i32 = -4;
/// The configuration cannot be used: a file that does not parse, a key of another certificate, something that the policy does not allow.
pub const PITH_CONFIG: i32 = -5;
/// The peer broke the protocol.
pub const PITH_PEER: i32 = -6;
/// The peer's certificate or key is not accepted.
pub const PITH_CERTIFICATE: i32 = -7;
/// The peer ended the connection with an alert.
pub const PITH_ALERT: i32 = -8;
/// The transport ended before the peer had closed its direction: what was received may be cut short.
pub const PITH_TRUNCATED: i32 = -9;
/// Something failed on this side: the random generator, a signature, memory.
pub const PITH_LOCAL: i32 = -10;
/// A bug in libpith. The object can only be freed.
pub const PITH_PANIC: i32 = -11;
/// A system call on the descriptor failed; the text says how.
pub const PITH_IO: i32 = -12;
/// Stored bytes were sealed under another key, altered, or made by another version: go on without them.
pub const PITH_NOT_AUTHENTIC: i32 = -13;
/// The peer's program gave the stream or the connection up, with a code of its own (pith_quic_status.code).
pub const PITH_RESET: i32 = -14;
/// Nothing came of the peer for too long.
pub const PITH_TIMEOUT: i32 = -15;
/// Nobody could tell whose datagrams are whose: the endpoint has a connection without connection ids to this address (pith_quic_options.empty_ids). Use another endpoint.
pub const PITH_AMBIGUOUS: i32 = -16;

/// The name of a status, such as "PITH_MISUSE"; "unknown" for a number that is none. The string is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_status_name(status: i32) -> *const c_char {
    let name: &'static CStr = match status {
        PITH_OK => c"PITH_OK",
        PITH_WANT_INPUT => c"PITH_WANT_INPUT",
        PITH_WANT_OUTPUT => c"PITH_WANT_OUTPUT",
        PITH_WANT_ANSWER => c"PITH_WANT_ANSWER",
        PITH_WANT_READ => c"PITH_WANT_READ",
        PITH_WANT_READ_EARLY => c"PITH_WANT_READ_EARLY",
        PITH_END => c"PITH_END",
        PITH_NONE => c"PITH_NONE",
        PITH_NULL => c"PITH_NULL",
        PITH_ARGUMENT => c"PITH_ARGUMENT",
        PITH_TOO_SMALL => c"PITH_TOO_SMALL",
        PITH_MISUSE => c"PITH_MISUSE",
        PITH_CONFIG => c"PITH_CONFIG",
        PITH_PEER => c"PITH_PEER",
        PITH_CERTIFICATE => c"PITH_CERTIFICATE",
        PITH_ALERT => c"PITH_ALERT",
        PITH_TRUNCATED => c"PITH_TRUNCATED",
        PITH_LOCAL => c"PITH_LOCAL",
        PITH_PANIC => c"PITH_PANIC",
        PITH_IO => c"PITH_IO",
        PITH_NOT_AUTHENTIC => c"PITH_NOT_AUTHENTIC",
        PITH_RESET => c"PITH_RESET",
        PITH_TIMEOUT => c"PITH_TIMEOUT",
        PITH_AMBIGUOUS => c"PITH_AMBIGUOUS",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// A call that failed: its status, and a text for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: i32,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(status: i32, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn null(what: &str) -> Self {
        Self::new(PITH_NULL, format!("{what} is NULL"))
    }

    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::new(PITH_ARGUMENT, text)
    }

    pub(crate) fn misuse(text: impl Into<String>) -> Self {
        Self::new(PITH_MISUSE, text)
    }

    pub(crate) fn too_small(needed: usize, got: usize) -> Self {
        Self::new(
            PITH_TOO_SMALL,
            format!("the buffer has room for {got} bytes, and {needed} are needed"),
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Fault(_) => PITH_PEER,
            Error::Certificate(_) => PITH_CERTIFICATE,
            Error::Alert(_) => PITH_ALERT,
            Error::Truncated => PITH_TRUNCATED,
            Error::Local(Local::TooLong) => PITH_ARGUMENT,
            Error::Local(_) => PITH_LOCAL,
            Error::Misuse(_) => PITH_MISUSE,
            _ => PITH_LOCAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(PITH_CONFIG, error.to_string())
    }
}

impl From<pith_pq::Error> for Failure {
    fn from(error: pith_pq::Error) -> Self {
        let status = match error.is_peer_fault() {
            true => PITH_PEER,
            false => PITH_LOCAL,
        };
        Self::new(status, error.to_string())
    }
}

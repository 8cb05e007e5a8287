//! TLS 1.3 (RFC 9846), post-quantum by default, without I/O.
//!
//! [`Connection`] is TLS over a byte stream: bytes in, bytes out, no sockets, no clock, no threads. [`Handshake`] is the
//! engine beneath it, which knows neither records nor packets; a QUIC transport drives it directly. Most programs want
//! neither, but the blocking stream of the crate `pith-io`.
//!
//! What a peer can make this crate do is bounded by the numbers in [`limits`]; how it can fail is in [`Error`].
//!
//! ```
//! use std::sync::Arc;
//! use pith_tls::{ClientConfig, Connection, Now, ServerName, Trust};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = [7; 32]; // SHA-256 of the server's public key
//! let config = ClientConfig::new(Trust::pinned_keys([pin])?).build()?;
//! let now = Now { monotonic: std::time::Duration::ZERO, unix: std::time::Duration::from_secs(1_800_000_000) };
//! let mut client = Connection::client(config, ServerName::try_from("example.org")?.to_owned(), now)?;
//! let mut buffer = [0; 4096];
//! let hello = client.transmit(&mut buffer);
//! assert!(hello > 1200, "a share of X25519MLKEM768 is in the first flight");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm
    )
)]

mod auth;
mod config;
mod connection;
mod error;
mod event;
mod handshake;
mod keylog;
pub mod limits;
mod mark;
pub mod policy;
mod record;
mod resume;
mod schedule;
mod suite;
mod wire;

use core::time::Duration;

pub use auth::{
    CertificateError, ChainVerifier, ConfigError, Credential, Crls, PeerChain, PeerText,
    PinnedKeys, Reason, Roots, Signature, Signer, Trust, Verdict, Which, key_pin, raw_key_pin,
};
pub use config::{
    ClientAuth, ClientConfig, ClientConfigBuilder, RawKeys, ServerConfig, ServerConfigBuilder,
};
pub use connection::{Connection, Flow, Received, Sent, Status};
pub use error::{AlertDescription, Error, Fault, Local};
pub use event::{Event, Observer, Role};
pub use handshake::Handshake;
pub use handshake::carrier::Carrier;
pub use handshake::output::{
    Answer, Direction, EarlyData, Level, Offered, Output, Psk, Question, Summary, Topic,
};
pub use keylog::KeyLog;
pub use pith_crypto::{Hash, SignatureScheme};
pub use pith_pq::Group;
pub use pki_types::{CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer};
pub use policy::Policy;
pub use record::shape::RecordShape;
pub use resume::{
    ExternalPsk, ImportedIdentity, ImportedPsk, KeptSession, Session, SessionError, SessionKey,
    SessionStore, StrikeRegister, Tickets, role_context,
};
pub use schedule::TrafficSecret;
pub use suite::CipherSuite;
pub use wire::{ExtensionType, MessageKind};

/// The time, as an argument: this crate has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Since any fixed moment; never goes back. In milliseconds or finer.
    pub monotonic: Duration,
    /// Since 1970-01-01 UTC, for the dates of certificates.
    pub unix: Duration,
}

//! Messages on the wire: one file for each, encoder and decoder side by side.
//!
//! Decoders borrow from the message and check all that needs no configuration; they never allocate more than a list of
//! what stands in the message. Encoders cannot write a length that disagrees with its contents.

pub(crate) mod certificate; //          RFC 9846 sections 4.4.2, 4.5.1 and 4.5.2
pub(crate) mod client_hello; //         section 4.2.2
pub(crate) mod encrypted_extensions; // section 4.4.1
pub(crate) mod extensions; //           section 4.3
pub(crate) mod grease; //             RFC 8701
pub(crate) mod post_handshake; //       sections 4.7.1 and 4.7.3
pub(crate) mod pre_shared_key; //       sections 4.3.9 and 4.3.11, and RFC 9149
pub(crate) mod reader;
pub(crate) mod registry;
pub(crate) mod server_hello; //         sections 4.2.3 and 4.2.4
pub(crate) mod writer;

#[cfg(test)]
mod fuzz;

pub use registry::{ExtensionType, MessageKind};

/// The value of every `legacy_version` (rfc9846#E.5-6).
pub(crate) const LEGACY_VERSION: u16 = 0x0303;

/// TLS 1.3 in `supported_versions`.
pub(crate) const TLS13: u16 = 0x0304;

/// Bytes of type and length in front of a handshake message.
pub(crate) const MESSAGE_HEADER: usize = 4;

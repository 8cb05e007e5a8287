//! The key schedule of RFC 9846 section 7 and the transcript of section 4.1.

pub(crate) mod early; //      sections 4.3.11.2 and 7.1
pub(crate) mod secrets; //    section 7.1
pub(crate) mod transcript; // section 4.1

pub use secrets::TrafficSecret;

//! What the tests of Pith share: a PKI made on the spot, and connections joined in memory.

#![forbid(unsafe_code)]

pub mod pair;
pub mod pki;

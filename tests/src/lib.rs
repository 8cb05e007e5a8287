//! What the tests of Pith share: a PKI made on the spot, connections joined in memory, and a peer that
//! a test scripts record by record.

#![forbid(unsafe_code)]

pub mod pair;
pub mod pki;
pub mod scripted;

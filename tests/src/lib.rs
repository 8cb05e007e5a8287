//! What the tests of Pith share: a PKI made on the spot, connections joined in memory, engines joined without records, and
//! peers that a test scripts record by record or message by message.

#![deny(unsafe_code)]

pub mod ceilings;
pub mod engine;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod heap;
#[cfg(pith_test)]
pub mod memcheck;
pub mod message;
pub mod network;
pub mod pair;
pub mod pki;
pub mod rogue;
pub mod script;
pub mod scripted;

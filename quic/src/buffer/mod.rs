//! Bytes on their way: what came and was not read yet, what was written and not acknowledged yet.
//!
//! STREAM and CRYPTO frames share both sides. On the way in data is copied out of its packets, on the way out it is held as slices of what the application
//! wrote. What is held is counted in bytes of real memory, bookkeeping included, since that is what a peer can make grow.

mod ranges;
mod reassemble;
mod send;

pub(crate) use ranges::Ranges;
pub(crate) use reassemble::{CryptoReceive, Reassembly};
pub(crate) use send::SendBuffer;

/// The length of something in memory as an offset.
pub(crate) fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// How much of `available` fits in `most`.
pub(crate) fn at_most(available: u64, most: usize) -> usize {
    usize::try_from(available).map_or(most, |available| available.min(most))
}

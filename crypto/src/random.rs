//! Random bytes for keys, nonces and everything that protects, from the backend's generator, which survives forks and snapshots.

use crate::Error;

/// Fills `out`.
///
/// # Errors
/// [`Error::Random`] if the system gives none; `out` must not be used then.
pub fn fill(out: &mut [u8]) -> Result<(), Error> {
    #[cfg(any(test, pith_test))]
    if crate::fault::is_due() {
        return Err(Error::Random);
    }
    aws_lc_rs::rand::fill(out).map_err(|_| Error::Random)
}

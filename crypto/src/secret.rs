//! Secret bytes of a bounded length: a fixed buffer, how much of it is used, wiped on drop.
//!
//! There is no Debug, Clone or Eq, so a secret cannot reach a log, be doubled by accident or be compared in variable time; `expose` is the
//! one reader, which makes every use easy to find. No heap is involved. A move in Rust copies bytes without wiping the
//! place that they left, so secrets are built in place (`filled`), passed by reference, and moved only when their owner changes.

#[cfg(any(test, pith_test))]
use subtle::Choice;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::Error;

/// At most `N` secret bytes.
pub struct Wiped<const N: usize> {
    bytes: [u8; N],
    /// In two bytes, since a connection holds several of these.
    len: u16,
}

/// A hash output, the longest being SHA-384's.
pub type Secret = Wiped<48>;

/// A key-exchange output. The longest is SecP384r1MLKEM1024's: 48 bytes of ECDH and 32 of ML-KEM.
pub type SharedSecret = Wiped<80>;

impl<const N: usize> Wiped<N> {
    /// Copies `bytes`; wiping the original is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if there are more than `N`.
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        Self::filled(bytes.len(), |out| {
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// `len` bytes that `fill` writes into a zeroed buffer, so that they exist nowhere else.
    ///
    /// # Errors
    /// [`Error::Length`] if `len` is more than `N`, else what `fill` returns.
    pub fn filled(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut wiped = Self {
            bytes: [0; N],
            len: u16::try_from(len).map_err(|_| Error::Length)?,
        };
        let used = wiped.bytes.get_mut(..len).ok_or(Error::Length)?;
        fill(used)?;
        #[cfg(any(test, pith_test))]
        crate::taint::secret(used);
        Ok(wiped)
    }

    /// Adds `bytes` at the end: the secret of a hybrid group is the concatenation of its parts.
    ///
    /// # Errors
    /// [`Error::Length`] if they do not fit; nothing is added then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let start = usize::from(self.len);
        let end = start.checked_add(bytes.len()).ok_or(Error::Length)?;
        let len = u16::try_from(end).map_err(|_| Error::Length)?;
        let room = self.bytes.get_mut(start..end).ok_or(Error::Length)?;
        room.copy_from_slice(bytes);
        #[cfg(any(test, pith_test))]
        crate::taint::secret(room);
        self.len = len;
        Ok(())
    }

    /// The bytes. Pass them on to a primitive; do not copy, print or compare them.
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether `other` holds the same bytes, in time that depends on the lengths alone.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        ct_eq(self.expose(), other)
    }
}

/// Whether both hold the same bytes, in time that depends on the lengths alone: for what protects but is no [`Wiped`] secret, such as a
/// token that the peer was given.
#[must_use]
pub fn ct_eq(one: &[u8], other: &[u8]) -> bool {
    let equal = one.ct_eq(other);
    #[cfg(any(test, pith_test))]
    let equal = told(equal);
    equal.into()
}

/// The verdict is no secret.
#[cfg(any(test, pith_test))]
fn told(equal: Choice) -> Choice {
    let mut verdict = [equal.unwrap_u8()];
    crate::taint::known(&mut verdict);
    verdict[0].into()
}

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

/// Never inlined: secrets are dropped in hundreds of places, on every path of an error too, and a store for each byte in each of them would be a tenth
/// of the code.
#[inline(never)]
fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_holds_up_to_its_capacity_and_no_more() {
        for len in [0, 1, 47, 48] {
            let secret = Secret::new(&vec![5; len]).unwrap();
            assert_eq!(secret.expose(), vec![5; len], "{len}");
        }
        assert_eq!(Secret::new(&[5; 49]).err(), Some(Error::Length));
        assert_eq!(
            Secret::filled(usize::MAX, |_| Ok(())).err(),
            Some(Error::Length)
        );
        let failed = Secret::filled(32, |_| Err(Error::Random));
        assert_eq!(failed.err(), Some(Error::Random));
    }

    #[test]
    fn appending_concatenates_until_full() {
        let mut secret = SharedSecret::new(&[1; 32]).unwrap();
        secret.append(&[2; 48]).unwrap();
        assert_eq!(secret.expose(), [&[1; 32][..], &[2; 48]].concat());
        assert_eq!(secret.append(&[3]), Err(Error::Length));
        assert_eq!(secret.append(&[]), Ok(()));
        assert_eq!(secret.expose().len(), 80);
    }

    #[test]
    fn ct_eq_compares_length_and_every_byte() {
        let secret = Secret::new(&[9; 32]).unwrap();
        assert!(secret.ct_eq(&[9; 32]) && ct_eq(secret.expose(), &[9; 32]));
        assert!(!secret.ct_eq(&[9; 31]));
        assert!(!secret.ct_eq(&[9; 33]));
        assert!(!secret.ct_eq(&[]));
        for at in 0..32 {
            let mut other = [9; 32];
            other[at] ^= 0x80;
            assert!(!secret.ct_eq(&other), "byte {at}");
            assert!(!ct_eq(secret.expose(), &other), "byte {at}");
        }
    }
}

//! Key encapsulation by itself: ML-KEM-512, -768 and -1024 (FIPS 203), and the hybrids with X25519, P-256 and P-384 as TLS has them.
//!
//! A hybrid's keys, ciphertexts and secrets are concatenations, without a KDF: feed the secret into one, with both sides' bytes beside
//! it, as TLS does with its transcript.

use core::mem::MaybeUninit;

use pith_pq::{Group, Offer, answer, offer};

use crate::arguments::{Why, list, room};
use crate::error::{Failure, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::panic::contain;

/// Bytes of a public key of ML-KEM-512.
pub const PITH_MLKEM512_PUBLIC: usize = 800;
/// Bytes of a ciphertext of ML-KEM-512.
pub const PITH_MLKEM512_CIPHERTEXT: usize = 768;
/// Bytes of a secret of ML-KEM-512.
pub const PITH_MLKEM512_SECRET: usize = 32;
/// Bytes of a public key of ML-KEM-768.
pub const PITH_MLKEM768_PUBLIC: usize = 1184;
/// Bytes of a ciphertext of ML-KEM-768.
pub const PITH_MLKEM768_CIPHERTEXT: usize = 1088;
/// Bytes of a secret of ML-KEM-768.
pub const PITH_MLKEM768_SECRET: usize = 32;
/// Bytes of a public key of ML-KEM-1024.
pub const PITH_MLKEM1024_PUBLIC: usize = 1568;
/// Bytes of a ciphertext of ML-KEM-1024.
pub const PITH_MLKEM1024_CIPHERTEXT: usize = 1568;
/// Bytes of a secret of ML-KEM-1024.
pub const PITH_MLKEM1024_SECRET: usize = 32;
/// Bytes of a public key of X25519MLKEM768.
pub const PITH_X25519MLKEM768_PUBLIC: usize = 1216;
/// Bytes of a ciphertext of X25519MLKEM768.
pub const PITH_X25519MLKEM768_CIPHERTEXT: usize = 1120;
/// Bytes of a secret of X25519MLKEM768.
pub const PITH_X25519MLKEM768_SECRET: usize = 64;
/// Bytes of a public key of SecP256r1MLKEM768.
pub const PITH_SECP256R1MLKEM768_PUBLIC: usize = 1249;
/// Bytes of a ciphertext of SecP256r1MLKEM768.
pub const PITH_SECP256R1MLKEM768_CIPHERTEXT: usize = 1153;
/// Bytes of a secret of SecP256r1MLKEM768.
pub const PITH_SECP256R1MLKEM768_SECRET: usize = 64;
/// Bytes of a public key of SecP384r1MLKEM1024.
pub const PITH_SECP384R1MLKEM1024_PUBLIC: usize = 1665;
/// Bytes of a ciphertext of SecP384r1MLKEM1024.
pub const PITH_SECP384R1MLKEM1024_CIPHERTEXT: usize = 1665;
/// Bytes of a secret of SecP384r1MLKEM1024.
pub const PITH_SECP384R1MLKEM1024_SECRET: usize = 80;

/// The private key of one exchange. It decapsulates once and is wiped then. One thread at a time.
pub struct pith_kem_key(Guarded<Key>);

pub(crate) struct Key {
    group: Group,
    offer: Option<Offer>,
}

impl Handle for pith_kem_key {
    type Inner = Key;
    fn guarded(&mut self) -> &mut Guarded<Key> {
        &mut self.0
    }
}

/// Makes a fresh key pair for `group`, one of PITH_GROUP_ with ML-KEM in it. The public key is written to `out`, which has room for exactly the PITH_..._PUBLIC
/// bytes of the group or more. `*key` is yours to free with pith_kem_free, and NULL if it fails.
///
/// Errors: PITH_ARGUMENT for another group, PITH_TOO_SMALL, PITH_NULL, PITH_LOCAL.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_kem_keygen(
    key: Option<&mut MaybeUninit<*mut pith_kem_key>>,
    group: u16,
    out: *mut u8,
    capacity: usize,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(core::ptr::null_mut(), 0) };
    create(key, why, || {
        let group = kem(group)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let out = exact(out, group.client_share_len())?;
        let (offer, shares) = offer(&[group])?;
        let share = shares
            .first()
            .ok_or_else(|| Failure::argument("no share"))?;
        out.copy_from_slice(&share.bytes);
        let offer = Some(offer);
        Ok(pith_kem_key(Guarded::new(Key { group, offer })))
    })
}

/// Makes a secret for whoever has the private key to `public_key`: writes a ciphertext, which goes there, to `ciphertext`, and the secret to `secret`. The
/// buffers have room for the bytes of the group's constants or more, and do not overlap. Wipe the secret when it is used.
///
/// Errors: PITH_ARGUMENT for a group without ML-KEM, PITH_TOO_SMALL, PITH_PEER if the public key is not valid, PITH_LOCAL. Nothing is written then.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_kem_encapsulate(
    group: u16,
    public_key: *const u8,
    public_key_len: usize,
    ciphertext: *mut u8,
    ciphertext_capacity: usize,
    secret: *mut u8,
    secret_capacity: usize,
) -> i32 {
    contain(|| {
        let group = kem(group)?;
        // SAFETY: the caller's duty.
        let public_key = unsafe { list(public_key, public_key_len) }?;
        // SAFETY: the caller's duty.
        let ciphertext = unsafe { room(ciphertext, ciphertext_capacity) }?;
        // SAFETY: the caller's duty.
        let secret = unsafe { room(secret, secret_capacity) }?;
        let ciphertext = exact(ciphertext, group.server_share_len())?;
        let secret = exact(secret, group.secret_len())?;
        let (reply, shared) = answer(group, public_key)?;
        ciphertext.copy_from_slice(&reply);
        secret.copy_from_slice(shared.expose());
        Ok(PITH_OK)
    })
    .unwrap_or_else(|failure| failure.status)
}

/// Writes the secret that `ciphertext` holds to `secret`, and wipes the key: whatever comes of it, it decapsulates no more. A ciphertext of ML-KEM that was
/// altered gives another secret and no error.
///
/// Errors: PITH_MISUSE the second time; PITH_TOO_SMALL or PITH_NULL, after which the key is still there; PITH_PEER for a ciphertext of another length, or
/// a part of it that is no point on its curve.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_kem_decapsulate(
    key: Option<&mut pith_kem_key>,
    ciphertext: *const u8,
    ciphertext_len: usize,
    secret: *mut u8,
    secret_capacity: usize,
) -> i32 {
    enter(key, |key| {
        // SAFETY: the caller's duty.
        let ciphertext = unsafe { list(ciphertext, ciphertext_len) }?;
        // SAFETY: the caller's duty.
        let secret = unsafe { room(secret, secret_capacity) }?;
        let secret = exact(secret, key.group.secret_len())?;
        let Some(offer) = key.offer.take() else {
            return Err(Failure::misuse("a key decapsulates once"));
        };
        let shared = offer.finish(key.group, ciphertext)?;
        secret.copy_from_slice(shared.expose());
        Ok(PITH_OK)
    })
}

/// Frees a key and wipes it. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_kem_free(key: Option<Box<pith_kem_key>>) {
    free(key);
}

fn kem(code: u16) -> Result<Group, Failure> {
    Group::from_code(code)
        .filter(|group| group.is_post_quantum())
        .ok_or_else(|| Failure::argument("this is no group with ML-KEM in it"))
}

fn exact(out: &mut [u8], len: usize) -> Result<&mut [u8], Failure> {
    let got = out.len();
    out.get_mut(..len)
        .ok_or_else(|| Failure::too_small(len, got))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_sizes_of_the_groups() {
        #[rustfmt::skip]
        let rows = [
            (Group::MlKem512, PITH_MLKEM512_PUBLIC, PITH_MLKEM512_CIPHERTEXT, PITH_MLKEM512_SECRET),
            (Group::MlKem768, PITH_MLKEM768_PUBLIC, PITH_MLKEM768_CIPHERTEXT, PITH_MLKEM768_SECRET),
            (Group::MlKem1024, PITH_MLKEM1024_PUBLIC, PITH_MLKEM1024_CIPHERTEXT, PITH_MLKEM1024_SECRET),
            (Group::X25519MlKem768, PITH_X25519MLKEM768_PUBLIC, PITH_X25519MLKEM768_CIPHERTEXT, PITH_X25519MLKEM768_SECRET),
            (Group::SecP256r1MlKem768, PITH_SECP256R1MLKEM768_PUBLIC, PITH_SECP256R1MLKEM768_CIPHERTEXT, PITH_SECP256R1MLKEM768_SECRET),
            (Group::SecP384r1MlKem1024, PITH_SECP384R1MLKEM1024_PUBLIC, PITH_SECP384R1MLKEM1024_CIPHERTEXT, PITH_SECP384R1MLKEM1024_SECRET),
        ];
        for (group, public, ciphertext, secret) in rows {
            assert_eq!(public, group.client_share_len(), "{group}");
            assert_eq!(ciphertext, group.server_share_len(), "{group}");
            assert_eq!(secret, group.secret_len(), "{group}");
        }
        let kems = Group::ALL.iter().filter(|group| group.is_post_quantum());
        assert_eq!(kems.count(), rows.len());
    }
}

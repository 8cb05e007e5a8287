//! Authenticated encryption of what is handed out and comes back: tickets and saved sessions.
//!
//! 24 random bytes, then AES-256-GCM under a key and iv that HKDF-Expand-Label makes of the secret and those bytes. So each key
//! seals one thing, no count of uses has to be kept or shared, and servers with one secret need not talk to each other (T03).
//! A short label in front, such as a key id, is authenticated.

use pith_crypto::hkdf::expand_label;
use pith_crypto::{Aead, Error, Hash, OpeningKey, SealingKey, Secret, Wiped, aead, random};
use zeroize::Zeroizing;

/// Seals `text` and `secret` under `key`, which is of 32 bytes: `front`, the random bytes, the ciphertext. A secret is read from
/// where it stands.
pub(super) fn seal(
    key: &Secret,
    label: &str,
    front: &[u8],
    text: &[u8],
    secret: &Secret,
) -> Result<Vec<u8>, Error> {
    let mut random = [0; RANDOM];
    random::fill(&mut random)?;
    let one_time = one_time(key, label, &random)?;
    let (key, iv) = one_time
        .expose()
        .split_at_checked(KEY)
        .ok_or(Error::Length)?;
    let start = front.len().saturating_add(RANDOM);
    let body = [text.len(), secret.expose().len(), aead::TAG_LEN]
        .into_iter()
        .fold(0, usize::saturating_add);
    let mut sealed = [front, &random].concat();
    sealed.resize(start.saturating_add(body), 0);
    let out = sealed.get_mut(start..).ok_or(Error::Length)?;
    SealingKey::new(Aead::Aes256Gcm, key, iv)?.seal(front, text, secret.expose(), out)?;
    Ok(sealed)
}

/// Opens what [`seal`] made, behind its `front`.
pub(super) fn open(
    key: &Secret,
    label: &str,
    front: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (random, body) = sealed.split_first_chunk::<RANDOM>().ok_or(Error::Open)?;
    let one_time = one_time(key, label, random)?;
    let (key, iv) = one_time
        .expose()
        .split_at_checked(KEY)
        .ok_or(Error::Length)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = OpeningKey::new(Aead::Aes256Gcm, key, iv)?
        .open(front, &mut body)?
        .len();
    body.truncate(length);
    Ok(body)
}

fn one_time(
    key: &Secret,
    label: &str,
    random: &[u8; RANDOM],
) -> Result<Wiped<{ KEY + aead::IV_LEN }>, Error> {
    Wiped::filled(KEY + aead::IV_LEN, |out| {
        expand_label(Hash::Sha256, key, label, random, out)
    })
}

const RANDOM: usize = 24;
const KEY: usize = 32;

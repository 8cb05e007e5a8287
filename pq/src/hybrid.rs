//! A group's parts side by side: shares and secrets are concatenated in the order of the group's row, without a KDF
//! (draft-ietf-tls-hybrid-design sections 3.2 and 3.3).
//!
//! A group of one part is a hybrid of one, so nothing here asks which kind it has. The whole length of what a peer sent is
//! checked before it is split.

use std::sync::Arc;

use pith_crypto::SharedSecret;

use crate::ecdh::{self, Curve};
use crate::group::Part;
use crate::{Error, Group, mlkem};

/// What a client sends for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The group.
    pub group: Group,
    /// The `key_exchange` bytes, [`Group::client_share_len`] of them.
    pub bytes: Vec<u8>,
}

/// The private keys behind the shares of one ClientHello, for one exchange.
pub struct Offer(Vec<(Group, Vec<Key>)>);

pub(crate) enum Key {
    Ecdh(Arc<ecdh::PrivateKey>),
    MlKem(mlkem::PrivateKey),
}

/// Fresh keys for `groups`, and their shares in the same order. An empty list gives an empty offer, which asks for a HelloRetryRequest.
///
/// X25519MLKEM768 and X25519 in one list have the same X25519 key, as draft-ietf-tls-hybrid-design section 3.2 allows;
/// everything else is independent (rfc9846#4.3.8-2).
///
/// # Errors
/// [`Error::Repeated`] if a group stands twice in `groups` (rfc9846#4.3.8-3), [`Error::Crypto`] if a key cannot be made.
pub fn offer(groups: &[Group]) -> Result<(Offer, Vec<Share>), Error> {
    let mut offer = Offer(Vec::with_capacity(groups.len()));
    let mut shares = Vec::with_capacity(groups.len());
    let mut x25519 = None;
    for &group in groups {
        if offer.has(group) {
            return Err(Error::Repeated);
        }
        let row = group.row();
        let mut bytes = Vec::with_capacity(row.client_share);
        let mut keys = Vec::with_capacity(row.parts.len());
        for &part in row.parts {
            let key = match part {
                Part::Ecdh(Curve::X25519) => {
                    let key = match x25519.take() {
                        Some(key) => key,
                        None => Arc::new(ecdh::PrivateKey::generate(Curve::X25519)?),
                    };
                    x25519 = Some(Arc::clone(&key));
                    Key::Ecdh(key)
                }
                Part::Ecdh(curve) => Key::Ecdh(Arc::new(ecdh::PrivateKey::generate(curve)?)),
                Part::MlKem(kem) => Key::MlKem(mlkem::PrivateKey::generate(kem)?),
            };
            match &key {
                Key::Ecdh(key) => key.write_share(&mut bytes)?,
                Key::MlKem(key) => key.write_share(&mut bytes)?,
            }
            keys.push(key);
        }
        offer.0.push((group, keys));
        shares.push(Share { group, bytes });
    }
    Ok((offer, shares))
}

/// The server's half: from a client's `share` for `group` its reply, [`Group::server_share_len`] bytes, and the secret. The keys are
/// fresh (rfc9846#4.3.8-5), whether or not the client's share has been seen before (rfc9846#4.3.8-6).
///
/// # Errors
/// [`Error::Length`], [`Error::Encoding`] or [`Error::Share`] if `share` is illegal; [`Error::Crypto`] if the backend fails.
pub fn answer(group: Group, share: &[u8]) -> Result<(Vec<u8>, SharedSecret), Error> {
    let row = group.row();
    Error::unless_len(share, row.client_share)?;
    let mut rest = share;
    let mut reply = Vec::with_capacity(row.server_share);
    let mut secret = SharedSecret::new(&[])?;
    for &part in row.parts {
        let share = take(&mut rest, part.client_share_len())?;
        match part {
            Part::Ecdh(curve) => {
                let key = ecdh::PrivateKey::generate(curve)?;
                key.agree(share, &mut secret)?;
                key.write_share(&mut reply)?;
            }
            Part::MlKem(kem) => kem.encapsulate(share, &mut reply, &mut secret)?,
        }
    }
    Ok((reply, secret))
}

impl Offer {
    /// Whether a share for `group` is in this offer.
    pub fn has(&self, group: Group) -> bool {
        self.0.iter().any(|(offered, _)| *offered == group)
    }

    /// The client's second half: the secret from the server's `reply` for `group`. The offer is used up, whatever comes of it:
    ///
    /// ```compile_fail,E0382
    /// # use pith_pq::{Group, answer, offer};
    /// let (offer, shares) = offer(&[Group::X25519])?;
    /// let (reply, _) = answer(Group::X25519, &shares[0].bytes)?;
    /// offer.finish(Group::X25519, &reply)?;
    /// offer.finish(Group::X25519, &reply)?; // moved: shares are single-use
    /// # Ok::<(), pith_pq::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotOffered`] if `group` is not in this offer; [`Error::Length`], [`Error::Encoding`] or [`Error::Share`] if `reply` is
    /// illegal; [`Error::Crypto`] if the backend fails. A tampered ML-KEM ciphertext is no error: it gives another secret.
    pub fn finish(self, group: Group, reply: &[u8]) -> Result<SharedSecret, Error> {
        let keys = self.0.iter().find(|(offered, _)| *offered == group);
        let (_, keys) = keys.ok_or(Error::NotOffered)?;
        let row = group.row();
        Error::unless_len(reply, row.server_share)?;
        let mut rest = reply;
        let mut secret = SharedSecret::new(&[])?;
        for (part, key) in row.parts.iter().zip(keys) {
            let reply = take(&mut rest, part.server_share_len())?;
            match key {
                Key::Ecdh(key) => key.agree(reply, &mut secret)?,
                Key::MlKem(key) => key.decapsulate(reply, &mut secret)?,
            }
        }
        Ok(secret)
    }
}

#[cfg(test)]
impl Offer {
    /// An offer from keys of a test vector, one for each part of the group.
    pub(crate) fn of(group: Group, keys: Vec<Key>) -> Self {
        Self(vec![(group, keys)])
    }
}

/// Cuts one part off the front. The parts add up to the whole, so it cannot be short.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], Error> {
    let (part, rest) = bytes
        .split_at_checked(len)
        .ok_or(pith_crypto::Error::Internal("parts longer than the group"))?;
    *bytes = rest;
    Ok(part)
}

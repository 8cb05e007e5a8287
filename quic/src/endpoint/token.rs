//! Address validation tokens (RFC 9000 section 8.1): sealed by a key that servers may share, so that nobody else can make or read one.
//!
//! A token begins with a random nonce, from which its own key is derived. A Retry token is bound to the client's address and port, to the version and to both connection
//! ids of the attempt, for seconds; packets of that attempt show it again and again. One of a NEW_TOKEN frame is bound to the address and the version, for days, and is
//! good once: used ones are remembered exactly, and when there are too many, everything that was issued until then is forgotten.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;

use bytes::Bytes;
use pith_crypto::aead::{IV_LEN, TAG_LEN};
use pith_crypto::hkdf::expand_label;
use pith_crypto::{Aead, Error, Hash, OpeningKey, SealingKey, Secret, Wiped, random};

use crate::limits;
use crate::wire::{ConnectionId, Reader, Truncated, Version};

/// Makes and reads tokens.
pub(super) struct Tokens {
    key: Secret,
    used: BTreeSet<[u8; NONCE]>,
    /// Tokens that were issued until then are good no more; a server that has just begun does not know which were used.
    since: Duration,
}

/// What a token says of the client that shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing: it is none of this server's, out of date, used, or of another address.
    Nothing,
    /// It receives at its address.
    Address,
    /// It has followed a Retry, whose first destination id was this.
    Retried(ConnectionId),
    /// It shows a Retry token that does not fit, and will take no other.
    BadRetry,
    /// It shows the token of a Retry in another version.
    OtherVersion,
}

const NONCE: usize = 16;
/// How a client was given a token stands in it (rfc9000#8.1.1-1).
const RETRY: u8 = 1;
const LATER: u8 = 2;

impl Tokens {
    /// Tokens from before `now` count for nothing.
    pub(super) fn new(key: &[u8], now: Duration) -> Result<Self, Error> {
        Ok(Self {
            key: Secret::new(key)?,
            used: BTreeSet::new(),
            since: now,
        })
    }

    /// For a client that sent to `original` in this version and is to send to `retried` now.
    pub(super) fn retry(
        &self,
        remote: SocketAddr,
        (version, original, retried): (Version, &ConnectionId, &ConnectionId),
        now: Duration,
    ) -> Result<Bytes, Error> {
        let mut plain = plain(RETRY, remote.ip(), version, now)?;
        plain.extend_from_slice(&remote.port().to_be_bytes());
        for id in [original, retried] {
            plain.push(u8::try_from(id.len()).map_err(|_| Error::Length)?);
            plain.extend_from_slice(id);
        }
        self.seal(&plain)
    }

    /// For a NEW_TOKEN frame. No two are the same (rfc9000#8.1.3-4), and nobody can read one (rfc9000#8.1.3-3).
    pub(super) fn later(
        &self,
        remote: IpAddr,
        version: Version,
        now: Duration,
    ) -> Result<Bytes, Error> {
        // rfc9000#8.1.4-3
        self.seal(&plain(LATER, remote, version, now)?)
    }

    /// Judges a token that came in an Initial packet of this version from `remote` to `dcid` (rfc9000#8.1.3-7, rfc9369#5-2).
    pub(super) fn check(
        &mut self,
        token: &[u8],
        remote: SocketAddr,
        (version, dcid): (Version, &ConnectionId),
        now: Duration,
    ) -> Shown {
        let opened = self.open(token);
        let Some((nonce, plain)) = opened else {
            return Shown::Nothing;
        };
        let Ok(content) = Content::read(&plain) else {
            return Shown::Nothing;
        };
        // A token of the future is of a clock that was set back.
        let age = now.checked_sub(content.issued);
        let same_address = content.address == remote.ip();
        let same_version = content.version == version.number();
        match content.retry {
            Some(_) if !same_version => Shown::OtherVersion,
            Some((port, original, retried)) => {
                let young = age.is_some_and(|age| age <= limits::RETRY_TIME);
                if young && same_address && port == remote.port() && retried == *dcid {
                    Shown::Retried(original)
                } else {
                    Shown::BadRetry
                }
            }
            None => {
                let young = age.is_some_and(|age| age <= limits::TOKEN_TIME);
                let good = young && same_address && same_version && content.issued > self.since;
                if good && self.spend(nonce, now) {
                    Shown::Address
                } else {
                    Shown::Nothing
                }
            }
        }
    }

    /// False if it was spent before (rfc9000#8.1.4-5).
    fn spend(&mut self, nonce: [u8; NONCE], now: Duration) -> bool {
        let fresh = self.used.insert(nonce);
        if self.used.len() >= limits::USED_TOKENS {
            self.used = BTreeSet::new();
            self.since = now;
        }
        fresh
    }

    fn seal(&self, plain: &[u8]) -> Result<Bytes, Error> {
        let mut nonce = [0; NONCE];
        random::fill(&mut nonce)?;
        let key = self.own_key(&nonce)?;
        let mut sealed = vec![0; plain.len().saturating_add(TAG_LEN)];
        // The key is this token's own, so the nonce need not differ.
        let mut cipher = SealingKey::new(Aead::Aes256Gcm, key.expose(), &[0; IV_LEN])?;
        cipher.seal(&nonce, plain, &[], &mut sealed)?;
        Ok([&nonce[..], &sealed].concat().into())
    }

    /// Nothing but what [`seal`](Tokens::seal) made opens (rfc9000#8.1.4-1, rfc9000#8.1.4-2).
    fn open(&self, token: &[u8]) -> Option<([u8; NONCE], Vec<u8>)> {
        let (nonce, sealed) = token.split_first_chunk::<NONCE>()?;
        if sealed.len() > LONGEST {
            return None;
        }
        let key = self.own_key(nonce).ok()?;
        let mut cipher = OpeningKey::new(Aead::Aes256Gcm, key.expose(), &[0; IV_LEN]).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = cipher.open(nonce, &mut sealed).ok()?.to_vec();
        Some((*nonce, plain))
    }

    fn own_key(&self, nonce: &[u8; NONCE]) -> Result<Wiped<32>, Error> {
        Wiped::filled(32, |out| {
            expand_label(Hash::Sha256, &self.key, "pith token", nonce, out)
        })
    }
}

/// Bytes of the longest sealed content: kind, address, time, version, port, two ids, and the tag.
const LONGEST: usize = 1 + 17 + 8 + 4 + 2 + 2 * 21 + TAG_LEN;

/// What both kinds of token begin with.
fn plain(kind: u8, address: IpAddr, version: Version, now: Duration) -> Result<Vec<u8>, Error> {
    let issued = u64::try_from(now.as_millis()).map_err(|_| Error::Length)?;
    let mut plain = vec![kind];
    match address {
        IpAddr::V4(address) => {
            plain.push(4);
            plain.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            plain.push(6);
            plain.extend_from_slice(&address.octets());
        }
    }
    plain.extend_from_slice(&issued.to_be_bytes());
    plain.extend_from_slice(&version.number().to_be_bytes());
    Ok(plain)
}

struct Content {
    address: IpAddr,
    issued: Duration,
    version: u32,
    retry: Option<(u16, ConnectionId, ConnectionId)>,
}

impl Content {
    fn read(plain: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(plain);
        let kind = reader.u8()?;
        let address = match reader.u8()? {
            4 => IpAddr::from(reader.array::<4>()?),
            _ => IpAddr::from(reader.array::<16>()?),
        };
        let issued = Duration::from_millis(u64::from_be_bytes(reader.array()?));
        let version = u32::from_be_bytes(reader.array()?);
        let retry = if kind == RETRY {
            let port = reader.u16()?;
            let mut id = || ConnectionId::new(reader.vec8()?).ok_or(Truncated);
            Some((port, id()?, id()?))
        } else {
            None
        };
        reader.finish()?;
        Ok(Self {
            address,
            issued,
            version,
            retry,
        })
    }
}

pith_crypto::assert_neither_debug_nor_clone!(Tokens);

#[cfg(test)]
mod tests;

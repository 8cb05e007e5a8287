//! Seals and opens records (RFC 9846 sections 5.2 to 5.5).
//!
//! A [`Sealer`] and an [`Opener`] each own the traffic secret of their direction, from which a KeyUpdate makes the next
//! one. Plain records are a state of their own, so that a missing key can never mean "let it pass".

use pith_crypto::aead::{IV_LEN, TAG_LEN};
use pith_crypto::{Aead, OpeningKey, SealingKey};
use zeroize::Zeroizing;

use super::HEADER;
use crate::error::{Error, Fault, Local};
use crate::limits;
use crate::schedule::TrafficSecret;
use crate::wire::registry::ContentType;

/// Bytes that a protected record is longer than its content: header, content type and tag.
pub(crate) const OVERHEAD: usize = HEADER + 1 + TAG_LEN;

/// The sending half of the record layer.
pub(crate) enum Sealer {
    /// Before any key: the hellos, and alerts in their place.
    Plain {
        /// Nothing was sent yet: the next record is the first ClientHello.
        first: bool,
    },
    /// Records under a traffic secret.
    Protected(Box<(TrafficSecret, SealingKey)>),
    /// After an error: the keys are gone (rfc9846#6-2).
    Closed,
}

/// What a half without keys answers.
const NO_KEYS: Error = Error::Local(Local::Internal("no keys for a record"));

impl Sealer {
    /// A sealer for this secret.
    pub(crate) fn new(secret: TrafficSecret) -> Result<Self, Error> {
        let key = derive(&secret, SealingKey::new)?;
        Ok(Self::Protected(Box::new((secret, key))))
    }

    /// Goes on to another secret. The place of the last is used again, which wipes it.
    pub(crate) fn rekey(&mut self, secret: TrafficSecret) -> Result<(), Error> {
        match self {
            Self::Plain { .. } | Self::Closed => *self = Self::new(secret)?,
            Self::Protected(current) => {
                let key = derive(&secret, SealingKey::new)?;
                **current = (secret, key);
            }
        }
        Ok(())
    }

    /// Goes on to the next generation of keys (rfc9846#4.7.3-2).
    pub(crate) fn update(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain { .. } | Self::Closed => Err(NO_KEYS),
            Self::Protected(current) => {
                let next = current.0.next()?;
                self.rekey(next)
            }
        }
    }

    /// Whether the key is so close to its limit that it has to be updated (rfc9846#5.5-1).
    pub(crate) fn is_used_up(&self) -> bool {
        match self {
            Self::Plain { .. } | Self::Closed => false,
            // One record is kept for the KeyUpdate and one for an alert.
            Self::Protected(current) => current.1.used().saturating_add(2) >= current.1.limit(),
        }
    }

    /// Lets the current key seal so many more records only.
    #[cfg(pith_test)]
    pub(crate) fn limit(&mut self, records: u64) {
        if let Self::Protected(current) = self {
            let limit = current.1.used().saturating_add(records);
            current.1.set_limit(limit);
        }
    }

    /// The length of a record with `content` and `padding` bytes; plain records have no padding.
    pub(crate) fn sealed_len(&self, content: usize, padding: usize) -> usize {
        match self {
            Self::Plain { .. } => content.saturating_add(HEADER),
            Self::Protected(_) | Self::Closed => {
                content.saturating_add(padding).saturating_add(OVERHEAD)
            }
        }
    }

    /// Writes one record to the beginning of `out`, which has room for it, and returns its length.
    pub(crate) fn seal(
        &mut self,
        inner: ContentType,
        content: &[u8],
        padding: usize,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        const SMALL: Error = Error::Local(Local::Internal("no room for a record"));
        let length = self.sealed_len(content.len(), padding);
        let (header, body) = out
            .get_mut(..length)
            .and_then(|record| record.split_first_chunk_mut())
            .ok_or(SMALL)?;
        let [high, low] = u16::try_from(body.len())
            .map_err(|_| Local::TooLong)?
            .to_be_bytes();
        match self {
            Self::Plain { first } => {
                // rfc9846#5.1-14: the very first record says 0x0301, for servers that would refuse anything newer.
                // rfc9846#5.1-10, rfc9846#E.5-4, rfc9846#E.5-8
                let minor = if core::mem::take(first) { 1 } else { 3 };
                *header = [inner.code(), 3, minor, high, low];
                body.copy_from_slice(content);
            }
            Self::Protected(current) => {
                *header = [ContentType::ApplicationData.code(), 3, 3, high, low];
                if padding == 0 {
                    current.1.seal(header, content, &[inner.code()], body)?;
                } else {
                    // rfc9846#5.4-1: zeros behind the type.
                    let mut trailer = [0; limits::RECORD_PADDING];
                    let trailer = trailer.get_mut(..=padding).ok_or(SMALL)?;
                    if let Some(first) = trailer.first_mut() {
                        *first = inner.code();
                    }
                    current.1.seal(header, content, trailer, body)?;
                }
            }
            Self::Closed => return Err(NO_KEYS),
        }
        Ok(length)
    }
}

/// The receiving half of the record layer.
pub(crate) enum Opener {
    /// Before any key.
    Plain,
    /// Records under a traffic secret.
    Protected(Box<(TrafficSecret, OpeningKey)>),
    /// After an error: the keys are gone (rfc9846#6-2).
    Closed,
}

impl Opener {
    /// An opener for this secret.
    pub(crate) fn new(secret: TrafficSecret) -> Result<Self, Error> {
        let key = derive(&secret, OpeningKey::new)?;
        Ok(Self::Protected(Box::new((secret, key))))
    }

    /// Goes on to another secret. The place of the last is used again, which wipes it.
    pub(crate) fn rekey(&mut self, secret: TrafficSecret) -> Result<(), Error> {
        match self {
            Self::Plain | Self::Closed => *self = Self::new(secret)?,
            Self::Protected(current) => {
                let key = derive(&secret, OpeningKey::new)?;
                **current = (secret, key);
            }
        }
        Ok(())
    }

    /// Goes on to the next generation of keys (rfc9846#4.7.3-3): the old ones open nothing any more (rfc9846#4.7.3-8), and how
    /// often this happens is not counted (rfc9846#4.7.3-10).
    pub(crate) fn update(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain | Self::Closed => Err(NO_KEYS),
            Self::Protected(current) => {
                let next = current.0.next()?;
                self.rekey(next)
            }
        }
    }

    pub(crate) fn is_protected(&self) -> bool {
        matches!(self, Self::Protected(_))
    }

    /// Whether records are protected, but none came yet: the peer may not have got so far.
    pub(crate) fn is_unused(&self) -> bool {
        matches!(self, Self::Protected(current) if current.1.used() == 0)
    }

    /// Opens one whole record in place: the content type inside, and the content.
    ///
    /// `outer` is the type in the header; a ChangeCipherSpec never comes here. `most` is the limit of content, type and
    /// padding together.
    pub(crate) fn open<'a>(
        &mut self,
        outer: ContentType,
        record: &'a mut [u8],
        most: u16,
    ) -> Result<(ContentType, &'a mut [u8]), Error> {
        const SHORT: Error = Error::Local(Local::Internal("less than a record"));
        let (header, body) = record.split_first_chunk_mut::<HEADER>().ok_or(SHORT)?;
        let current = match self {
            // rfc9846#5.1-15: application data is never plain.
            Self::Plain if outer == ContentType::ApplicationData => {
                return Err(Fault::UnexpectedRecord {
                    content_type: outer.code(),
                }
                .into());
            }
            Self::Plain => return Ok((outer, body)),
            Self::Protected(current) => current,
            Self::Closed => return Err(NO_KEYS),
        };
        // rfc9846#5-5
        if outer != ContentType::ApplicationData {
            return Err(Fault::UnexpectedRecord {
                content_type: outer.code(),
            }
            .into());
        }
        // rfc9846#5.2-3: every failure to open is one and the same alert.
        let inner = current.1.open(header, body).map_err(|error| match error {
            pith_crypto::Error::Exhausted => Error::Local(Local::Exhausted),
            _ => Fault::BadRecordMac.into(),
        })?;
        // rfc9846#5.4-5, rfc8449#4-5
        if inner.len() > usize::from(most) {
            return Err(Fault::RecordOverflow {
                length: inner.len(),
            }
            .into());
        }
        // rfc9846#5.4-3, rfc9846#5.4-4: the last byte that is not zero is the type.
        let at = inner
            .iter()
            .rposition(|byte| *byte != 0)
            .ok_or(Fault::NoContentType)?;
        let (content, rest) = inner.split_at_mut_checked(at).ok_or(Fault::NoContentType)?;
        let code = rest.first().copied().unwrap_or(0);
        let inner =
            ContentType::from_code(code).ok_or(Fault::UnexpectedRecord { content_type: code })?;
        Ok((inner, content))
    }
}

/// The key of a traffic secret (RFC 9846 section 7.3); every copy on the way is wiped.
fn derive<K>(
    secret: &TrafficSecret,
    new: impl FnOnce(Aead, &[u8], &[u8]) -> Result<K, pith_crypto::Error>,
) -> Result<K, pith_crypto::Error> {
    let aead = secret.suite().aead();
    let mut key = Zeroizing::new([0; KEY_LEN_MAX]);
    let key = key
        .get_mut(..aead.key_len())
        .ok_or(pith_crypto::Error::Length)?;
    let mut iv = Zeroizing::new([0; IV_LEN]);
    secret.expand("key", key)?;
    secret.expand("iv", &mut *iv)?;
    new(aead, key, &*iv)
}

/// The longest key of any suite.
const KEY_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::secrets::HandshakeSecret;
    use crate::suite::CipherSuite;

    fn pair() -> (Sealer, Opener) {
        let secret = || {
            let shared = pith_crypto::SharedSecret::new(&[7; 32]).expect("short");
            let secret = HandshakeSecret::without_psk(CipherSuite::Aes128GcmSha256, &shared);
            secret
                .expect("derives")
                .traffic(&[7; 32])
                .expect("derives")
                .client
        };
        (
            Sealer::new(secret()).expect("keys"),
            Opener::new(secret()).expect("keys"),
        )
    }

    /// rfc9846#5.1-14: the first ClientHello alone has the older version.
    #[test]
    fn the_first_plain_record_says_another_version_than_the_next() {
        for (first, want) in [(true, [1, 3, 3]), (false, [3, 3, 3])] {
            let mut sealer = Sealer::Plain { first };
            for minor in want {
                let mut record = [0; HEADER + 2];
                let sealed = sealer.seal(ContentType::Handshake, b"hi", 0, &mut record);
                assert_eq!(sealed, Ok(record.len()));
                assert_eq!(&record[..], [&[22, 3, minor, 0, 2], &b"hi"[..]].concat());
            }
        }
    }

    #[test]
    fn an_opener_is_unused_from_its_keys_to_its_first_record() {
        let (mut sealer, mut opener) = pair();
        assert!(opener.is_unused());
        let mut record = vec![0; sealer.sealed_len(1, 0)];
        sealer
            .seal(ContentType::Alert, &[1], 0, &mut record)
            .expect("seals");
        opener
            .open(ContentType::ApplicationData, &mut record, 100)
            .expect("opens");
        assert!(!opener.is_unused());
        assert!(!Opener::Plain.is_unused());
        assert!(!Opener::Closed.is_unused());
    }

    /// rfc8449#4-5: content, type and padding count together.
    #[test]
    fn records_at_the_advertised_limit_open_and_one_byte_more_overflows() {
        for (content, padding, want) in [
            (99, 0, true),
            (100, 0, false),
            (50, 49, true),
            (50, 50, false),
        ] {
            let (mut sealer, mut opener) = pair();
            let mut record = vec![0; sealer.sealed_len(content, padding)];
            let length = sealer
                .seal(
                    ContentType::ApplicationData,
                    &vec![5; content],
                    padding,
                    &mut record,
                )
                .expect("seals");
            assert_eq!(length, record.len());
            let opened = opener.open(ContentType::ApplicationData, &mut record, 100);
            match opened {
                Ok((kind, bytes)) => {
                    assert!(want, "{content} and {padding}");
                    assert_eq!(
                        (kind, &*bytes),
                        (ContentType::ApplicationData, &vec![5; content][..])
                    );
                }
                Err(error) => {
                    assert!(!want, "{content} and {padding}");
                    assert_eq!(error, Fault::RecordOverflow { length: 101 }.into());
                }
            }
        }
    }
}

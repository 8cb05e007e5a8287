//! Keys of QUIC packets, for QUIC stacks of other make (RFC 9001 section 5, RFC 9369).

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;

use ::pith_quic::Version;
use pith_crypto::aead::{IV_LEN, TAG_LEN};
use pith_crypto::hkdf::{expand_label, extract};
use pith_crypto::{
    Error, Hash, HeaderKey, PacketOpeningKey, PacketSealingKey, Secret, Wiped, packet,
};
use pith_tls::CipherSuite;

use crate::arguments::{Count, Why, list, room};
use crate::error::{Failure, PITH_LOCAL, PITH_NOT_AUTHENTIC, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::panic::contain_or;

/// What protects the packets that one side sends at one level: a key, its IV and the key of header protection. Use it for one direction: either to seal or to open. One thread at a time.
pub struct pith_packet_keys(Guarded<Keys>);

pub(crate) struct Keys {
    version: Version,
    suite: CipherSuite,
    secret: Secret,
    sealing: PacketSealingKey,
    opening: PacketOpeningKey,
    /// The first packet number that was not sealed.
    next: u64,
    header: HeaderKey,
    /// What it was made of: it stays as it is through updates.
    header_bytes: Wiped<32>,
}

impl Handle for pith_packet_keys {
    type Inner = Keys;
    fn guarded(&mut self) -> &mut Guarded<Keys> {
        &mut self.0
    }
}

/// QUIC version 1 (RFC 9000).
pub const PITH_QUIC_V1: u32 = 0x0000_0001;
/// QUIC version 2 (RFC 9369).
pub const PITH_QUIC_V2: u32 = 0x6b33_43cf;

/// Bytes by which a sealed payload is longer.
pub const PITH_PACKET_TAG: usize = 16;
/// Bytes of a sample for header protection.
pub const PITH_PACKET_SAMPLE: usize = 16;
/// Bytes of a mask for header protection.
pub const PITH_PACKET_MASK: usize = 5;

fn version_of(number: u32) -> Result<Version, Failure> {
    Version::from_number(number)
        .ok_or_else(|| Failure::argument("the version is none of PITH_QUIC_V"))
}

impl Keys {
    fn new(version: Version, suite: CipherSuite, secret: Secret) -> Result<Self, Error> {
        let header = expand(
            suite,
            &secret,
            version.labels().header,
            suite.aead().key_len(),
        )?;
        Self::with_header(version, suite, secret, header)
    }

    fn with_header(
        version: Version,
        suite: CipherSuite,
        secret: Secret,
        header_bytes: Wiped<32>,
    ) -> Result<Self, Error> {
        let aead = suite.aead();
        let key: Wiped<32> = expand(suite, &secret, version.labels().key, aead.key_len())?;
        let iv: Wiped<IV_LEN> = expand(suite, &secret, version.labels().iv, IV_LEN)?;
        Ok(Self {
            sealing: PacketSealingKey::new(aead, key.expose(), iv.expose(), u64::MAX)?,
            opening: PacketOpeningKey::new(aead, key.expose(), iv.expose())?,
            next: 0,
            header: HeaderKey::new(aead, header_bytes.expose())?,
            header_bytes,
            version,
            suite,
            secret,
        })
    }

    fn updated(&self) -> Result<Self, Error> {
        let hash = self.suite.hash();
        let secret = Secret::filled(hash.len(), |out| {
            expand_label(hash, &self.secret, self.version.labels().update, &[], out)
        })?;
        let header = Wiped::new(self.header_bytes.expose())?;
        Self::with_header(self.version, self.suite, secret, header)
    }
}

fn expand<const N: usize>(
    suite: CipherSuite,
    secret: &Secret,
    label: &str,
    len: usize,
) -> Result<Wiped<N>, Error> {
    Wiped::filled(len, |out| {
        expand_label(suite.hash(), secret, label, &[], out)
    })
}

/// Makes the keys of the Initial packets that the server (`of_server` not 0) or the client sends. `id` is the destination connection id of the client's first Initial packet, or after a Retry
/// the source of that. Anybody who sees the id has these keys. `*out` is yours to free with pith_packet_keys_free.
///
/// Errors: PITH_ARGUMENT for another version, or an id of more than 20 bytes.
///
/// # Safety
/// There are `len` bytes at `id`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_keys_initial(
    out: Option<&mut MaybeUninit<*mut pith_packet_keys>>,
    version: u32,
    id: *const u8,
    len: usize,
    of_server: u8,
) -> i32 {
    make(out, || {
        // SAFETY: the caller's duty.
        let id = unsafe { list(id, len) }?;
        let version = version_of(version)?;
        if id.len() > 20 {
            return Err(Failure::argument("a connection id has at most 20 bytes"));
        }
        let label = match of_server {
            0 => "client in",
            _ => "server in",
        };
        let initial = extract(Hash::Sha256, version.initial_salt(), id).map_err(failed)?;
        let secret = Secret::filled(Hash::Sha256.len(), |out| {
            expand_label(Hash::Sha256, &initial, label, &[], out)
        });
        let suite = CipherSuite::Aes128GcmSha256;
        Keys::new(version, suite, secret.map_err(failed)?).map_err(failed)
    })
}

/// Makes keys of a secret of pith_engine_next, which is copied: wipe yours. `*out` is yours to free with pith_packet_keys_free.
///
/// Errors: PITH_ARGUMENT for another version, a suite that is not there, or a secret of another length than the suite's hash.
///
/// # Safety
/// There are `len` bytes at `secret`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_keys_new(
    out: Option<&mut MaybeUninit<*mut pith_packet_keys>>,
    version: u32,
    suite: u16,
    secret: *const u8,
    len: usize,
) -> i32 {
    make(out, || {
        // SAFETY: the caller's duty.
        let secret = unsafe { list(secret, len) }?;
        let version = version_of(version)?;
        let suite = CipherSuite::from_code(suite)
            .ok_or_else(|| Failure::argument("the suite is none of PITH_SUITE_"))?;
        if secret.len() != suite.hash().len() {
            return Err(Failure::argument(
                "a secret is as long as what the suite's hash gives",
            ));
        }
        let secret = Secret::new(secret).map_err(failed)?;
        Keys::new(version, suite, secret).map_err(failed)
    })
}

/// Makes the keys that follow these in a key update (RFC 9001 section 6); header protection stays as it is. `keys` may be freed before or after.
///
/// # Safety
/// Nothing but valid pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_keys_update(
    out: Option<&mut MaybeUninit<*mut pith_packet_keys>>,
    keys: Option<&pith_packet_keys>,
) -> i32 {
    make(out, || {
        let keys = keys.ok_or_else(|| Failure::null("the keys"))?;
        let keys = keys.0.peek();
        let keys =
            keys.ok_or_else(|| Failure::new(crate::error::PITH_PANIC, crate::panic::PANICKED))?;
        keys.updated().map_err(failed)
    })
}

fn make(
    out: Option<&mut MaybeUninit<*mut pith_packet_keys>>,
    keys: impl FnOnce() -> Result<Keys, Failure>,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(ptr::null_mut(), 0) };
    create(out, why, || {
        keys().map(|keys| pith_packet_keys(Guarded::new(keys)))
    })
}

/// Frees keys and wipes them. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_packet_keys_free(keys: Option<Box<pith_packet_keys>>) {
    free(keys);
}

/// The text of the last error of a function with these keys, until the next; NULL if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_packet_keys_error(keys: Option<&pith_packet_keys>) -> *const c_char {
    contain_or(ptr::null(), || {
        keys.map_or(ptr::null(), |keys| keys.0.text())
    })
}

/// Seals a packet's payload in place: `len` is that of the plaintext and PITH_PACKET_TAG, the room for the tag behind it. `header` is the packet's header before it is
/// protected. Packet numbers go up: none is sealed twice.
///
/// Errors: PITH_MISUSE for a number that is not above the last; PITH_LOCAL once the key has protected as many packets as it may: update the keys before. Nothing was
/// written then.
///
/// # Safety
/// There are `header_len` bytes at `header`, and `len` to write to at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_seal(
    keys: Option<&mut pith_packet_keys>,
    number: u64,
    header: *const u8,
    header_len: usize,
    payload: *mut u8,
    len: usize,
) -> i32 {
    enter(keys, |keys| {
        // SAFETY: the caller's duty.
        let header = unsafe { list(header, header_len) }?;
        // SAFETY: the caller's duty.
        let payload = unsafe { room(payload, len) }?;
        if payload.len() < TAG_LEN {
            return Err(Failure::too_small(TAG_LEN, payload.len()));
        }
        if number < keys.next || number == u64::MAX {
            return Err(Failure::misuse("this packet number was sealed, or passed"));
        }
        keys.sealing.seal(number, header, payload).map_err(failed)?;
        keys.next = number.saturating_add(1);
        Ok(PITH_OK)
    })
}

/// Opens a packet's payload in place and sets `*opened` to the length of its plaintext. `header` is the packet's header without its protection. Count failures over all
/// keys of a connection: past 2^36 of ChaCha20-Poly1305 or 2^52 of AES-GCM it must end (RFC 9001 section 6.6).
///
/// Errors: PITH_NOT_AUTHENTIC if it was not sealed like this, after which `payload` holds nothing of use.
///
/// # Safety
/// There are `header_len` bytes at `header`, and `len` to write to at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_open(
    keys: Option<&mut pith_packet_keys>,
    number: u64,
    header: *const u8,
    header_len: usize,
    payload: *mut u8,
    len: usize,
    opened: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(keys, |keys| {
        let mut opened = Count::new(opened)?;
        // SAFETY: the caller's duty.
        let header = unsafe { list(header, header_len) }?;
        // SAFETY: the caller's duty.
        let payload = unsafe { room(payload, len) }?;
        match keys.opening.open(number, header, payload) {
            Ok(plaintext) => {
                opened.set(plaintext.len());
                Ok(PITH_OK)
            }
            Err(error) => Err(Failure::new(PITH_NOT_AUTHENTIC, error.to_string())),
        }
    })
}

/// Writes the mask that goes with a sample of the sealed payload, PITH_PACKET_SAMPLE bytes, to `mask`, which has room for PITH_PACKET_MASK (RFC 9001 section 5.4).
///
/// # Safety
/// There are PITH_PACKET_SAMPLE bytes at `sample`, and PITH_PACKET_MASK to write to at `mask`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_header_mask(
    keys: Option<&mut pith_packet_keys>,
    sample: *const u8,
    mask: *mut u8,
) -> i32 {
    enter(keys, |keys| {
        // SAFETY: the caller's duty.
        let sample = unsafe { list(sample, PITH_PACKET_SAMPLE) }?;
        // SAFETY: the caller's duty.
        let mask = unsafe { room(mask, PITH_PACKET_MASK) }?;
        let sample = sample.first_chunk().ok_or_else(wrong_length)?;
        mask.copy_from_slice(&keys.header.mask(sample).map_err(failed)?);
        Ok(PITH_OK)
    })
}

/// Writes the tag of a Retry packet to `tag`, PITH_PACKET_TAG bytes. `packet` is the pseudo-packet: the length and the bytes of the connection id that the client's first packet
/// was sent to, and the Retry packet without its tag (RFC 9001 section 5.8).
///
/// # Safety
/// There are `len` bytes at `packet`, and PITH_PACKET_TAG to write to at `tag`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_packet_retry_tag(
    version: u32,
    packet: *const u8,
    len: usize,
    tag: *mut u8,
) -> i32 {
    let made = crate::panic::contain(|| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(packet, len) }?;
        // SAFETY: the caller's duty.
        let tag = unsafe { room(tag, PITH_PACKET_TAG) }?;
        let version = version_of(version)?;
        let (key, nonce) = version.retry_key();
        let made = packet::retry_tag(key, nonce, bytes);
        tag.copy_from_slice(&made.map_err(failed)?);
        Ok(PITH_OK)
    });
    made.unwrap_or_else(|failure| failure.status)
}

fn wrong_length() -> Failure {
    Failure::argument("a sample has PITH_PACKET_SAMPLE bytes")
}

const _: () = assert!(
    PITH_PACKET_TAG == TAG_LEN
        && PITH_PACKET_SAMPLE == pith_crypto::header_mask::SAMPLE_LEN
        && PITH_PACKET_MASK == pith_crypto::header_mask::MASK_LEN
);

fn failed(error: Error) -> Failure {
    Failure::new(PITH_LOCAL, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_versions_are_those_of_the_table() {
        for (number, version) in [(PITH_QUIC_V1, Version::V1), (PITH_QUIC_V2, Version::V2)] {
            assert_eq!(version.number(), number, "{version:?}");
        }
    }
}

//! What this side shows: chains, raw public keys, pre-shared keys.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use std::sync::Arc;

use pith_tls::{
    Credential, ExternalPsk, Hash, Role, Signature, SignatureScheme, Signer,
    SubjectPublicKeyInfoDer, role_context,
};
use zeroize::Zeroizing;

use super::certificates;
use crate::arguments::{Struct, Why, list, options, pith_bytes, room};
use crate::error::{Failure, PITH_CONFIG, PITH_OK};
use crate::handle::{create, free};
use crate::panic::contain;

/// A certificate chain or a raw public key, and who signs for it. Made once, shared by threads and configurations; those keep what they need, so free
/// it whenever you like.
pub struct pith_identity(pub(crate) Credential);

/// What to show. Either `chain_pem` or, for a raw public key (RFC 7250), none. Either `key_pem` or, for a key that is elsewhere, `schemes`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_identity_options {
    /// sizeof(pith_identity_options).
    pub size: usize,
    /// The chain in PEM, the leaf first.
    pub chain_pem: pith_bytes,
    /// The private key in PEM, not encrypted: PKCS#8, SEC 1 or PKCS#1. Wipe your copy when you like.
    pub key_pem: pith_bytes,
    /// For a key that is elsewhere: the codes of the schemes that it can sign with (SignatureScheme in the registry), most wanted first. Each
    /// signature is asked for as a question, PITH_QUESTION_SIGN.
    pub schemes: *const u16,
    /// How many schemes.
    pub scheme_count: usize,
    /// For a raw public key that is elsewhere: the SubjectPublicKeyInfo in DER.
    pub public_key_der: pith_bytes,
    /// An OCSP response to staple to the leaf, in DER.
    pub ocsp_response: pith_bytes,
    /// Not 0: shown only to peers that name a CA of its chain among those that they trust.
    pub must_match_issuer: u8,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_identity_options {}

/// Makes an identity. `*out` is yours to free with pith_identity_free, and NULL if it fails.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_identity_new(
    out: Option<&mut MaybeUninit<*mut pith_identity>>,
    given: *const pith_identity_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        let credential = unsafe { credential(&given) }?;
        // SAFETY: the caller's duty.
        let ocsp = unsafe { given.ocsp_response.get() }?;
        let credential = credential.with_ocsp(ocsp);
        Ok(pith_identity(match given.must_match_issuer {
            0 => credential,
            _ => credential.must_match_issuer(),
        }))
    })
}

/// Writes the pin of the identity's key to `pin`, 32 bytes: what the peer gives to pith_trust_options.pins.
///
/// # Safety
/// There are 32 bytes at `pin`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_identity_pin(identity: Option<&pith_identity>, pin: *mut u8) -> i32 {
    contain(|| {
        let identity = identity.ok_or_else(|| Failure::null("the identity"))?;
        // SAFETY: the caller's duty.
        let pin = unsafe { room(pin, 32) }?;
        pin.copy_from_slice(&identity.0.key_pin());
        Ok(PITH_OK)
    })
    .unwrap_or_else(|failure| failure.status)
}

/// Frees an identity. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_identity_free(identity: Option<Box<pith_identity>>) {
    free(identity);
}

/// # Safety
/// As [`list`].
unsafe fn credential(given: &pith_identity_options) -> Result<Credential, Failure> {
    // SAFETY: as for this function.
    let chain = unsafe { given.chain_pem.get() }?;
    // SAFETY: as for this function.
    let key = unsafe { given.key_pem.get() }?;
    // SAFETY: as for this function.
    let schemes = unsafe { list(given.schemes, given.scheme_count) }?;
    // SAFETY: as for this function.
    let public = unsafe { given.public_key_der.get() }?;
    let elsewhere = || {
        let schemes = schemes.iter().map(|code| SignatureScheme(*code)).collect();
        Arc::new(Elsewhere(schemes))
    };
    Ok(match (chain, key, schemes, public) {
        (_, [], [], _) => {
            return Err(Failure::new(
                PITH_CONFIG,
                "an identity has key_pem, or the schemes of a key that is elsewhere",
            ));
        }
        ([], key, [], []) => Credential::raw_key_from_pem(key)?,
        (chain, key, [], []) => Credential::from_pem(chain, key)?,
        ([], [], _, public) if !public.is_empty() => Credential::raw_key_with_signer(
            SubjectPublicKeyInfoDer::from(public.to_vec()),
            elsewhere(),
        )?,
        (chain, [], _, []) if !chain.is_empty() => {
            Credential::with_signer(certificates(chain)?, elsewhere())?
        }
        _ => {
            return Err(Failure::new(
                PITH_CONFIG,
                "an identity has either key_pem or schemes, and public_key_der for a raw key with schemes alone",
            ));
        }
    })
}

/// Signs by a question to the caller.
struct Elsewhere(Vec<SignatureScheme>);

impl Signer for Elsewhere {
    fn schemes(&self) -> &[SignatureScheme] {
        &self.0
    }

    fn sign(&self, _: SignatureScheme, _: &[u8]) -> Signature {
        Signature::Later
    }
}

/// A pre-shared key that both sides were given outside of TLS (RFC 9258). Shared by configurations; those keep what they need, so free it whenever
/// you like. The key is wiped then.
pub struct pith_psk {
    role: Role,
    identity: Box<[u8]>,
    context: Vec<u8>,
    hash: Hash,
    key: Zeroizing<Vec<u8>>,
}

/// A pre-shared key. Both sides give the same, but for `is_server`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_psk_options {
    /// sizeof(pith_psk_options).
    pub size: usize,
    /// Not 0: for servers. A key is for one role of this side.
    pub is_server: u8,
    /// Not 0: SHA-384 belongs to the key, and not SHA-256.
    pub sha384: u8,
    /// The name of the key, which anybody on the way can read.
    pub identity: pith_bytes,
    /// At least 16 random bytes, which are no password.
    pub key: pith_bytes,
    /// Who the client is, at most 255 bytes. Part of the context, as is the server's name, so that nobody can be made to talk to itself.
    pub client_name: pith_bytes,
    /// Who the server is, at most 255 bytes.
    pub server_name: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_psk_options {}

/// Makes a pre-shared key. `*out` is yours to free with pith_psk_free, and NULL if it fails.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_psk_new(
    out: Option<&mut MaybeUninit<*mut pith_psk>>,
    given: *const pith_psk_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        let identity = unsafe { given.identity.get() }?;
        // SAFETY: the caller's duty.
        let key = unsafe { given.key.get() }?;
        // SAFETY: the caller's duty.
        let client = unsafe { given.client_name.get() }?;
        // SAFETY: the caller's duty.
        let server = unsafe { given.server_name.get() }?;
        let psk = pith_psk {
            role: match given.is_server {
                0 => Role::Client,
                _ => Role::Server,
            },
            identity: identity.into(),
            context: role_context(client, server)?,
            hash: match given.sha384 {
                0 => Hash::Sha256,
                _ => Hash::Sha384,
            },
            key: Zeroizing::new(key.to_vec()),
        };
        psk.make()?;
        Ok(psk)
    })
}

/// Frees a pre-shared key. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_psk_free(psk: Option<Box<pith_psk>>) {
    free(psk);
}

impl pith_psk {
    /// The key as the core takes it, which it does not share.
    pub(crate) fn make(&self) -> Result<ExternalPsk, Failure> {
        let (identity, context) = (&self.identity, &self.context);
        let psk = ExternalPsk::new(self.role, identity, context, &self.key, self.hash)?;
        Ok(psk)
    }
}

//! What one side believes of the other.

use core::ffi::c_char;
use core::mem::MaybeUninit;

use pith_tls::{Crls, Trust};

use crate::arguments::{Struct, Why, list, options, pith_bytes};
use crate::error::{Failure, PITH_CONFIG};
use crate::handle::{create, free};

/// What a peer must show to be believed. There is no way to believe everybody. Made once, shared by threads, copied into the configurations that
/// are made with it: free it whenever you like.
pub struct pith_trust(pub(crate) Trust);

/// What to trust. Exactly one of `roots_pem`, `system_roots`, `pins` and `psk_only`. Nothing of it is kept.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_trust_options {
    /// sizeof(pith_trust_options).
    pub size: usize,
    /// CA certificates in PEM, one after the other.
    pub roots_pem: pith_bytes,
    /// Not 0: the CA certificates of this machine, or those of the file that SSL_CERT_FILE names.
    pub system_roots: u8,
    /// Not 0: no certificate and no public key at all, but the pre-shared keys of the configuration.
    pub psk_only: u8,
    /// Keys that are known in advance: of each the SHA-256 of its SubjectPublicKeyInfo in DER, 32 bytes, one after the other.
    pub pins: *const u8,
    /// How many pins.
    pub pin_count: usize,
    /// With roots: revocation lists in PEM. A certificate that they name, or leave in doubt, is refused.
    pub crls_pem: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_trust_options {}

/// Makes a trust. `*out` is yours to free with pith_trust_free, and NULL if it fails.
///
/// Errors: PITH_CONFIG, with the reason in `why`: at most `why_size` bytes, cut to fit, always ending in NUL; `why` may be NULL. PITH_NULL and PITH_ARGUMENT.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_trust_new(
    out: Option<&mut MaybeUninit<*mut pith_trust>>,
    given: *const pith_trust_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        let trust = unsafe { trust(&given) }?;
        // SAFETY: the caller's duty.
        let crls = unsafe { given.crls_pem.get() }?;
        let trust = match crls {
            [] => trust,
            crls => trust.with_crls(Crls::from_pem(crls)?)?,
        };
        Ok(pith_trust(trust))
    })
}

/// Frees a trust. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_trust_free(trust: Option<Box<pith_trust>>) {
    free(trust);
}

/// # Safety
/// As [`list`].
unsafe fn trust(given: &pith_trust_options) -> Result<Trust, Failure> {
    // SAFETY: as for this function.
    let roots = unsafe { given.roots_pem.get() }?;
    let pins: &[[u8; 32]] =
        // SAFETY: as for this function; an array of bytes lies anywhere.
        unsafe { list(given.pins.cast(), given.pin_count) }?;
    match (roots, given.system_roots, pins, given.psk_only) {
        (roots, 0, [], 0) if !roots.is_empty() => Ok(Trust::roots_from_pem(roots)?),
        ([], 0, [], psk_only) if psk_only != 0 => Ok(Trust::PreSharedKeys),
        ([], system, [], 0) if system != 0 => system_roots(),
        ([], 0, pins, 0) if !pins.is_empty() => Ok(Trust::pinned_keys(pins.iter().copied())?),
        _ => Err(Failure::new(
            PITH_CONFIG,
            "exactly one of roots_pem, system_roots, pins and psk_only says what is trusted",
        )),
    }
}

/// The CA certificates of this machine. Some stores hold a few that nobody can use; those are left out.
fn system_roots() -> Result<Trust, Failure> {
    let loaded = rustls_native_certs::load_native_certs();
    let usable =
        |certificate: &_| Trust::roots_from_der(core::slice::from_ref(certificate)).is_ok();
    let certificates: Vec<_> = loaded.certs.into_iter().filter(usable).collect();
    Trust::roots_from_der(&certificates).map_err(|_| {
        Failure::new(
            PITH_CONFIG,
            "this machine has no CA certificates: install them (the package ca-certificates), or name a file in SSL_CERT_FILE",
        )
    })
}

//! The calls of BoringSSL's for which the crate boring has no safe form: early data, ticket keys, imported keys, raw public keys.

use std::ffi::CStr;

use boring::error::ErrorStack;
use boring::pkey::{PKeyRef, Private, Public};
use boring::ssl::{Ssl, SslContextBuilder, SslCredential, SslRef, SslSession};
use boring_sys as ffi;
use foreign_types::{ForeignType, ForeignTypeRef};

/// Lets connections send early data, or take it.
pub fn enable_early_data(ssl: &mut Ssl) {
    // SAFETY: the pointer is to a live SSL, which nobody else uses.
    unsafe { ffi::SSL_set_early_data_enabled(ssl.as_ptr(), 1) }
}

/// Seals tickets under these bytes.
pub fn set_ticket_keys(builder: &mut SslContextBuilder, keys: &[u8; 48]) -> Result<(), ErrorStack> {
    // SAFETY: the pointers are to a live SSL_CTX and to as many bytes as the length says, which are copied.
    let set = unsafe {
        ffi::SSL_CTX_set_tlsext_ticket_keys(builder.as_ptr(), keys.as_ptr().cast(), keys.len())
    };
    checked(set == 1)
}

/// Offers to resume this session.
pub fn offer(ssl: &mut Ssl, session: &SslSession) -> Result<(), ErrorStack> {
    // SAFETY: BoringSSL takes a session of any context, unlike what boring says of OpenSSL.
    unsafe { ssl.set_session(session) }
}

/// Whether early data may be read or written now.
pub fn in_early_data(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is to a live SSL.
    unsafe { ffi::SSL_in_early_data(ssl.as_ptr()) == 1 }
}

/// Whether early data was accepted.
pub fn accepted_early_data(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is to a live SSL.
    unsafe { ffi::SSL_early_data_accepted(ssl.as_ptr()) == 1 }
}

/// Goes on after early data was rejected, which is the error [`EARLY_DATA_REJECTED`].
pub fn reset_rejected_early_data(ssl: &mut SslRef) {
    // SAFETY: the pointer is to a live SSL, which nobody else uses and which has just said so.
    unsafe { ffi::SSL_reset_early_data_reject(ssl.as_ptr()) }
}

/// Why early data was accepted or rejected, in BoringSSL's words.
pub fn early_data_reason(ssl: &SslRef) -> String {
    // SAFETY: the pointer is to a live SSL, and the text is a constant.
    let text = unsafe {
        let reason = ffi::SSL_get_early_data_reason(ssl.as_ptr());
        CStr::from_ptr(ffi::SSL_early_data_reason_string(reason))
    };
    text.to_string_lossy().into_owned()
}

/// A key that BoringSSL imports (RFC 9258), of SHA-256.
pub fn imported(key: &[u8], identity: &[u8], context: &[u8]) -> Result<SslCredential, ErrorStack> {
    // SAFETY: each pointer is to as many bytes as the length behind it says, which are copied. What is returned is owned.
    unsafe {
        let credential = ffi::SSL_CREDENTIAL_new_pre_shared_key(
            key.as_ptr(),
            key.len(),
            identity.as_ptr(),
            identity.len(),
            ffi::EVP_sha256(),
            context.as_ptr(),
            context.len(),
        );
        checked(!credential.is_null())?;
        Ok(SslCredential::from_ptr(credential))
    }
}

/// A key to show in place of certificates (RFC 7250).
pub fn raw(key: &PKeyRef<Private>) -> Result<SslCredential, ErrorStack> {
    // SAFETY: the pointer is to a live key, which the credential takes part in. What is returned is owned.
    unsafe {
        let credential = ffi::SSL_CREDENTIAL_new_raw_public_key(key.as_ptr());
        checked(!credential.is_null())?;
        Ok(SslCredential::from_ptr(credential))
    }
}

/// Takes raw public keys from the other side, and nothing else.
pub fn accept_raw(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let types = [u8::try_from(ffi::TLSEXT_cert_type_rpk).unwrap_or_default()];
    // SAFETY: the pointers are to a live SSL_CTX and to as many bytes as the length says, which are copied.
    let set = unsafe {
        ffi::SSL_CTX_set1_accepted_peer_cert_types(builder.as_ptr(), types.as_ptr(), types.len())
    };
    checked(set == 1)
}

/// The raw public key that the other side showed, as its SubjectPublicKeyInfo.
pub fn raw_key_of_peer(ssl: &SslRef) -> Option<Vec<u8>> {
    // SAFETY: the pointer is to a live SSL, and what it returns lives as long.
    let key: &PKeyRef<Public> = unsafe {
        let key = ffi::SSL_get0_peer_rpk(ssl.as_ptr());
        (!key.is_null()).then(|| PKeyRef::from_ptr(key))?
    };
    key.public_key_to_der().ok()
}

fn checked(good: bool) -> Result<(), ErrorStack> {
    if good { Ok(()) } else { Err(ErrorStack::get()) }
}

/// What SSL_get_error says after early data was rejected.
pub const EARLY_DATA_REJECTED: i32 = ffi::SSL_ERROR_EARLY_DATA_REJECTED;

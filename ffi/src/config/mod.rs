//! Configurations, and what they are made of. Everything here is made once, never changes, and may be shared by threads.

mod client;
mod credential;
mod server;
mod session;
mod trust;

use core::ffi::{c_char, c_void};
use std::sync::Arc;

use pith_tls::{
    CertificateDer, ChainVerifier, CipherSuite, Credential, ExternalPsk, Group, KeyLog, PeerChain,
    Policy, Verdict,
};
use zeroize::Zeroizing;

use crate::arguments::{list, object, pith_bytes, string};
use crate::error::{Failure, PITH_CONFIG};

pub use client::*;
pub use credential::*;
pub use server::*;
pub use session::*;
pub use trust::*;

/// Takes a line of a key log, NUL-terminated and without its end; it is wiped when the function returns. Called on the thread that uses the
/// connection, and by several at once if several use connections of one configuration. Must not call libpith with that connection.
pub type pith_key_log_fn = Option<unsafe extern "C" fn(user: *mut c_void, line: *const c_char)>;

/// The policy of this name; the newest general one for NULL.
///
/// # Safety
/// As [`string`].
pub(crate) unsafe fn policy(name: *const c_char) -> Result<Option<&'static Policy>, Failure> {
    // SAFETY: as for this function.
    let Some(name) = unsafe { string(name) }? else {
        return Ok(None);
    };
    let names = || pith_tls::policy::ALL.map(|policy| policy.name).join(", ");
    Policy::by_name(name).map(Some).ok_or_else(|| {
        Failure::new(
            PITH_CONFIG,
            format!("no policy has this name: there are {}", names()),
        )
    })
}

/// Groups by their codes in the registry; none for an empty list, which stands for the policy's.
///
/// # Safety
/// As [`list`].
pub(crate) unsafe fn groups(codes: *const u16, len: usize) -> Result<Option<Vec<Group>>, Failure> {
    // SAFETY: as for this function.
    let codes = unsafe { list(codes, len) }?;
    named(codes, "group", Group::from_code)
}

/// Cipher suites by their codes in the registry; none for an empty list, which stands for the policy's.
///
/// # Safety
/// As [`list`].
pub(crate) unsafe fn suites(
    codes: *const u16,
    len: usize,
) -> Result<Option<Vec<CipherSuite>>, Failure> {
    // SAFETY: as for this function.
    let codes = unsafe { list(codes, len) }?;
    named(codes, "cipher suite", CipherSuite::from_code)
}

fn named<T>(
    codes: &[u16],
    what: &str,
    find: impl Fn(u16) -> Option<T>,
) -> Result<Option<Vec<T>>, Failure> {
    if codes.is_empty() {
        return Ok(None);
    }
    let unknown = |code| {
        Failure::new(
            PITH_CONFIG,
            format!("libpith has no {what} with the code {code:#06x}"),
        )
    };
    let items = codes
        .iter()
        .map(|code| find(*code).ok_or_else(|| unknown(*code)));
    items.collect::<Result<_, _>>().map(Some)
}

/// Application protocols.
///
/// # Safety
/// As [`list`], for the list and for each name in it.
pub(crate) unsafe fn protocols<'a>(
    names: *const pith_bytes,
    len: usize,
) -> Result<Vec<&'a [u8]>, Failure> {
    // SAFETY: as for this function.
    let names = unsafe { list(names, len) }?;
    // SAFETY: as for this function.
    let name = |name: &pith_bytes| unsafe { name.get() };
    names.iter().map(name).collect()
}

/// The objects behind a list of pointers.
///
/// # Safety
/// As [`list`] and [`object`].
pub(crate) unsafe fn objects<'a, T>(
    pointers: *const *const T,
    len: usize,
) -> Result<Vec<&'a T>, Failure> {
    // SAFETY: as for this function.
    let pointers = unsafe { list(pointers, len) }?;
    let one = |pointer: &*const T| {
        // SAFETY: as for this function.
        let object = unsafe { object(*pointer) };
        object.ok_or_else(|| Failure::null("an object in a list"))
    };
    pointers.iter().map(one).collect()
}

/// A key log that goes to the caller.
pub(crate) fn key_log(write: pith_key_log_fn, user: *mut c_void) -> Option<KeyLog> {
    let write = write?;
    let user = User(user);
    Some(KeyLog::new(move |line| {
        let user = &user;
        let mut text = Zeroizing::new(Vec::with_capacity(line.len().saturating_add(1)));
        text.extend_from_slice(line.as_bytes());
        text.push(0);
        // SAFETY: the header asks for a function that can be called on any thread, with this pointer, as long as the configuration
        // or a connection of it lives; the text ends in NUL.
        unsafe { write(user.0, text.as_ptr().cast()) };
    }))
}

/// What the caller wants to see again in a callback.
struct User(*mut c_void);

// SAFETY: libpith never looks behind it, and the header asks for a callback that may run on any thread.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

/// Puts each chain that is trusted before the caller as a question.
struct AskAboutChain;

impl ChainVerifier for AskAboutChain {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        Verdict::Later
    }
}

fn ask_about_chain() -> Arc<dyn ChainVerifier> {
    Arc::new(AskAboutChain)
}

/// Calls a method of a builder where an option is there.
macro_rules! with {
    ($builder:ident, $($method:ident = $option:expr;)+) => {
        $(if let Some(option) = $option { $builder = $builder.$method(option); })+
    };
}

use with;

type Credentials<'a> = Vec<&'a Credential>;

/// # Safety
/// As [`objects`].
unsafe fn credentials<'a>(
    pointers: *const *const pith_identity,
    len: usize,
) -> Result<Credentials<'a>, Failure> {
    // SAFETY: as for this function.
    let identities = unsafe { objects(pointers, len) }?;
    Ok(identities.iter().map(|identity| &identity.0).collect())
}

/// # Safety
/// As [`objects`].
unsafe fn psks(pointers: *const *const pith_psk, len: usize) -> Result<Vec<ExternalPsk>, Failure> {
    // SAFETY: as for this function.
    let psks = unsafe { objects(pointers, len) }?;
    psks.iter().map(|psk| psk.make()).collect()
}

/// Certificates of a PEM file.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    use pki_types::pem::PemObject;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Failure::new(
            PITH_CONFIG,
            "no certificate in PEM can be read where a chain is wanted",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header promises C programs that threads may share these.
    #[test]
    fn what_configurations_are_made_of_may_be_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<(pith_client_config, pith_server_config)>();
        shared::<(pith_trust, pith_identity, pith_psk)>();
        shared::<(pith_sessions, pith_tickets, pith_strikes)>();
    }
}

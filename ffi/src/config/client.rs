//! A client's configuration.

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use std::sync::Arc;

use pith_tls::{ClientConfig, RawKeys};

use super::{
    ask_about_chain, credentials, groups, key_log, pith_identity, pith_key_log_fn, pith_psk,
    pith_sessions, pith_trust, policy, protocols, psks, suites, with,
};
use crate::arguments::{Struct, Why, object, options, pith_bytes, string};
use crate::error::{Failure, PITH_CONFIG};
use crate::handle::{create, free};

/// A client's configuration. It never changes, and any number of threads may use it at once. Connections keep what they need: free it whenever you
/// like.
pub struct pith_client_config(pub(crate) Arc<ClientConfig>);

/// What a client trusts and offers. All but `trust` may be 0 or NULL, which stands for the default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_client_options {
    /// sizeof(pith_client_options).
    pub size: usize,
    /// What a server must show to be believed.
    pub trust: *const pith_trust,
    /// The name of a policy, such as "V2026_11_PQ_ONLY"; NULL for "V2026_11". The lists below can only narrow it.
    pub policy: *const c_char,
    /// Codes of groups, most wanted first (PITH_GROUP_).
    pub groups: *const u16,
    /// How many groups.
    pub group_count: usize,
    /// Codes of the groups to send key shares of, among the groups. By default the first post-quantum and the first classical one.
    pub shares: *const u16,
    /// How many shares.
    pub share_count: usize,
    /// Codes of cipher suites, most wanted first (PITH_SUITE_).
    pub suites: *const u16,
    /// How many suites.
    pub suite_count: usize,
    /// Application protocols (ALPN), most wanted first, such as "h2".
    pub alpn: *const pith_bytes,
    /// How many protocols.
    pub alpn_count: usize,
    /// What to show to servers that ask who the client is.
    pub identities: *const *const pith_identity,
    /// How many identities.
    pub identity_count: usize,
    /// Pre-shared keys.
    pub psks: *const *const pith_psk,
    /// How many pre-shared keys.
    pub psk_count: usize,
    /// Where sessions are kept to resume them; by default nowhere.
    pub sessions: *const pith_sessions,
    /// A text that keeps this configuration's sessions apart from those of others in one store.
    pub session_scope: *const c_char,
    /// Receives the secrets of connections, to decrypt what was recorded. For debugging.
    pub key_log: pith_key_log_fn,
    /// What `key_log` is called with. It must be good on each thread, as long as the configuration or a connection of it is there.
    pub key_log_user: *mut c_void,
    /// To whose multiple records are padded, up to 1024; 0 and 1 for no padding.
    pub record_padding: u16,
    /// The largest record to receive, from 64 to 16385; 0 for no limit but TLS's.
    pub record_size_limit: u16,
    /// Not 0: connections that resume may send early data (pith_tls_write_early).
    pub early_data: u8,
    /// Not 0: each chain that is trusted becomes a question, PITH_QUESTION_VERIFY, which can refuse it.
    pub ask_verify: u8,
    /// Not 0: connections keep the server's certificates (pith_info.peer_chain).
    pub keep_peer_chain: u8,
    /// Not 0: asks for an OCSP response, stapled to the certificate; libpith does not look into it.
    pub request_ocsp: u8,
    /// Not 0: sends reserved values, so that servers which choke on unknown ones are found early (RFC 8701).
    pub grease: u8,
    /// Not 0: certificates are never compressed.
    pub no_certificate_compression: u8,
    /// With pins: 1 takes a raw public key of the server, or else a certificate; 2 a raw public key alone.
    pub raw_keys: u8,
    /// Remembers at most so many chains of servers that were accepted, for up to an hour and no longer than certificates and revocation
    /// lists are good, so that the next connection to the same one does without the signatures in them; at most 1024. 0 for none. That the server holds its
    /// key is always checked, and PITH_QUESTION_VERIFY always asked.
    pub known_chains: usize,
}

// SAFETY: integers, pointers, and a function that may be NULL.
unsafe impl Struct for pith_client_options {}

/// Makes a configuration. `*out` is yours to free with pith_client_config_free, and NULL if it fails.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_client_config_new(
    out: Option<&mut MaybeUninit<*mut pith_client_config>>,
    given: *const pith_client_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        unsafe { build(&given) }.map(pith_client_config)
    })
}

/// Another handle of the same configuration, to be freed by itself, so that owners need not wait for each other.
#[unsafe(no_mangle)]
pub extern "C" fn pith_client_config_clone(
    out: Option<&mut MaybeUninit<*mut pith_client_config>>,
    config: Option<&pith_client_config>,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(core::ptr::null_mut(), 0) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        Ok(pith_client_config(Arc::clone(&config.0)))
    })
}

/// Frees a configuration. NULL is allowed. Connections that were made with it go on.
#[unsafe(no_mangle)]
pub extern "C" fn pith_client_config_free(config: Option<Box<pith_client_config>>) {
    free(config);
}

/// # Safety
/// As what is called here.
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "all rest on the one duty of the caller"
)]
unsafe fn build(given: &pith_client_options) -> Result<Arc<ClientConfig>, Failure> {
    // SAFETY: as for this function.
    let (trust, policy, groups, shares, suites, alpn) = unsafe {
        (
            object(given.trust).ok_or_else(|| Failure::null("trust"))?,
            policy(given.policy)?,
            groups(given.groups, given.group_count)?,
            groups(given.shares, given.share_count)?,
            suites(given.suites, given.suite_count)?,
            protocols(given.alpn, given.alpn_count)?,
        )
    };
    // SAFETY: as for this function.
    let (identities, psks, sessions, scope) = unsafe {
        (
            credentials(given.identities, given.identity_count)?,
            psks(given.psks, given.psk_count)?,
            object(given.sessions),
            string(given.session_scope)?,
        )
    };
    let raw_keys = match given.raw_keys {
        0 => None,
        1 => Some(RawKeys::Preferred),
        2 => Some(RawKeys::Only),
        _ => return Err(Failure::new(PITH_CONFIG, "raw_keys is 0, 1 or 2")),
    };
    let mut builder = ClientConfig::new(trust.0.clone())
        .alpn(&alpn)
        .early_data(given.early_data != 0)
        .keep_peer_chain(given.keep_peer_chain != 0)
        .request_ocsp(given.request_ocsp != 0)
        .grease(given.grease != 0)
        .certificate_compression(given.no_certificate_compression == 0)
        .record_padding(given.record_padding.max(1))
        .known_chains(given.known_chains);
    with!(builder,
        policy = policy;
        groups = groups.as_deref();
        shares = shares.as_deref();
        suites = suites.as_deref();
        sessions = sessions.map(|sessions| sessions.0.clone());
        session_scope = scope;
        raw_keys = raw_keys;
        record_size_limit = (given.record_size_limit != 0).then_some(given.record_size_limit);
        key_log = key_log(given.key_log, given.key_log_user);
        verifier = (given.ask_verify != 0).then(ask_about_chain);
    );
    builder = identities
        .into_iter()
        .fold(builder, |builder, one| builder.credential(one.clone()));
    builder = psks
        .into_iter()
        .fold(builder, |builder, psk| builder.psk(psk));
    Ok(builder.build()?)
}

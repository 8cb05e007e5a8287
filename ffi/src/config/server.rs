//! A server's configuration.

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use std::sync::Arc;

use pith_tls::{ClientAuth, ServerConfig};

use super::{
    ask_about_chain, credentials, groups, key_log, pith_identity, pith_key_log_fn, pith_psk,
    pith_strikes, pith_tickets, pith_trust, policy, protocols, psks, suites, with,
};
use crate::arguments::{Struct, Why, object, options, pith_bytes, string};
use crate::error::{Failure, PITH_CONFIG};
use crate::handle::{create, free};

/// A server's configuration. It never changes, and any number of threads may use it at once. Connections keep what they need: free it whenever you
/// like.
pub struct pith_server_config(pub(crate) Arc<ServerConfig>);

/// Clients are not asked who they are.
pub const PITH_CLIENT_AUTH_NONE: u8 = 0;
/// Clients are asked, and one that shows nothing is served too.
pub const PITH_CLIENT_AUTH_OPTIONAL: u8 = 1;
/// Clients are asked, and one that shows nothing is refused.
pub const PITH_CLIENT_AUTH_REQUIRED: u8 = 2;

/// What a server shows and accepts. All may be 0 or NULL, which stands for the default, but there is an identity or a pre-shared key.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_server_options {
    /// sizeof(pith_server_options).
    pub size: usize,
    /// What to show. Each client gets the first that suits it best.
    pub identities: *const *const pith_identity,
    /// How many identities.
    pub identity_count: usize,
    /// The name of a policy, such as "V2026_11_PQ_ONLY"; NULL for "V2026_11". The lists below can only narrow it.
    pub policy: *const c_char,
    /// Codes of groups, most wanted first (PITH_GROUP_).
    pub groups: *const u16,
    /// How many groups.
    pub group_count: usize,
    /// Codes of cipher suites, most wanted first (PITH_SUITE_).
    pub suites: *const u16,
    /// How many suites.
    pub suite_count: usize,
    /// Application protocols (ALPN), most wanted first. A client that offers others is refused.
    pub alpn: *const pith_bytes,
    /// How many protocols.
    pub alpn_count: usize,
    /// What a client must show to be believed, where clients are asked.
    pub client_trust: *const pith_trust,
    /// Pre-shared keys.
    pub psks: *const *const pith_psk,
    /// How many pre-shared keys.
    pub psk_count: usize,
    /// How tickets are made; NULL for random keys that replace themselves.
    pub tickets: *const pith_tickets,
    /// A text that tickets are bound to, so that servers which share ticket keys do not take each other's.
    pub ticket_scope: *const c_char,
    /// Remembers early data, so that a copy is refused. Needed for early data, unless `ask_early_data` is set.
    pub strikes: *const pith_strikes,
    /// What the program settles with its clients before early data has a meaning, at most 1024 bytes. Early data is rejected where it is not the same
    /// any more.
    pub early_data_settings: pith_bytes,
    /// Receives the secrets of connections, to decrypt what was recorded. For debugging.
    pub key_log: pith_key_log_fn,
    /// What `key_log` is called with. It must be good on each thread, as long as the configuration or a connection of it is there.
    pub key_log_user: *mut c_void,
    /// Bytes of early data that are taken of a client; 0 for none.
    pub early_data: u32,
    /// To whose multiple records are padded, up to 1024; 0 and 1 for no padding.
    pub record_padding: u16,
    /// The largest record to receive, from 64 to 16385; 0 for no limit but TLS's.
    pub record_size_limit: u16,
    /// One of PITH_CLIENT_AUTH_.
    pub client_auth: u8,
    /// Not 0: whether early data is a copy is asked for each hello, PITH_QUESTION_EARLY_DATA, for a fleet that remembers in one place.
    pub ask_early_data: u8,
    /// Not 0: each connection asks for its configuration when the client's hello is there, PITH_QUESTION_CONFIG.
    pub ask_config: u8,
    /// Not 0: pre-shared keys that a client offers and this configuration does not have are asked for, PITH_QUESTION_PSK.
    pub ask_psks: u8,
    /// Not 0: each client's chain that is trusted becomes a question, PITH_QUESTION_VERIFY, which can refuse it.
    pub ask_verify: u8,
    /// Not 0: connections keep the client's certificates (pith_info.peer_chain).
    pub keep_peer_chain: u8,
    /// Not 0: certificates are never compressed.
    pub no_certificate_compression: u8,
    /// Remembers at most so many chains of clients that were accepted, for up to an hour and no longer than certificates and revocation
    /// lists are good, so that the next connection of the same one does without the signatures in them; at most 1024. 0 for none. That the client holds its
    /// key is always checked, and PITH_QUESTION_VERIFY always asked.
    pub known_chains: usize,
}

// SAFETY: integers, pointers, and a function that may be NULL.
unsafe impl Struct for pith_server_options {}

/// Makes a configuration. `*out` is yours to free with pith_server_config_free, and NULL if it fails.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_server_config_new(
    out: Option<&mut MaybeUninit<*mut pith_server_config>>,
    given: *const pith_server_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        unsafe { build(&given) }.map(pith_server_config)
    })
}

/// Another handle of the same configuration, to be freed by itself, so that owners need not wait for each other.
#[unsafe(no_mangle)]
pub extern "C" fn pith_server_config_clone(
    out: Option<&mut MaybeUninit<*mut pith_server_config>>,
    config: Option<&pith_server_config>,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(core::ptr::null_mut(), 0) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        Ok(pith_server_config(Arc::clone(&config.0)))
    })
}

/// Frees a configuration. NULL is allowed. Connections that were made with it go on.
#[unsafe(no_mangle)]
pub extern "C" fn pith_server_config_free(config: Option<Box<pith_server_config>>) {
    free(config);
}

/// # Safety
/// As what is called here.
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "all rest on the one duty of the caller"
)]
unsafe fn build(given: &pith_server_options) -> Result<Arc<ServerConfig>, Failure> {
    // SAFETY: as for this function.
    let (identities, policy, groups, suites, alpn, trust) = unsafe {
        (
            credentials(given.identities, given.identity_count)?,
            policy(given.policy)?,
            groups(given.groups, given.group_count)?,
            suites(given.suites, given.suite_count)?,
            protocols(given.alpn, given.alpn_count)?,
            object(given.client_trust),
        )
    };
    // SAFETY: as for this function.
    let (psks, tickets, scope, strikes, settings) = unsafe {
        (
            psks(given.psks, given.psk_count)?,
            object(given.tickets),
            string(given.ticket_scope)?,
            object(given.strikes),
            given.early_data_settings.get()?,
        )
    };
    let refused = |text| Failure::new(PITH_CONFIG, text);
    let client_auth = match (given.client_auth, trust) {
        (PITH_CLIENT_AUTH_NONE, None) => ClientAuth::None,
        (PITH_CLIENT_AUTH_OPTIONAL, Some(trust)) => ClientAuth::Optional(trust.0.clone()),
        (PITH_CLIENT_AUTH_REQUIRED, Some(trust)) => ClientAuth::Required(trust.0.clone()),
        _ => {
            return Err(refused(
                "client_auth is one of PITH_CLIENT_AUTH_, with client_trust unless it is none",
            ));
        }
    };
    let mut builder = ServerConfig::without_certificate()
        .client_auth(client_auth)
        .alpn(&alpn)
        .ask_config(given.ask_config != 0)
        .ask_psks(given.ask_psks != 0)
        .keep_peer_chain(given.keep_peer_chain != 0)
        .certificate_compression(given.no_certificate_compression == 0)
        .record_padding(given.record_padding.max(1))
        .known_chains(given.known_chains)
        .early_data_settings(settings);
    builder = match (given.early_data, given.ask_early_data, strikes) {
        (0, ..) => builder,
        (most, 0, Some(strikes)) => builder.early_data(most, strikes.0.clone()),
        (most, 1.., None) => builder.early_data_asked(most),
        _ => {
            return Err(refused(
                "early data needs strikes or ask_early_data, and not both: a copy of it has to be refused",
            ));
        }
    };
    with!(builder,
        policy = policy;
        groups = groups.as_deref();
        suites = suites.as_deref();
        tickets = tickets.map(|tickets| tickets.0.clone());
        ticket_scope = scope;
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

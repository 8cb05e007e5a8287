//! What the tests share that call the C interface in any order.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "not every test needs all of it"
)]

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;
use std::sync::LazyLock;

use pith::config::*;
use pith::error::*;
use pith::time::pith_time;
use pith_tests::pair::{NAME, NOW};
use pith_tests::pki::{Identity, Pki};

/// All zero, and its size: PITH_INIT of the header.
macro_rules! init {
    ($kind:ty) => {{
        // SAFETY: structs of the header are integers and pointers, for which zero is a value.
        let mut made: $kind = unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
        made.size = size_of::<$kind>();
        made
    }};
}

/// What a constructor of the header makes.
macro_rules! made {
    ($new:ident, $($given:expr),+) => {{
        let mut out = core::mem::MaybeUninit::new(core::ptr::null_mut());
        // SAFETY: all pointers are of live objects, and none is kept.
        let status = unsafe { $new(Some(&mut out), $($given),+) };
        assert_eq!(status, PITH_OK, stringify!($new));
        // SAFETY: it was set at first.
        unsafe { out.assume_init() }
    }};
}

/// A slice for the header: its type has no name outside the library, so it is made of a field of it.
macro_rules! bytes {
    ($of:expr) => {{
        let of: &[u8] = $of;
        let mut made = $crate::calls::init!(pith::config::pith_trust_options);
        made.roots_pem.data = of.as_ptr();
        made.roots_pem.len = of.len();
        made.roots_pem
    }};
}

pub(crate) use {bytes, init, made};

/// Configurations that fit each other.
pub(crate) struct Configs(
    pub(crate) *mut pith_client_config,
    pub(crate) *mut pith_server_config,
);

// SAFETY: the header lets any number of threads use configurations.
unsafe impl Send for Configs {}
// SAFETY: as above.
unsafe impl Sync for Configs {}

impl Drop for Configs {
    fn drop(&mut self) {
        pith_client_config_free(taken(&mut self.0));
        pith_server_config_free(taken(&mut self.1));
    }
}

/// The root's certificate, and the server.
static PKI: LazyLock<(String, Identity)> = LazyLock::new(|| {
    let pki = Pki::new();
    (pki.root_pem(), pki.leaf(NAME))
});

/// A client's and a server's, with one application protocol and early data, of which the server asks whether it is a copy if `asks` says so. Sessions are kept where
/// `sessions` is not NULL.
pub(crate) fn configs(sessions: *const pith_sessions, asks: bool) -> Configs {
    let (root, leaf) = &*PKI;
    let mut trust = init!(pith_trust_options);
    trust.roots_pem = bytes!(root.as_bytes());
    let mut trust = made!(pith_trust_new, &trust, ptr::null_mut(), 0);
    let mut identity = init!(pith_identity_options);
    identity.chain_pem = bytes!(leaf.chain_pem.as_bytes());
    identity.key_pem = bytes!(leaf.key_pem.as_bytes());
    let mut identity = made!(pith_identity_new, &identity, ptr::null_mut(), 0);
    let identities = [identity.cast_const()];
    let mut client = init!(pith_client_options);
    client.trust = trust;
    client.early_data = 1;
    client.sessions = sessions;
    let names = [bytes!(b"x")];
    (client.alpn, client.alpn_count) = (names.as_ptr(), 1);
    let mut server = init!(pith_server_options);
    server.identities = identities.as_ptr();
    server.identity_count = 1;
    server.early_data = 1000;
    server.ask_early_data = asks.into();
    let mut strikes = ptr::null_mut();
    if !asks {
        let mut out = MaybeUninit::new(ptr::null_mut());
        let begin = time(Duration::ZERO);
        assert_eq!(pith_strikes_new(Some(&mut out), 0, Some(&begin)), PITH_OK);
        // SAFETY: it was set at first.
        strikes = unsafe { out.assume_init() };
        server.strikes = strikes;
    }
    (server.alpn, server.alpn_count) = (names.as_ptr(), 1);
    let client = made!(pith_client_config_new, &client, ptr::null_mut(), 0);
    let server = made!(pith_server_config_new, &server, ptr::null_mut(), 0);
    let configs = Configs(client, server);
    pith_trust_free(taken(&mut trust));
    pith_identity_free(taken(&mut identity));
    pith_strikes_free(taken(&mut strikes));
    configs
}

/// So long after the start of all tests.
pub(crate) fn time(after: Duration) -> pith_time {
    let micros = |time: Duration| u64::try_from((time + after).as_micros()).unwrap();
    pith_time {
        monotonic_us: micros(NOW.monotonic),
        unix_us: micros(NOW.unix),
    }
}

/// A status of the header, and none of a bug.
pub(crate) fn fits(status: i32) -> i32 {
    assert!((PITH_AMBIGUOUS..=PITH_NONE).contains(&status), "{status}");
    assert!(status != PITH_PANIC && status != PITH_LOCAL, "{status}");
    status
}

/// A text of the last error: NULL, or UTF-8 that ends.
pub(crate) fn check_text(text: *const c_char) {
    // SAFETY: it lives until the next call with its object.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    assert!(text.is_none_or(|text| text.to_str().is_ok()));
}

/// An object for its free function, from a place that has NULL then.
pub(crate) fn taken<T>(place: &mut *mut T) -> Option<Box<T>> {
    let object = std::mem::replace(place, ptr::null_mut());
    // SAFETY: a pointer is taken from its place to be freed, once; NULL is None.
    (!object.is_null()).then(|| unsafe { Box::from_raw(object) })
}

/// An object for one call.
pub(crate) fn lent<T>(object: *mut T) -> Option<&'static mut T> {
    // SAFETY: NULL or alive, and no other reference lives longer than one call.
    unsafe { object.as_mut() }
}

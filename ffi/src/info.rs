//! The library itself, and names of numbers.

use core::ffi::{CStr, c_char};
use core::ptr;

use pith_tls::{AlertDescription, CipherSuite, Group};

/// The number of this interface. It grows when something is added; the name of the shared library changes when something is taken away.
pub const PITH_ABI_VERSION: u32 = 1;

/// X25519MLKEM768: ML-KEM-768 with X25519.
pub const PITH_GROUP_X25519MLKEM768: u16 = 0x11ec;
/// SecP256r1MLKEM768: P-256 with ML-KEM-768.
pub const PITH_GROUP_SECP256R1MLKEM768: u16 = 0x11eb;
/// SecP384r1MLKEM1024: P-384 with ML-KEM-1024.
pub const PITH_GROUP_SECP384R1MLKEM1024: u16 = 0x11ed;
/// X25519, which a quantum computer breaks.
pub const PITH_GROUP_X25519: u16 = 0x001d;
/// P-256, which a quantum computer breaks.
pub const PITH_GROUP_SECP256R1: u16 = 0x0017;
/// P-384, which a quantum computer breaks.
pub const PITH_GROUP_SECP384R1: u16 = 0x0018;
/// P-521, which a quantum computer breaks.
pub const PITH_GROUP_SECP521R1: u16 = 0x0019;
/// ML-KEM-512 alone.
pub const PITH_GROUP_MLKEM512: u16 = 0x0200;
/// ML-KEM-768 alone.
pub const PITH_GROUP_MLKEM768: u16 = 0x0201;
/// ML-KEM-1024 alone.
pub const PITH_GROUP_MLKEM1024: u16 = 0x0202;

/// TLS_AES_128_GCM_SHA256.
pub const PITH_SUITE_AES_128_GCM_SHA256: u16 = 0x1301;
/// TLS_AES_256_GCM_SHA384.
pub const PITH_SUITE_AES_256_GCM_SHA384: u16 = 0x1302;
/// TLS_CHACHA20_POLY1305_SHA256.
pub const PITH_SUITE_CHACHA20_POLY1305_SHA256: u16 = 0x1303;

/// PITH_ABI_VERSION of the library that runs, which may be newer than the header.
#[unsafe(no_mangle)]
pub extern "C" fn pith_abi_version() -> u32 {
    PITH_ABI_VERSION
}

/// The version of the library that runs, such as "0.1.0". Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a group in the registry, such as "X25519MLKEM768"; NULL for one that libpith does not have. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_group_name(group: u16) -> *const c_char {
    name(Group::from_code(group).map(Group::name), &GROUPS)
}

/// 1 if recorded traffic under this group stays secret from a quantum computer, 0 if not or if libpith does not have it.
#[unsafe(no_mangle)]
pub extern "C" fn pith_group_is_post_quantum(group: u16) -> i32 {
    Group::from_code(group)
        .is_some_and(Group::is_post_quantum)
        .into()
}

/// The name of a cipher suite in the registry, such as "TLS_AES_128_GCM_SHA256"; NULL for one that libpith does not have. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_suite_name(suite: u16) -> *const c_char {
    name(
        CipherSuite::from_code(suite).map(CipherSuite::name),
        &SUITES,
    )
}

/// The name of an alert in the RFC, such as "handshake_failure"; NULL for an unknown one. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_alert_name(alert: u8) -> *const c_char {
    name(AlertDescription(alert).name(), &ALERTS)
}

/// The C string among `all` that is this name: the core's names do not end in NUL.
fn name(name: Option<&str>, all: &[&'static CStr]) -> *const c_char {
    let Some(name) = name else {
        return ptr::null();
    };
    let found = all.iter().find(|one| one.to_bytes() == name.as_bytes());
    found.map_or(ptr::null(), |one| one.as_ptr())
}

static GROUPS: [&CStr; 10] = [
    c"X25519MLKEM768",
    c"SecP256r1MLKEM768",
    c"SecP384r1MLKEM1024",
    c"x25519",
    c"secp256r1",
    c"secp384r1",
    c"secp521r1",
    c"MLKEM512",
    c"MLKEM768",
    c"MLKEM1024",
];

static SUITES: [&CStr; 3] = [
    c"TLS_AES_128_GCM_SHA256",
    c"TLS_AES_256_GCM_SHA384",
    c"TLS_CHACHA20_POLY1305_SHA256",
];

static ALERTS: [&CStr; 28] = [
    c"close_notify",
    c"unexpected_message",
    c"bad_record_mac",
    c"record_overflow",
    c"handshake_failure",
    c"bad_certificate",
    c"unsupported_certificate",
    c"certificate_revoked",
    c"certificate_expired",
    c"certificate_unknown",
    c"illegal_parameter",
    c"unknown_ca",
    c"access_denied",
    c"decode_error",
    c"decrypt_error",
    c"protocol_version",
    c"insufficient_security",
    c"internal_error",
    c"inappropriate_fallback",
    c"user_canceled",
    c"missing_extension",
    c"unsupported_extension",
    c"unrecognized_name",
    c"bad_certificate_status_response",
    c"unknown_psk_identity",
    c"certificate_required",
    c"general_error",
    c"no_application_protocol",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_core_is_a_c_string_too() {
        for code in 0..=u16::MAX {
            let core = Group::from_code(code).map(Group::name);
            assert_eq!(core.is_some(), !pith_group_name(code).is_null(), "{core:?}");
            let core = CipherSuite::from_code(code).map(CipherSuite::name);
            assert_eq!(core.is_some(), !pith_suite_name(code).is_null(), "{core:?}");
        }
        for code in 0..=u8::MAX {
            let core = AlertDescription(code).name();
            assert_eq!(core.is_some(), !pith_alert_name(code).is_null(), "{core:?}");
        }
    }

    #[test]
    fn the_constants_are_the_codes_of_the_registry() {
        #[rustfmt::skip]
        let groups = [
            (PITH_GROUP_X25519MLKEM768, Group::X25519MlKem768),
            (PITH_GROUP_SECP256R1MLKEM768, Group::SecP256r1MlKem768),
            (PITH_GROUP_SECP384R1MLKEM1024, Group::SecP384r1MlKem1024),
            (PITH_GROUP_X25519, Group::X25519),
            (PITH_GROUP_SECP256R1, Group::Secp256r1),
            (PITH_GROUP_SECP384R1, Group::Secp384r1),
            (PITH_GROUP_SECP521R1, Group::Secp521r1),
            (PITH_GROUP_MLKEM512, Group::MlKem512),
            (PITH_GROUP_MLKEM768, Group::MlKem768),
            (PITH_GROUP_MLKEM1024, Group::MlKem1024),
        ];
        assert_eq!(groups.len(), Group::ALL.len());
        for (code, group) in groups {
            assert_eq!(code, group.code(), "{group}");
        }
        let suites = [
            PITH_SUITE_AES_128_GCM_SHA256,
            PITH_SUITE_AES_256_GCM_SHA384,
            PITH_SUITE_CHACHA20_POLY1305_SHA256,
        ];
        assert_eq!(suites.len(), CipherSuite::ALL.len());
        for (code, suite) in suites.iter().zip(CipherSuite::ALL) {
            assert_eq!(*code, suite.code(), "{suite}");
        }
    }
}

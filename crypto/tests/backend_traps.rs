//! What of the backend this crate must not use, by reading its sources: each of these compiles, works, and leaves secrets behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The sources without comments and tests.
fn sources() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            (
                path.display().to_string(),
                code.collect::<Vec<_>>().join("\n"),
            )
        })
        .collect()
}

fn uses(needle: &str) -> Vec<String> {
    let mut files = sources();
    files.retain(|(_, code)| code.contains(needle));
    files.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn sources_are_read_without_comments_and_tests() {
    assert_eq!(uses("pub fn expand_label").len(), 1);
    assert!(uses("HKDF (RFC 5869)").is_empty());
    assert!(uses("wycheproof").is_empty());
}

#[test]
fn hkdf_salt_which_is_never_wiped_is_not_used() {
    assert!(uses("Salt").is_empty(), "{:?}", uses("Salt"));
    assert_eq!(uses("Prk::new_less_safe").len(), 1);
}

#[test]
fn no_okm_becomes_a_key_on_the_stack() {
    // An output of HKDF leaves it by `fill` alone, into the caller's buffer, and a key is made of bytes alone.
    assert_eq!(uses(".fill(out)").len(), 1);
    for conversion in ["UnboundKey::from", "Key::from(", "Okm", ".into()"] {
        let found = uses(conversion);
        let allowed = |path: &String| conversion == ".into()" && path.ends_with("secret.rs");
        assert!(found.iter().all(allowed), "{conversion}: {found:?}");
    }
    assert_eq!(uses("UnboundKey::new").len(), 1);
}

#[test]
fn hmac_tags_which_are_never_wiped_are_not_used() {
    for call in [
        "hmac::sign(",
        "hmac::Tag",
        "Context::with_key",
        "hmac::verify",
    ] {
        assert!(uses(call).is_empty(), "{call}");
    }
}

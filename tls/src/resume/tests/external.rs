//! External pre-shared keys: what importing makes of them, and which identity finds which.

use super::*;
use crate::auth::ConfigError;
use crate::event::Role;

const IDENTITY: &[u8] = b"device\0 7";

fn bytes() -> Vec<u8> {
    (0..32).collect()
}

fn external(role: Role, hash: Hash) -> ExternalPsk {
    let context = role_context(b"client", b"server").unwrap();
    ExternalPsk::new(role, IDENTITY, &context, &bytes(), hash).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The values come from another HKDF, that of a few lines of Python, by the text of RFC 9258 section 5.1.
#[test]
fn keys_are_imported_as_the_rfc_says() {
    const FRONT: &str = "0009646576696365002037000e06636c69656e740673657276657203040";
    let rows = [
        (
            Hash::Sha256,
            Hash::Sha256,
            "e677849e6e6e29b4ff2612aba93849c5d7aa88bd6f6e6ad63566b05f7aa2f658",
        ),
        (
            Hash::Sha256,
            Hash::Sha384,
            "d7ec8a597327ab1b09785034422a4aa1fc25bfcf18ffac7cd7d99bbe99570ec3\
             565f6ab8b9d4a7e649fe422103a1d4b7",
        ),
        (
            Hash::Sha384,
            Hash::Sha256,
            "f2c1624c7a3f53d76a956b4cb6e7db3171dec22a4075198def57ccd76350fc38",
        ),
        (
            Hash::Sha384,
            Hash::Sha384,
            "d2808e19ecee29863f2057e201f8db01f788d7237deb260dc4d54f492ce1b1fd\
             88de70ab7ba70a7e8d01363d01a78342",
        ),
    ];
    for (hash, target, secret) in rows {
        let row = format!("{hash:?} for {target:?}");
        let kdf = match target {
            Hash::Sha256 => "001",
            Hash::Sha384 => "002",
        };
        for role in [Role::Client, Role::Server] {
            let imported = external(role, hash).import(target).unwrap();
            assert_eq!(hex(imported.secret.expose()), secret, "{row}");
            assert_eq!(hex(imported.identity()), format!("{FRONT}{kdf}"), "{row}");
            assert_eq!((imported.hash, imported.role), (target, role), "{row}");
        }
    }
}

/// T07: identities are bytes, compared as a whole, zeros and all; and so are contexts.
#[test]
fn an_identity_finds_its_own_key_alone() {
    let server = external(Role::Server, Hash::Sha256);
    let context = role_context(b"client", b"server").unwrap();
    let turned = role_context(b"server", b"client").unwrap();
    let rows: [(&str, &[u8], &[u8], bool); 8] = [
        ("its own", IDENTITY, &context, true),
        ("up to the zero", b"device", &context, false),
        ("the zero, too", b"device\0", &context, false),
        ("a byte more", b"device\0 77", &context, false),
        ("another", b"device\0 8", &context, false),
        ("the roles turned round", IDENTITY, &turned, false),
        ("no context", IDENTITY, b"", false),
        ("a part of the context", IDENTITY, &context[..13], false),
    ];
    for target in [Hash::Sha256, Hash::Sha384] {
        let own = server.import(target).unwrap();
        for (name, identity, context, want) in rows {
            let other =
                ExternalPsk::new(Role::Client, identity, context, &bytes(), Hash::Sha256).unwrap();
            let offered = other.import(target).unwrap();
            let parsed = ImportedIdentity::parse(offered.identity()).expect(name);
            assert_eq!(parsed.external_identity, identity, "{name}");
            assert_eq!(parsed.context, context, "{name}");
            assert_eq!(parsed.target(), target, "{name}");
            let found = server.import_for(&parsed);
            assert_eq!(found.is_some(), want, "{name}");
            let same = offered.secret.ct_eq(own.secret.expose());
            assert_eq!(same, want, "{name}: each identity has a key of its own");
            if let Some(found) = found {
                assert!(found.secret.ct_eq(offered.secret.expose()), "{name}");
                assert_eq!(found.identity(), offered.identity(), "{name}");
                assert_eq!((found.role, found.hash), (Role::Server, target));
            }
        }
    }
}

/// rfc9258#5.1-1, rfc9258#5.1-4: for TLS 1.3 and a hash that is known, or it is not an imported key.
#[test]
fn only_identities_of_keys_for_this_protocol_are_read() {
    let whole = external(Role::Client, Hash::Sha256).import(Hash::Sha384);
    let whole = whole.unwrap().identity().to_vec();
    for cut in 0..whole.len() {
        assert!(
            ImportedIdentity::parse(&whole[..cut]).is_none(),
            "{cut} bytes"
        );
    }
    assert!(ImportedIdentity::parse(&[&whole[..], &[0]].concat()).is_none());
    let end = |protocol: u16, kdf: u16| {
        let front = &whole[..whole.len() - 4];
        [front, &protocol.to_be_bytes(), &kdf.to_be_bytes()].concat()
    };
    for (name, protocol, kdf, want) in [
        ("SHA-256", 0x0304, 1, true),
        ("SHA-384", 0x0304, 2, true),
        ("TLS 1.2", 0x0303, 1, false),
        ("DTLS 1.3", 0xfefc, 1, false),
        ("reserved", 0x0304, 0, false),
        ("unknown", 0x0304, 3, false),
        ("private", 0x0304, 0xff01, false),
    ] {
        let identity = end(protocol, kdf);
        assert_eq!(ImportedIdentity::parse(&identity).is_some(), want, "{name}");
    }
    let unnamed = [0, 0, 0, 0, 3, 4, 0, 1];
    assert!(ImportedIdentity::parse(&unnamed).is_none(), "no identity");
    let without_context = [0, 1, 7, 0, 0, 3, 4, 0, 1];
    assert!(ImportedIdentity::parse(&without_context).is_some());
}

#[test]
fn keys_identities_and_contexts_out_of_range_are_refused() {
    const MOST: usize = limits::PSK_IDENTITY;
    // (name, bytes of the key, of the identity, of the context, whether that is a key)
    for (name, key, identity, context, want) in [
        ("the shortest key", 16, 1, 0, true),
        ("a key too short", 15, 1, 0, false),
        ("a long key", 1000, 1, 0, true),
        ("no identity", 32, 0, 5, false),
        ("the longest identity", 32, MOST, 0, true),
        ("an identity too long", 32, MOST + 1, 0, false),
        ("the longest context", 32, 1, MOST - 1, true),
        ("a context too long", 32, 1, MOST, false),
    ] {
        let psk = ExternalPsk::new(
            Role::Client,
            &vec![1; identity],
            &vec![2; context],
            &vec![3; key],
            Hash::Sha256,
        );
        assert_eq!(psk.is_ok(), want, "{name}");
        for target in [Hash::Sha256, Hash::Sha384] {
            assert!(psk.as_ref().is_ok_and(|psk| psk.import(target).is_ok()) == want);
        }
    }
    for (length, want) in [(255, true), (256, false)] {
        let long = vec![1; length];
        for context in [role_context(&long, b""), role_context(b"", &long)] {
            assert_eq!(context.is_ok(), want, "{length} bytes");
            let too_many = matches!(context, Err(ConfigError::TooMany { .. }));
            assert_eq!(too_many, !want, "{length} bytes");
        }
    }
    assert_ne!(
        role_context(b"ab", b"c").unwrap(),
        role_context(b"a", b"bc").unwrap(),
        "names do not run into each other"
    );
}

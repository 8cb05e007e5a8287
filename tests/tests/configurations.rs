//! Lists that a configuration cannot have are refused when it is built, with words that say which.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    CipherSuite::{Aes128GcmSha256, Aes256GcmSha384},
    ClientConfig, ClientConfigBuilder, ConfigError, Group, ServerConfig,
};

/// What both roles refuse.
type Lists = (
    &'static str,
    fn(ClientConfigBuilder) -> ClientConfigBuilder,
    fn(pith_tls::ServerConfigBuilder) -> pith_tls::ServerConfigBuilder,
    ConfigError,
);

#[test]
fn lists_that_are_empty_or_repeat_are_refused() {
    let pki = Pki::new();
    let (suites, groups, protocols) = (
        "the cipher suites",
        "the groups",
        "the application protocols",
    );
    let name = "the name of an application protocol";
    let rows: [Lists; 7] = [
        (
            "no suite",
            |c| c.suites(&[]),
            |s| s.suites(&[]),
            ConfigError::Empty { what: suites },
        ),
        (
            "a suite twice",
            |c| c.suites(&[Aes128GcmSha256, Aes256GcmSha384, Aes128GcmSha256]),
            |s| s.suites(&[Aes128GcmSha256, Aes128GcmSha256]),
            ConfigError::Duplicate { what: suites },
        ),
        (
            "no group",
            |c| c.groups(&[]),
            |s| s.groups(&[]),
            ConfigError::Empty { what: groups },
        ),
        (
            "a group twice",
            |c| c.groups(&[Group::X25519, Group::Secp256r1, Group::X25519]),
            |s| s.groups(&[Group::X25519, Group::X25519]),
            ConfigError::Duplicate { what: groups },
        ),
        (
            "a protocol twice",
            |c| c.alpn(&[b"h2", b"h2"]),
            |s| s.alpn(&[b"h2", b"x", b"h2"]),
            ConfigError::Duplicate { what: protocols },
        ),
        (
            "a protocol without a name",
            |c| c.alpn(&[b"h2", b""]),
            |s| s.alpn(&[b""]),
            ConfigError::Empty { what: name },
        ),
        (
            "a name too long for its field",
            |c| c.alpn(&[&[b'x'; 256]]),
            |s| s.alpn(&[&[b'x'; 256]]),
            ConfigError::TooMany {
                what: "bytes in the name of an application protocol",
                limit: 255,
                got: 256,
            },
        ),
    ];
    for (row, client, server, want) in rows {
        let config = client(ClientConfig::new(trust(&pki))).build();
        assert_eq!(config.err(), Some(want.clone()), "{row}, client");
        let config = server(ServerConfig::new(credential(&pki.leaf(NAME)))).build();
        assert_eq!(config.err(), Some(want), "{row}, server");
    }
    let longest = ClientConfig::new(trust(&pki)).alpn(&[&[b'x'; 255]]).build();
    assert!(longest.is_ok());
}

#[test]
fn shares_are_of_named_groups_and_of_each_once() {
    let pki = Pki::new();
    let what = "the key shares";
    for (row, shares, want) in [
        ("none", &[][..], ConfigError::Empty { what }),
        (
            "twice",
            &[Group::X25519, Group::X25519],
            ConfigError::Duplicate { what },
        ),
        (
            "not named",
            &[Group::X25519, Group::Secp256r1],
            ConfigError::Unsupported {
                what: "a key share of a group that is not named",
            },
        ),
    ] {
        let config = ClientConfig::new(trust(&pki))
            .groups(&[Group::Secp384r1, Group::X25519])
            .shares(shares)
            .build();
        assert_eq!(config.err(), Some(want), "{row}");
    }
}

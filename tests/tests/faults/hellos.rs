//! ClientHello, ServerHello and HelloRetryRequest, first and second ones.

use pith_tests::message::{Extensions, RETRY_RANDOM, codes, offered_psks, share};
use pith_tls::CipherSuite;

use super::*;

const HRR: MessageKind = MessageKind::HelloRetryRequest;

/// Known attacks S06, S07 and S14 among them.
#[test]
fn a_client_hello_with_a_wrong_field() {
    use ExtensionType as E;
    let rows: &[Row] = &[
        (
            "legacy_version of TLS 1.3",
            |h| h.version = 0x0304,
            Fault::LegacyVersion,
        ),
        (
            "legacy_version of TLS 1.1",
            |h| h.version = 0x0302,
            Fault::LegacyVersion,
        ),
        (
            "legacy_version of SSL 3",
            |h| h.version = 0x0300,
            Fault::LegacyVersion,
        ),
        ("no supported_versions", |h| h.extensions.remove(43), OLD),
        (
            "TLS 1.2 alone",
            |h| h.extensions.set(43, vec8(&[3, 3])),
            OLD,
        ),
        (
            "TLS 1.1 and 1.2",
            |h| h.extensions.set(43, vec8(&[3, 2, 3, 3])),
            OLD,
        ),
        (
            "versions that nobody knows",
            |h| h.extensions.set(43, vec8(&[0x1a, 0x1a, 3, 5])),
            Fault::NoTls13 { newest: 0 },
        ),
        (
            "TLS 1.0 without supported_versions",
            |h| {
                h.version = 0x0301;
                h.extensions.remove(43);
            },
            Fault::NoTls13 { newest: 0x0301 },
        ),
        (
            "legacy_version of TLS 1.3 without supported_versions",
            |h| {
                h.version = 0x0304;
                h.extensions.remove(43);
            },
            OLD,
        ),
        ("no extensions", |h| h.extensions.0.clear(), OLD),
        (
            "an empty list of versions",
            |h| h.extensions.set(43, vec8(&[])),
            malformed(CH),
        ),
        (
            "half a version",
            |h| h.extensions.set(43, vec8(&[3, 4, 3])),
            malformed(CH),
        ),
        (
            "a compression method",
            |h| h.compression = vec![1],
            Fault::Compression,
        ),
        (
            "two compression methods",
            |h| h.compression = vec![0, 1],
            Fault::Compression,
        ),
        (
            "null twice",
            |h| h.compression = vec![0, 0],
            Fault::Compression,
        ),
        (
            "no compression method",
            |h| h.compression.clear(),
            malformed(CH),
        ),
        (
            "a session id of 33 bytes",
            |h| h.session_id = vec![1; 33],
            malformed(CH),
        ),
        ("no suites", |h| h.suites.clear(), malformed(CH)),
        (
            "unknown suites",
            |h| h.suites = vec![0x1304, GREASE, 0xc02b],
            Fault::NoCommonSuite,
        ),
        (
            "no groups",
            |h| h.extensions.set(10, vec16(&[])),
            malformed(CH),
        ),
        (
            "half a group",
            |h| h.extensions.set(10, vec16(&[0, 29, 0])),
            malformed(CH),
        ),
        (
            "unknown groups",
            |h| {
                h.extensions
                    .set(10, vec16(&codes(&[GREASE, 0x0100, 0x6399])));
                h.set_shares(&[]);
            },
            Fault::NoCommonGroup,
        ),
        (
            "no schemes",
            |h| h.extensions.set(13, vec16(&[])),
            malformed(CH),
        ),
        (
            "schemes of other keys, and for certificates alone",
            |h| {
                h.extensions
                    .set(13, vec16(&codes(&[GREASE, 0x0804, 0x0807, 0x0503, 0x0203])))
            },
            Fault::NoCommonSignatureScheme,
        ),
        (
            "no supported_groups",
            |h| h.extensions.remove(10),
            missing(E::SUPPORTED_GROUPS, CH),
        ),
        (
            "no signature_algorithms",
            |h| h.extensions.remove(13),
            missing(E::SIGNATURE_ALGORITHMS, CH),
        ),
        (
            "no key_share",
            |h| h.extensions.remove(51),
            missing(E::KEY_SHARE, CH),
        ),
        (
            "a pre-shared key without modes",
            |h| h.extensions.push(41, *b"key"),
            missing(E::PSK_KEY_EXCHANGE_MODES, CH),
        ),
        (
            "a pre-shared key that is not last",
            |h| {
                h.extensions.push(45, vec8(&[1]));
                h.extensions.push(41, *b"key");
                h.extensions.push(21, []);
            },
            Fault::PreSharedKeyNotLast,
        ),
        (
            "a known extension twice",
            |h| h.extensions.0.push(h.extensions.0[0].clone()),
            Fault::RepeatedExtension {
                extension: E::SERVER_NAME,
            },
        ),
        (
            "an unknown extension twice",
            |h| {
                h.extensions.push(GREASE, []);
                h.extensions.push(GREASE, [1]);
            },
            Fault::RepeatedExtension {
                extension: E(GREASE),
            },
        ),
        (
            "too many extensions",
            |h| (0x4000..0x4000 + 128).for_each(|code| h.extensions.push(code, [])),
            Fault::TooManyExtensions,
        ),
        (
            "an extension for certificate requests",
            |h| h.extensions.push(48, []),
            Fault::MisplacedExtension {
                extension: E::OID_FILTERS,
                message: CH,
            },
        ),
        (
            "transport parameters",
            |h| h.extensions.push(57, []),
            Fault::UnsolicitedExtension {
                extension: E::QUIC_TRANSPORT_PARAMETERS,
                message: CH,
            },
        ),
        (
            "a record size limit under 64",
            |h| h.extensions.set(28, vec![0, 63]),
            Fault::RecordSizeLimit,
        ),
        (
            "a record size limit of three bytes",
            |h| h.extensions.set(28, vec![0, 64, 0]),
            malformed(CH),
        ),
        (
            "a server name of another type",
            |h| h.extensions.set(0, named(1, b"a.example")),
            Fault::ServerName,
        ),
        (
            "a server name with a NUL",
            |h| h.extensions.set(0, named(0, b"a\0b.example")),
            Fault::ServerName,
        ),
        (
            "a server name that is not ASCII",
            |h| h.extensions.set(0, named(0, b"\xc3\xa4.example")),
            Fault::ServerName,
        ),
        (
            "an empty server name",
            |h| h.extensions.set(0, named(0, b"")),
            malformed(CH),
        ),
        (
            "no server name in the list",
            |h| h.extensions.set(0, vec16(&[])),
            malformed(CH),
        ),
        (
            "two server names",
            |h| {
                let one = [&[0][..], &vec16(b"a.example")].concat();
                h.extensions.set(0, vec16(&[&one[..], &one].concat()));
            },
            malformed(CH),
        ),
        (
            "another protocol",
            |h| h.extensions.set(16, vec16(&vec8(b"h3"))),
            Fault::NoCommonProtocol,
        ),
        (
            "a protocol of another case",
            |h| h.extensions.set(16, vec16(&vec8(b"H2"))),
            Fault::NoCommonProtocol,
        ),
        (
            "no protocols",
            |h| h.extensions.set(16, vec16(&[])),
            malformed(CH),
        ),
        (
            "an empty protocol",
            |h| h.extensions.set(16, vec16(&[0])),
            malformed(CH),
        ),
        (
            "a protocol that ends early",
            |h| h.extensions.set(16, vec16(&[9, b'h', b'2'])),
            malformed(CH),
        ),
        (
            "a share of a group that is not named",
            |h| edit_shares(h, |s| s[0].0 = 24),
            Fault::KeyShareList,
        ),
        (
            "a group's share twice",
            |h| edit_shares(h, |s| s.push(s[0].clone())),
            Fault::KeyShareList,
        ),
        (
            "a group twice, and its share",
            |h| {
                h.extensions.set(10, vec16(&codes(&[29, 23, 29])));
                edit_shares(h, |s| s.push(s[0].clone()));
            },
            Fault::KeyShareList,
        ),
        (
            "an unknown group's share twice",
            |h| {
                h.extensions.set(10, vec16(&codes(&[29, GREASE, 23])));
                edit_shares(h, |s| s.extend([(GREASE, vec![0]), (GREASE, vec![0])]));
            },
            Fault::KeyShareList,
        ),
        (
            "shares in another order than their groups",
            |h| edit_shares(h, |s| s.insert(0, (23, vec![4; 65]))),
            Fault::KeyShareList,
        ),
        (
            "an empty share",
            |h| edit_shares(h, |s| s[0].1.clear()),
            malformed(CH),
        ),
        (
            "half a share",
            |h| h.extensions.set(51, vec16(&[0, 29, 0, 32, 1])),
            malformed(CH),
        ),
    ];
    for (row, edit, want) in rows {
        let server = &configs().server;
        provoke_hello(row, Role::Server, server, 0, edit, *want);
    }
}

/// What a hello of TLS 1.2 or older looks like that has no extensions at all, or stray bytes (rfc9846#4.2.2-16).
#[test]
fn a_hello_of_an_older_version_is_named_as_such() {
    let head = |version: u16| {
        let hello = Hello {
            kind: kind::CLIENT_HELLO,
            version,
            random: [7; 32],
            session_id: Vec::new(),
            suites: vec![0xc02b, 0x002f],
            compression: vec![1, 0],
            extensions: Extensions::default(),
        };
        hello.head()
    };
    for version in [0x0300, 0x0301, 0x0302, 0x0303] {
        let wire = message(kind::CLIENT_HELLO, &head(version));
        let want = Fault::NoTls13 { newest: version };
        provoke(
            "without extensions",
            Role::Server,
            &configs().server,
            0,
            |_| wire,
            want,
        );
    }
    for stray in [&[0][..], &[0, 1], &[0, 0, 0], &[0, 4, 0, 43, 0]] {
        let wire = message(kind::CLIENT_HELLO, &[&head(0x0303), stray].concat());
        provoke(
            "stray bytes",
            Role::Server,
            &configs().server,
            0,
            |_| wire,
            malformed(CH),
        );
    }
}

/// Known attacks S03, S04 and S07: what a client makes of a ServerHello.
#[test]
fn a_server_hello_with_a_wrong_field() {
    use ExtensionType as E;
    let downgraded = |byte| {
        move |h: &mut Hello| {
            h.random[24..].copy_from_slice(b"DOWNGRD\0");
            h.random[31] = byte;
            h.extensions.remove(43);
        }
    };
    for byte in [0, 1] {
        let server = &configs().server;
        provoke_hello(
            "downgraded",
            Role::Client,
            server,
            0,
            downgraded(byte),
            Fault::Downgrade,
        );
        // Also where the server of TLS 1.2 sends no extensions at all.
        let bare = |bytes: &[u8]| {
            let mut hello = Hello::parse(bytes);
            downgraded(byte)(&mut hello);
            message(kind::SERVER_HELLO, &hello.head())
        };
        provoke(
            "downgraded, bare",
            Role::Client,
            server,
            0,
            bare,
            Fault::Downgrade,
        );
    }
    let rows: &[Row] = &[
        (
            "legacy_version of TLS 1.3",
            |h| h.version = 0x0304,
            Fault::LegacyVersion,
        ),
        (
            "legacy_version of TLS 1.1",
            |h| h.version = 0x0302,
            Fault::LegacyVersion,
        ),
        ("no supported_versions", |h| h.extensions.remove(43), OLD),
        ("no extensions", |h| h.extensions.0.clear(), OLD),
        (
            "TLS 1.1 without supported_versions",
            |h| {
                h.version = 0x0302;
                h.extensions.remove(43);
            },
            Fault::NoTls13 { newest: 0x0302 },
        ),
        (
            "TLS 1.2 in supported_versions",
            |h| h.extensions.set(43, [3, 3]),
            Fault::SelectedVersion,
        ),
        (
            "a version that is not offered",
            |h| h.extensions.set(43, [0x7f, 28]),
            Fault::SelectedVersion,
        ),
        (
            "another session id",
            |h| h.session_id[0] ^= 1,
            Fault::SessionIdEcho,
        ),
        (
            "a shorter session id",
            |h| h.session_id.truncate(31),
            Fault::SessionIdEcho,
        ),
        (
            "no session id",
            |h| h.session_id.clear(),
            Fault::SessionIdEcho,
        ),
        (
            "a session id of 33 bytes",
            |h| h.session_id = vec![1; 33],
            malformed(SH),
        ),
        (
            "an unknown suite",
            |h| h.suites = vec![GREASE],
            Fault::SuiteNotOffered,
        ),
        (
            "a suite of TLS 1.2",
            |h| h.suites = vec![0xc02b],
            Fault::SuiteNotOffered,
        ),
        (
            "a suite of TLS 1.3 that is not offered",
            |h| h.suites = vec![0x1304],
            Fault::SuiteNotOffered,
        ),
        (
            "compression",
            |h| h.compression = vec![1],
            Fault::Compression,
        ),
        (
            "no key_share",
            |h| h.extensions.remove(51),
            missing(E::KEY_SHARE, SH),
        ),
        (
            "a group that is not named",
            |h| h.extensions.set(51, share(24, &[4; 97])),
            Fault::GroupNotOffered,
        ),
        (
            "an unknown group",
            |h| h.extensions.set(51, share(GREASE, &[4; 32])),
            Fault::GroupNotOffered,
        ),
        (
            "a named group without a share",
            |h| h.extensions.set(51, share(23, &[4; 65])),
            Fault::GroupNotOffered,
        ),
        (
            "a group alone",
            |h| h.extensions.set(51, codes(&[29])),
            malformed(SH),
        ),
        (
            "an empty share",
            |h| h.extensions.set(51, share(29, &[])),
            malformed(SH),
        ),
        (
            "two shares",
            |h| h.extensions.set(51, share(29, &[9; 32]).repeat(2)),
            malformed(SH),
        ),
        (
            "key_share twice",
            |h| h.extensions.push(51, share(29, &[9; 32])),
            Fault::RepeatedExtension {
                extension: E::KEY_SHARE,
            },
        ),
        (
            "a pre-shared key",
            |h| h.extensions.push(41, [0, 0]),
            Fault::UnsolicitedExtension {
                extension: E::PRE_SHARED_KEY,
                message: SH,
            },
        ),
        (
            "an unknown extension",
            |h| h.extensions.push(GREASE, []),
            Fault::UnsolicitedExtension {
                extension: E(GREASE),
                message: SH,
            },
        ),
        (
            "a cookie",
            |h| h.extensions.push(44, vec16(b"c")),
            Fault::MisplacedExtension {
                extension: E::COOKIE,
                message: SH,
            },
        ),
        (
            "a protocol",
            |h| h.extensions.push(16, vec16(&vec8(b"h2"))),
            Fault::MisplacedExtension {
                extension: E::ALPN,
                message: SH,
            },
        ),
    ];
    for (row, edit, want) in rows {
        let server = &configs().server;
        provoke_hello(row, Role::Client, server, 0, edit, *want);
    }
}

/// Known attack S04: what a client makes of a HelloRetryRequest.
#[test]
fn a_hello_retry_request_with_a_wrong_field() {
    use ExtensionType as E;
    let rows: &[Row] = &[
        (
            "legacy_version of TLS 1.3",
            |h| h.version = 0x0304,
            Fault::LegacyVersion,
        ),
        ("no supported_versions", |h| h.extensions.remove(43), OLD),
        (
            "TLS 1.2",
            |h| h.extensions.set(43, [3, 3]),
            Fault::SelectedVersion,
        ),
        (
            "another session id",
            |h| h.session_id[31] ^= 1,
            Fault::SessionIdEcho,
        ),
        (
            "a suite that is not offered",
            |h| h.suites = vec![0x1304],
            Fault::SuiteNotOffered,
        ),
        (
            "compression",
            |h| h.compression = vec![1],
            Fault::Compression,
        ),
        (
            "a group that is not named",
            |h| h.extensions.set(51, codes(&[24])),
            Fault::GroupNotOffered,
        ),
        (
            "an unknown group",
            |h| h.extensions.set(51, codes(&[GREASE])),
            Fault::GroupNotOffered,
        ),
        (
            "a group with a share already",
            |h| h.extensions.set(51, codes(&[29])),
            Fault::RetryOfferedGroup,
        ),
        (
            "a group with a share already, and a cookie",
            |h| {
                h.extensions.set(51, codes(&[29]));
                h.extensions.push(44, vec16(b"c"));
            },
            Fault::RetryOfferedGroup,
        ),
        (
            "nothing to change",
            |h| h.extensions.remove(51),
            Fault::RetryWithoutChange,
        ),
        (
            "a share in place of a group",
            |h| h.extensions.set(51, share(23, &[4; 65])),
            malformed(HRR),
        ),
        (
            "half a group",
            |h| h.extensions.set(51, [0]),
            malformed(HRR),
        ),
        (
            "an empty cookie",
            |h| h.extensions.push(44, vec16(&[])),
            malformed(HRR),
        ),
        (
            "bytes behind the cookie",
            |h| h.extensions.push(44, [0, 1, 7, 0]),
            malformed(HRR),
        ),
        (
            "two cookies",
            |h| {
                h.extensions.push(44, vec16(b"c"));
                h.extensions.push(44, vec16(b"c"));
            },
            Fault::RepeatedExtension {
                extension: E::COOKIE,
            },
        ),
        (
            "an unknown extension",
            |h| h.extensions.push(GREASE, []),
            Fault::UnsolicitedExtension {
                extension: E(GREASE),
                message: HRR,
            },
        ),
        (
            "a server name",
            |h| h.extensions.push(0, []),
            Fault::MisplacedExtension {
                extension: E::SERVER_NAME,
                message: HRR,
            },
        ),
    ];
    for (row, edit, want) in rows {
        let server = &configs().retrying;
        provoke_hello(row, Role::Client, server, 0, edit, *want);
    }
}

/// Known attack S04: a ServerHello that does not keep to its HelloRetryRequest, and a second one.
#[test]
fn a_server_hello_after_a_retry_with_a_wrong_field() {
    let rows: &[Row] = &[
        (
            "another suite",
            |h| h.suites = vec![0x1302],
            Fault::SuiteChanged,
        ),
        (
            "a suite that is not offered",
            |h| h.suites = vec![0x1304],
            Fault::SuiteChanged,
        ),
        (
            "the group of the first share",
            |h| h.extensions.set(51, share(29, &[9; 32])),
            Fault::GroupChanged,
        ),
        (
            "TLS 1.2",
            |h| h.extensions.set(43, [3, 3]),
            Fault::SelectedVersion,
        ),
        (
            "no supported_versions",
            |h| h.extensions.remove(43),
            Fault::SelectedVersion,
        ),
        (
            "another session id",
            |h| h.session_id[0] ^= 1,
            Fault::SessionIdEcho,
        ),
        (
            "no key_share",
            |h| h.extensions.remove(51),
            missing(ExtensionType::KEY_SHARE, SH),
        ),
        (
            "a second HelloRetryRequest",
            |h| {
                h.random = RETRY_RANDOM;
                h.extensions.set(51, codes(&[29]));
            },
            Fault::UnexpectedMessage {
                state: "WAIT_SH after a retry",
                message: HRR,
            },
        ),
    ];
    for (row, edit, want) in rows {
        let server = &configs().retrying;
        provoke_hello(row, Role::Client, server, 1, edit, *want);
    }
}

/// Known attacks S04 and S05: everything that a second ClientHello may not change. (What it may, is in `hello_retry.rs`.)
#[test]
fn a_second_client_hello_with_a_change() {
    let changed = Fault::SecondHelloChanged;
    let rows: &[Row] = &[
        ("random", |h| h.random[0] ^= 1, changed),
        ("session id", |h| h.session_id[0] ^= 1, changed),
        ("no session id", |h| h.session_id.clear(), changed),
        ("a suite less", |h| h.suites.truncate(2), changed),
        ("suites in another order", |h| h.suites.reverse(), changed),
        ("another suite behind", |h| h.suites.push(0x1304), changed),
        (
            "another server name",
            |h| h.extensions.set(0, named(0, b"other.example")),
            changed,
        ),
        ("no server name", |h| h.extensions.remove(0), changed),
        (
            "another protocol first",
            |h| {
                h.extensions
                    .set(16, vec16(&[vec8(b"x"), vec8(b"h2")].concat()))
            },
            changed,
        ),
        ("no protocols", |h| h.extensions.remove(16), changed),
        (
            "a group more",
            |h| h.extensions.set(10, vec16(&codes(&[29, 23, 24]))),
            changed,
        ),
        (
            "a group less",
            |h| h.extensions.set(10, vec16(&codes(&[23]))),
            changed,
        ),
        (
            "groups in another order",
            |h| h.extensions.set(10, vec16(&codes(&[23, 29]))),
            changed,
        ),
        (
            "other schemes",
            |h| h.extensions.set(13, vec16(&codes(&[0x0403]))),
            changed,
        ),
        (
            "another version",
            |h| h.extensions.set(43, vec8(&[3, 4, 3, 3])),
            changed,
        ),
        (
            "a cookie that nobody gave",
            |h| h.extensions.push(44, vec16(b"c")),
            changed,
        ),
        ("early data", |h| h.extensions.push(42, []), changed),
        (
            "an unknown extension more",
            |h| h.extensions.push(GREASE, []),
            changed,
        ),
        (
            "extensions in another order",
            |h| h.extensions.0.swap(0, 1),
            changed,
        ),
        (
            "a pre-shared key that was not there",
            |h| {
                h.extensions.push(45, vec8(&[1]));
                h.extensions.push(41, offered_psks(&[b"key"], &[[9; 32]]));
            },
            changed,
        ),
        (
            "the wrong group's share",
            |h| h.set_shares(&[(29, vec![9; 32])]),
            Fault::SecondHelloShare,
        ),
        ("no share", |h| h.set_shares(&[]), Fault::SecondHelloShare),
        (
            "a share more",
            |h| edit_shares(h, |s| s.insert(0, (29, vec![9; 32]))),
            Fault::SecondHelloShare,
        ),
        (
            "a bad share",
            |h| edit_shares(h, |s| s[0].1[64] ^= 1),
            Fault::KeyShareInvalid {
                group: Group::Secp256r1,
            },
        ),
        (
            "legacy_version",
            |h| h.version = 0x0304,
            Fault::LegacyVersion,
        ),
        (
            "compression",
            |h| h.compression = vec![0, 1],
            Fault::Compression,
        ),
        (
            "TLS 1.2 alone",
            |h| h.extensions.set(43, vec8(&[3, 3])),
            OLD,
        ),
    ];
    for (row, edit, want) in rows {
        let server = &configs().retrying;
        provoke_hello(row, Role::Server, server, 1, edit, *want);
    }
}

/// A suite that this library knows, and this client did not offer: in a ServerHello and in a HelloRetryRequest.
#[test]
fn a_known_suite_that_is_not_offered() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki))
        .suites(&[CipherSuite::Aes128GcmSha256])
        .build()
        .unwrap();
    let server = || ServerConfig::new(credential(&pki.leaf(NAME)));
    let retrying = server().groups(&[Group::Secp384r1]).build().unwrap();
    for (row, server) in [
        ("ServerHello", server().build().unwrap()),
        ("HelloRetryRequest", retrying),
    ] {
        let mut bench = Bench::with(Role::Client, &client, &server);
        let mut hello = Hello::parse(&bench.peer.next_message().unwrap());
        assert_eq!(hello.suites, [0x1301]);
        hello.suites = vec![0x1302];
        let wire = bench.peer.record(HANDSHAKE, &hello.encode());
        bench.fails(row, &wire, Fault::SuiteNotOffered);
    }
}

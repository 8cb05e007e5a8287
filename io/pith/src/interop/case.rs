//! The test cases, by what they ask of a client or a server beyond a transfer of files.

/// What a test case is about. Most are about the network, and the endpoints do the same in all of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// All files over one connection, each on a stream of its own.
    Transfer,
    /// With no other cipher suite.
    ChaCha20,
    /// The server sends a Retry first.
    Retry,
    /// The first file on one connection, the others on one that resumes it.
    Resumption,
    /// The same, and the others are asked for before the handshake is complete.
    ZeroRtt,
    /// Over HTTP/3.
    Http3,
    /// The client changes keys early on.
    KeyUpdate,
    /// Each file on a connection of its own.
    Multiconnect,
    /// The client begins in version 1 and lists version 2, to which the server changes.
    V2,
    /// The client moves to another address.
    Migration,
}

impl Case {
    /// By what TESTCASE is called: the runner's names of the cases, and what it says in place of some of them.
    pub(super) const NAMES: &[(&str, Self)] = &[
        ("handshake", Self::Transfer),
        ("transfer", Self::Transfer),
        ("longrtt", Self::Transfer),
        ("chacha20", Self::ChaCha20),
        ("multiplexing", Self::Transfer),
        ("retry", Self::Retry),
        ("resumption", Self::Resumption),
        ("zerortt", Self::ZeroRtt),
        ("http3", Self::Http3),
        ("blackhole", Self::Transfer),
        ("keyupdate", Self::KeyUpdate),
        ("ecn", Self::Transfer),
        ("amplificationlimit", Self::Transfer),
        ("multiconnect", Self::Multiconnect),
        ("handshakeloss", Self::Multiconnect),
        ("handshakecorruption", Self::Multiconnect),
        ("transferloss", Self::Transfer),
        ("transfercorruption", Self::Transfer),
        ("ipv6", Self::Transfer),
        ("v2", Self::V2),
        ("rebind-port", Self::Transfer),
        ("rebind-addr", Self::Transfer),
        ("connectionmigration", Self::Migration),
    ];

    pub(super) fn named(wanted: &str) -> Option<Self> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == wanted);
        named.map(|(_, case)| *case)
    }
}

//! What a ticket is bound to, and the one comparison that decides what it may still be used for.
//!
//! A [`Binding`] is what must be as it was, or the ticket is worth nothing and a full handshake follows (T01, T02). An
//! [`Early`] is what early data was agreed on under: a change there rejects early data alone. Texts and lists are compared
//! by their SHA-256, so that a binding has a fixed size, and is the same on each server that is configured alike: digests are
//! of names, roots and modes, never of a server's certificates or of addresses in memory.

use pith_crypto::Hash;
use pith_pq::Group;

use crate::auth::{Credential, Trust};
use crate::config::ClientAuth;
use crate::handshake::carrier::Rules;
use crate::mark::{Mark, mark, mark_of_set};
use crate::policy::Policy;
use crate::suite::CipherSuite;

/// What a server's configuration contributes to a binding, digested once when it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) scope: Mark,
    pub(super) client_auth: Mark,
    pub(super) policy: Mark,
}

/// What must be the same for a ticket to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The configuration: its scope, what it asks of clients, its policy.
    pub(crate) origin: Origin,
    /// The name that the client asked for, or that it asked for none.
    pub(crate) server_name: Mark,
    /// The hash of the key schedule.
    pub(crate) hash: Hash,
    /// Records, or which version of QUIC.
    pub(crate) carrier: Rules,
    /// Whether the key exchange resisted quantum computers. Where it did once, it has to go on.
    pub(crate) post_quantum: bool,
}

/// What must be the same for early data to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Early {
    /// The application protocol (ALPN), or that there is none.
    pub(crate) protocol: Mark,
    /// The cipher suite.
    pub(crate) suite: CipherSuite,
    /// What the application remembers; with `carrier` at most [`limits::SESSION_DATA`](crate::limits::SESSION_DATA) bytes.
    pub(crate) application: Box<[u8]>,
    /// What the carrier remembers: QUIC's transport parameters.
    pub(crate) carrier: Box<[u8]>,
    /// How many bytes of early data may come; 0 where none may.
    pub(crate) max_early_data: u32,
}

/// What is not as it was, for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Scope,
    ClientAuth,
    Policy,
    ServerName,
    Hash,
    Carrier,
    PostQuantum,
    Protocol,
    Suite,
    ApplicationData,
    CarrierData,
    MaxEarlyData,
}

impl Mismatch {
    /// What is not as it was, in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Scope => "its scope is another",
            Self::ClientAuth => "clients are asked for something else",
            Self::Policy => "the policy is another",
            Self::ServerName => "it is for another server name",
            Self::Hash => "its hash is that of no common cipher suite",
            Self::Carrier => {
                "it is of TCP, of QUIC or of another version of QUIC, and shown elsewhere"
            }
            Self::PostQuantum => "its connection was post-quantum and this is not",
            Self::Protocol => "the application protocol is another",
            Self::Suite => "the cipher suite is another",
            Self::ApplicationData => "the application's data is another",
            Self::CarrierData => "the carrier's data is another",
            Self::MaxEarlyData => "early data is not taken, or less of it",
        }
    }
}

impl Origin {
    /// Of a server. `scope` separates servers that are otherwise configured alike.
    pub(crate) fn new(scope: Option<&str>, client_auth: &ClientAuth, policy: &Policy) -> Self {
        let (mode, trust) = match client_auth {
            ClientAuth::None => (0, None),
            ClientAuth::Optional(trust) => (1, Some(trust)),
            ClientAuth::Required(trust) => (2, Some(trust)),
        };
        Self {
            scope: mark("scope", &[scope.unwrap_or_default().as_bytes()]),
            client_auth: mark(
                "client authentication",
                &[&[mode], &trust.map(Trust::mark).unwrap_or_default()],
            ),
            policy: mark_of_policy(policy),
        }
    }

    /// The binding of a connection.
    pub(crate) fn binding(
        &self,
        server_name: Option<&str>,
        suite: CipherSuite,
        group: Group,
        carrier: Rules,
    ) -> Binding {
        Binding {
            origin: *self,
            server_name: mark_of_name(server_name),
            hash: suite.hash(),
            carrier,
            post_quantum: group.is_post_quantum(),
        }
    }
}

/// Whose sessions a client's are: a session is only resumed under the trust, policy and credentials that it was made with.
/// `scope` stands for what no digest can see, such as a verifier of the application.
pub(crate) fn client_mark(
    trust: &Trust,
    policy: &Policy,
    credentials: &[Credential],
    scope: &str,
) -> Mark {
    mark(
        "client",
        &[
            &trust.mark(),
            &mark_of_policy(policy),
            &mark_of_set("credentials", credentials.iter().map(Credential::mark)),
            scope.as_bytes(),
        ],
    )
}

/// The mark of an application protocol.
pub(crate) fn mark_of_protocol(protocol: Option<&[u8]>) -> Mark {
    optional("protocol", protocol)
}

/// The mark of a DNS name, which has no case.
pub(crate) fn mark_of_name(name: Option<&str>) -> Mark {
    let name = name.map(str::to_ascii_lowercase);
    optional("name", name.as_deref().map(str::as_bytes))
}

impl Binding {
    pub(crate) fn mismatch(&self, now: &Self) -> Option<Mismatch> {
        let rows = [
            (Mismatch::Scope, self.origin.scope == now.origin.scope),
            (
                Mismatch::ClientAuth,
                self.origin.client_auth == now.origin.client_auth,
            ),
            (Mismatch::Policy, self.origin.policy == now.origin.policy),
            (Mismatch::ServerName, self.server_name == now.server_name),
            (Mismatch::Hash, self.hash == now.hash), // rfc9846#4.7.1-2
            (Mismatch::Carrier, self.carrier == now.carrier),
            (
                Mismatch::PostQuantum,
                now.post_quantum || !self.post_quantum,
            ),
        ];
        first_failed(rows)
    }
}

impl Early {
    pub(crate) fn mismatch(
        &self,
        now: &Self,
        carrier: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Option<Mismatch> {
        let max_early_data = self.max_early_data > 0 && self.max_early_data <= now.max_early_data;
        let rows = [
            (Mismatch::MaxEarlyData, max_early_data),
            (Mismatch::Protocol, self.protocol == now.protocol),
            (Mismatch::Suite, self.suite == now.suite),
            (
                Mismatch::ApplicationData,
                self.application == now.application,
            ),
            (Mismatch::CarrierData, carrier(&self.carrier, &now.carrier)),
        ];
        first_failed(rows)
    }
}

fn first_failed<const N: usize>(rows: [(Mismatch, bool); N]) -> Option<Mismatch> {
    rows.into_iter()
        .find_map(|(mismatch, same)| (!same).then_some(mismatch))
}

/// A policy's text, which names all that it allows: two of one name are still two.
fn mark_of_policy(policy: &Policy) -> Mark {
    mark("policy", &[policy.to_string().as_bytes()])
}

fn optional(label: &str, value: Option<&[u8]>) -> Mark {
    match value {
        Some(value) => mark(label, &[value]),
        None => mark(label, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a ticket may be used for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Match {
        /// Resumption and early data.
        Whole,
        /// Resumption alone; why early data is rejected.
        WithoutEarlyData(Mismatch),
        /// Nothing; why.
        None(Mismatch),
    }

    /// Compares what a ticket holds (`then`) with the connection that it is shown to (`now`). What the carrier remembers is
    /// judged by `carrier`, which gets it as it was and as it is: QUIC accepts limits that have grown.
    fn compare(
        then: (&Binding, &Early),
        now: (&Binding, &Early),
        carrier: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Match {
        if let Some(mismatch) = then.0.mismatch(now.0) {
            return Match::None(mismatch);
        }
        match then.1.mismatch(now.1, carrier) {
            Some(mismatch) => Match::WithoutEarlyData(mismatch),
            None => Match::Whole,
        }
    }
    use crate::policy::{V2026_11, V2026_11_PQ_ONLY};

    /// A configuration and a connection under it.
    #[derive(Clone)]
    struct Setup {
        scope: Option<&'static str>,
        client_auth: ClientAuth,
        policy: &'static Policy,
        server_name: Option<&'static str>,
        suite: CipherSuite,
        group: Group,
        carrier: Rules,
        protocol: Option<&'static [u8]>,
        application: &'static [u8],
        limit: u8,
        max_early_data: u32,
    }

    impl Setup {
        fn usual() -> Self {
            Self {
                scope: None,
                client_auth: ClientAuth::None,
                policy: &V2026_11,
                server_name: Some("a.test"),
                suite: CipherSuite::Aes128GcmSha256,
                group: Group::X25519,
                carrier: Rules::Records,
                protocol: Some(b"h3"),
                application: b"settings",
                limit: 7,
                max_early_data: 1000,
            }
        }

        fn bound(&self) -> (Binding, Early) {
            let origin = Origin::new(self.scope, &self.client_auth, self.policy);
            let early = Early {
                protocol: mark_of_protocol(self.protocol),
                suite: self.suite,
                application: self.application.into(),
                carrier: Box::new([self.limit]),
                max_early_data: self.max_early_data,
            };
            let binding = origin.binding(self.server_name, self.suite, self.group, self.carrier);
            (binding, early)
        }
    }

    fn pins(byte: u8) -> Trust {
        Trust::pinned_keys([[byte; 32]]).unwrap()
    }

    /// A change of the usual set-up; a ticket of it on the usual one; a ticket of the usual one on it.
    type Row = (&'static str, fn(&mut Setup), Match, Match);

    fn alike(name: &'static str, change: fn(&mut Setup), verdict: Match) -> Row {
        (name, change, verdict, verdict)
    }

    fn rows() -> Vec<Row> {
        use Match::{None as Nothing, Whole, WithoutEarlyData as Rejected};
        use Mismatch as M;
        vec![
            alike("nothing", |_| (), Whole),
            alike("a scope", |s| s.scope = Some("a"), Nothing(M::Scope)),
            alike("another scope", |s| s.scope = Some("b"), Nothing(M::Scope)),
            alike(
                "clients may show certificates",
                |s| s.client_auth = ClientAuth::Optional(pins(1)),
                Nothing(M::ClientAuth),
            ),
            alike(
                "clients must show certificates",
                |s| s.client_auth = ClientAuth::Required(pins(1)),
                Nothing(M::ClientAuth),
            ),
            alike(
                "other clients are trusted",
                |s| s.client_auth = ClientAuth::Required(pins(2)),
                Nothing(M::ClientAuth),
            ),
            alike(
                "another policy",
                |s| s.policy = &V2026_11_PQ_ONLY,
                Nothing(M::Policy),
            ),
            alike(
                "another name",
                |s| s.server_name = Some("b.test"),
                Nothing(M::ServerName),
            ),
            alike("no name", |s| s.server_name = None, Nothing(M::ServerName)),
            alike("case", |s| s.server_name = Some("A.Test"), Whole),
            alike(
                "another hash",
                |s| s.suite = CipherSuite::Aes256GcmSha384,
                Nothing(M::Hash),
            ),
            alike("QUIC", |s| s.carrier = Rules::quic(1), Nothing(M::Carrier)),
            alike(
                "a later QUIC",
                |s| s.carrier = Rules::quic(2),
                Nothing(M::Carrier),
            ),
            (
                "post-quantum",
                |s| s.group = Group::X25519MlKem768,
                Nothing(M::PostQuantum),
                Whole,
            ),
            alike("another group", |s| s.group = Group::Secp256r1, Whole),
            alike(
                "another protocol",
                |s| s.protocol = Some(b"h2"),
                Rejected(M::Protocol),
            ),
            alike("no protocol", |s| s.protocol = None, Rejected(M::Protocol)),
            alike(
                "another suite of the hash",
                |s| s.suite = CipherSuite::ChaCha20Poly1305Sha256,
                Rejected(M::Suite),
            ),
            alike(
                "other application data",
                |s| s.application = b"others",
                Rejected(M::ApplicationData),
            ),
            (
                "a larger limit of the carrier",
                |s| s.limit = 8,
                Rejected(M::CarrierData),
                Whole,
            ),
            (
                "more early data",
                |s| s.max_early_data = 1001,
                Rejected(M::MaxEarlyData),
                Whole,
            ),
            alike(
                "no early data",
                |s| s.max_early_data = 0,
                Rejected(M::MaxEarlyData),
            ),
        ]
    }

    /// As QUIC would judge it: limits may grow.
    fn judge(then: &Setup, now: &Setup) -> Match {
        let (then, now) = (then.bound(), now.bound());
        compare((&then.0, &then.1), (&now.0, &now.1), |then, now| {
            then <= now
        })
    }

    #[test]
    fn each_change_ends_resumption_or_early_data_alone() {
        for (name, change, from, to) in rows() {
            let (usual, mut changed) = (Setup::usual(), Setup::usual());
            change(&mut changed);
            assert_eq!(judge(&changed, &usual), from, "{name}: it, then the usual");
            assert_eq!(judge(&usual, &changed), to, "{name}: the usual, then it");
        }
    }

    /// All pairs of changes, one that the ticket was made under and one that it is shown under. The worse of the two decides,
    /// and no two of them make up for each other; a ticket is good where it was made, unless that has no early data.
    #[test]
    fn of_two_changes_the_worse_decides() {
        let rank = |verdict: Match| match verdict {
            Match::Whole => 0,
            Match::WithoutEarlyData(_) => 1,
            Match::None(_) => 2,
        };
        let rows = rows();
        let mut pairs = 0;
        for (name, change, from, _) in &rows {
            for (other, change_too, _, to) in &rows {
                let (mut then, mut now) = (Setup::usual(), Setup::usual());
                change(&mut then);
                change_too(&mut now);
                let got = judge(&then, &now);
                let want = match name == other {
                    true => u8::from(*name == "no early data"),
                    false => rank(*from).max(rank(*to)),
                };
                assert_eq!(rank(got), want, "{name}, then {other}: {got:?}");
                pairs += 1;
            }
        }
        assert_eq!(pairs, 22 * 22);
    }

    /// What a client's sessions are kept under.
    #[test]
    fn sessions_of_another_configuration_are_anothers() {
        let rows = [
            ("one", client_mark(&pins(1), &V2026_11, &[], "")),
            ("other trust", client_mark(&pins(2), &V2026_11, &[], "")),
            ("policy", client_mark(&pins(1), &V2026_11_PQ_ONLY, &[], "")),
            ("scope", client_mark(&pins(1), &V2026_11, &[], "verifier")),
        ];
        for (at, (name, mark)) in rows.iter().enumerate() {
            for (other, mark_too) in &rows[..at] {
                assert_ne!(mark, mark_too, "{name} and {other}");
            }
        }
    }
}

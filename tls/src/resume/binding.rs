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
    /// Records or QUIC.
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

/// What a ticket may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// Resumption and early data.
    Whole,
    /// Resumption alone; why early data is rejected.
    WithoutEarlyData(Mismatch),
    /// Nothing; why.
    None(Mismatch),
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

/// Compares what a ticket holds (`then`) with the connection that it is shown to (`now`). What the carrier remembers is
/// judged by `carrier`, which gets it as it was and as it is: QUIC accepts limits that have grown.
pub(crate) fn compare(
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

impl Binding {
    fn mismatch(&self, now: &Self) -> Option<Mismatch> {
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
    fn mismatch(&self, now: &Self, carrier: impl FnOnce(&[u8], &[u8]) -> bool) -> Option<Mismatch> {
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

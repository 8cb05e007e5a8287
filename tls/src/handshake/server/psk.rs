//! The pre-shared keys that a client offers, as its server sees them: tickets of earlier connections, and imported keys.
//!
//! In: a ClientHello. Out: the first key that is known here and fits this connection as a whole, and then the proof that the client
//! holds it, by its binder (rfc9846#4.3.11-4). A key that is unknown or does not fit is passed over, and a full handshake follows
//! (T01): nothing but a wrong binder of the one key that was chosen is a fault.

use core::time::Duration;
use std::sync::Arc;

use pith_crypto::Hash;

use crate::config::ServerConfig;
use crate::error::{Error, Fault};
use crate::handshake::Context;
use crate::handshake::output::Psk;
use crate::handshake::tickets::external;
use crate::limits;
use crate::resume::ImportedPsk;
use crate::resume::binding::Binding;
use crate::resume::state::ServerState;
use crate::schedule::early::{BinderVerified, PskOrigin, PskSecret};
use crate::schedule::transcript::Transcript;
use crate::wire::client_hello::ClientHello;
use crate::wire::pre_shared_key::OfferedPsk;

/// A key that the client offers and this server knows.
pub(super) struct Candidate {
    identity: Box<[u8]>,
    pub(super) key: Key,
}

/// A pre-shared key.
pub(super) enum Key {
    Ticket(Box<ServerState>),
    Imported(Arc<ImportedPsk>),
}

/// A key that the client has proved to hold.
pub(super) struct AcceptedPsk {
    /// Where it stands in the client's hello.
    pub(super) place: u16,
    pub(super) secret: PskSecret,
    pub(super) binder: BinderVerified,
}

/// The keys of this hello that are known here, in the client's order.
pub(super) fn known<'a>(
    hello: &'a ClientHello<'_>,
    config: &'a ServerConfig,
    cx: &'a Context<'_>,
) -> impl Iterator<Item = Candidate> + 'a {
    let offered = hello.psks.iter().filter(|_| hello.takes_psks);
    offered
        .flat_map(|offered| &offered.psks)
        .take(limits::PSK_IDENTITIES)
        .filter_map(|psk| {
            let key = find(psk, config, cx)?;
            Some(Candidate {
                identity: psk.identity.into(),
                key,
            })
        })
}

fn find(psk: &OfferedPsk<'_>, config: &ServerConfig, cx: &Context<'_>) -> Option<Key> {
    let imported = config
        .psks
        .iter()
        .find(|own| *own.identity == *psk.identity);
    if let Some(imported) = imported {
        return Some(Key::Imported(imported.clone()));
    }
    let state = config.tickets.open(psk.identity, cx.now)?;
    Some(Key::Ticket(Box::new(state)))
}

impl Candidate {
    /// Checks the binder of this key in `hello`, whose encoded form is `whole`; `before` is what goes before a second hello.
    /// A second hello may not leave out the key that was chosen by the first (S05).
    pub(super) fn verify(
        &self,
        hello: &ClientHello<'_>,
        whole: &[u8],
        before: Option<&Transcript>,
    ) -> Result<AcceptedPsk, Error> {
        let secret = self.key.secret()?;
        let offered = hello.psks.as_ref().ok_or(Fault::SecondHelloChanged)?;
        let place = offered
            .psks
            .iter()
            .position(|psk| psk.identity == &*self.identity)
            .ok_or(Fault::SecondHelloChanged)?;
        let psk = offered.psks.get(place).ok_or(Fault::SecondHelloChanged)?;
        let covered = offered.covered(whole);
        let digest = match before {
            Some(transcript) => transcript.digest_with(covered),
            None => secret.hash().digest(covered),
        };
        let binder = secret.check_binder(digest.as_ref(), psk.binder)?;
        Ok(AcceptedPsk {
            place: u16::try_from(place).unwrap_or(u16::MAX),
            secret,
            binder,
        })
    }
}

impl Key {
    /// The hash that this key is for.
    pub(super) fn hash(&self) -> Hash {
        match self {
            Self::Ticket(state) => state.binding.hash,
            Self::Imported(psk) => psk.hash,
        }
    }

    /// Whether a full handshake would lead to the same as it did when this key came to be (T01). An external key is bound to
    /// nothing but its hash.
    pub(super) fn fits(&self, now: &Binding) -> bool {
        match self {
            Self::Ticket(state) => state.binding.mismatch(now).is_none(),
            Self::Imported(_) => true,
        }
    }

    fn secret(&self) -> Result<PskSecret, Error> {
        let (origin, secret) = match self {
            Self::Ticket(state) => (PskOrigin::Ticket, &state.secret),
            Self::Imported(psk) => (PskOrigin::Imported, &psk.secret),
        };
        Ok(PskSecret::new(self.hash(), origin, secret)?)
    }

    /// When the line of sessions ends. No session comes of an external key.
    pub(super) fn until(&self) -> Option<Duration> {
        match self {
            Self::Ticket(state) => Some(state.until),
            Self::Imported(_) => None,
        }
    }

    /// The key that the client proved to have when the line of sessions began, if it did.
    pub(super) fn peer_key(&self) -> Option<[u8; 32]> {
        match self {
            Self::Ticket(state) => state.peer.as_ref().map(|peer| peer.key),
            Self::Imported(_) => None,
        }
    }

    /// What of it the summary tells.
    pub(super) fn summary(&self) -> Psk {
        match self {
            Self::Ticket(_) => Psk::Ticket,
            Self::Imported(psk) => Psk::External {
                identity: external(psk),
            },
        }
    }
}

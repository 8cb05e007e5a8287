//! The pre-shared keys that a client offers, as its server sees them: tickets of earlier connections, and imported keys.
//!
//! In: a ClientHello. Out: the first key that is known here and fits this connection as a whole, and then the proof that the client
//! holds it, by its binder (rfc9846#4.3.11-4). A key that is unknown or does not fit is passed over, and a full handshake follows
//! (T01): nothing but a wrong binder of the one key that was chosen is a fault.

use core::time::Duration;
use std::sync::Arc;

use pith_crypto::{Hash, Secret};

use crate::Now;
use crate::config::ServerConfig;
use crate::error::{Error, Fault, Local};
use crate::handshake::output::{Psk, Summary};
use crate::handshake::tickets::external;
use crate::limits;
use crate::resume::binding::{Binding, Mismatch};
use crate::resume::state::ServerState;
use crate::resume::{ImportedPsk, KeptSession};
use crate::schedule::early::{BinderVerified, PskOrigin, PskSecret};
use crate::schedule::transcript::Transcript;
use crate::wire::client_hello::ClientHello;

/// A key that the client offers and this server knows.
pub(super) struct Candidate {
    identity: Box<[u8]>,
    pub(super) key: Key,
}

/// A pre-shared key.
pub(super) enum Key {
    Ticket(Box<ServerState>),
    /// A ticket that the application kept.
    Kept(KeptSession),
    Imported(Arc<ImportedPsk>),
}

/// A key that the client has proved to hold.
pub(super) struct AcceptedPsk {
    /// Where it stands in the client's hello.
    pub(super) place: u16,
    pub(super) secret: PskSecret,
    pub(super) binder: BinderVerified,
}

/// What the application found for a hello.
#[derive(Default)]
pub(super) struct Found {
    pub(super) psks: Vec<Arc<ImportedPsk>>,
    /// With its identity.
    pub(super) session: Option<(Box<[u8]>, KeptSession)>,
}

/// The identities of this hello that are looked at: none where the client takes no key exchange with them (rfc9846#4.2.1-2).
fn offered<'a>(hello: &'a ClientHello<'a>) -> impl Iterator<Item = &'a [u8]> + 'a {
    let offered = hello.psks.iter().filter(|_| hello.takes_psks);
    let psks = offered.flat_map(|offered| &offered.psks);
    psks.map(|psk| psk.identity).take(limits::PSK_IDENTITIES)
}

/// The identities of this hello that the application may know, if the configuration knows none before them.
pub(super) fn unknown(hello: &ClientHello<'_>, config: &ServerConfig) -> Vec<Box<[u8]>> {
    let held = |identity: &&[u8]| config.psks.iter().any(|own| *own.identity == **identity);
    let unknown = offered(hello).take_while(|identity| !held(identity));
    unknown.map(Box::from).collect()
}

/// The keys of this hello that are known here, in the client's order.
pub(super) fn known<'a>(
    hello: &'a ClientHello<'_>,
    config: &'a ServerConfig,
    found: &'a Found,
    now: Now,
) -> impl Iterator<Item = Candidate> + 'a {
    offered(hello).filter_map(move |identity| {
        let key = find(identity, config, found, now)?;
        let identity = identity.into();
        Some(Candidate { identity, key })
    })
}

fn find(identity: &[u8], config: &ServerConfig, found: &Found, now: Now) -> Option<Key> {
    let mut imported = config.psks.iter().chain(&found.psks);
    if let Some(imported) = imported.find(|own| *own.identity == *identity) {
        return Some(Key::Imported(imported.clone()));
    }
    if let Some((of, session)) = &found.session {
        let current = session.state().is_some_and(|state| state.is_current(now));
        if **of == *identity && current {
            return Some(Key::Kept(session.clone()));
        }
    }
    let state = config.tickets.open(identity, now)?;
    Some(Key::Ticket(Box::new(state)))
}

impl Candidate {
    /// Checks the binder of this key in `hello`, whose encoded form is `whole` and goes behind `before`, and adds it there.
    /// A second hello may not leave out the key that was chosen by the first (S05).
    pub(super) fn verify(
        &self,
        hello: &ClientHello<'_>,
        whole: &[u8],
        before: &mut Transcript,
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
        before.add(covered);
        let binder = secret.check_binder(before.digest().as_ref(), psk.binder)?;
        before.add(whole.get(covered.len()..).unwrap_or_default());
        Ok(AcceptedPsk {
            place: u16::try_from(place).unwrap_or(u16::MAX),
            secret,
            binder,
        })
    }
}

impl Key {
    /// What a ticket holds.
    pub(super) fn state(&self) -> Option<&ServerState> {
        match self {
            Self::Ticket(state) => Some(state),
            Self::Kept(session) => session.state(),
            Self::Imported(_) => None,
        }
    }

    /// The hash that this key is for, and where it comes from.
    fn parts(&self) -> Result<(Hash, PskOrigin, &Secret), Local> {
        if let Self::Imported(psk) = self {
            return Ok((psk.hash, PskOrigin::Imported, &psk.secret));
        }
        let state = self.state().ok_or(Local::Internal("a key of nothing"))?;
        Ok((state.binding.hash, PskOrigin::Ticket, &state.secret))
    }

    /// Whether it is for this hash.
    pub(super) fn is_for(&self, hash: Hash) -> bool {
        self.parts().is_ok_and(|(of, _, _)| of == hash)
    }

    /// Whether a full handshake would lead to the same as it did when this key came to be (T01). An external key is bound to
    /// nothing but its hash.
    pub(super) fn mismatch(&self, now: &Binding) -> Option<Mismatch> {
        self.state().and_then(|state| state.binding.mismatch(now))
    }

    fn secret(&self) -> Result<PskSecret, Error> {
        let (hash, origin, secret) = self.parts()?;
        Ok(PskSecret::new(hash, origin, secret)?)
    }

    /// When the line of sessions ends. No session comes of an external key.
    pub(super) fn until(&self) -> Option<Duration> {
        self.state().map(|state| state.until)
    }

    /// Notes who the client proved to be when the line of sessions began, if it did.
    pub(super) fn note_peer(&self, summary: &mut Summary) {
        if let Some(peer) = self.state().and_then(|state| state.peer.as_ref()) {
            summary.peer_key = Some(peer.key);
            summary.peer_identity = peer.identity.clone();
        }
    }

    /// What of it the summary tells.
    pub(super) fn summary(&self) -> Psk {
        match self {
            Self::Ticket(_) | Self::Kept(_) => Psk::Ticket,
            Self::Imported(psk) => Psk::External {
                identity: external(psk),
            },
        }
    }
}

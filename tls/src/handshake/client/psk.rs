//! The pre-shared keys that a client offers: tickets of its store, and keys that were given to its configuration.
//!
//! A ticket is taken from the store when the hello is written, so that no two connections offer the same. In: the configuration and the
//! store. Out: what stands in the hello, with binders over it (RFC 9846 section 4.3.11.2), and at last the one key that the
//! server selected, checked against what it chose besides (rfc9846#4.3.11-6).

use core::time::Duration;
use std::sync::Arc;

use pith_crypto::Hash;
use pith_pq::Group;
use pki_types::ServerName;

use crate::Now;
use crate::config::ClientConfig;
use crate::error::{Error, Fault, Local};
use crate::handshake::Context;
use crate::handshake::output::{Psk, Summary};
use crate::handshake::tickets::external;
use crate::resume::ImportedPsk;
use crate::resume::session::ClientState;
use crate::schedule::early::{PskInUse, PskOrigin, PskSecret};
use crate::schedule::transcript::Transcript;
use crate::suite::CipherSuite;
use crate::wire::pre_shared_key::{PskOffer, TicketRequest, binders_len};

/// The keys of one hello, in its order.
#[derive(Default)]
pub(super) struct Offers(Vec<Offer>);

struct Offer {
    key: Key,
    secret: PskSecret,
    obfuscated_age: u32,
}

/// A pre-shared key.
pub(super) enum Key {
    Ticket(Box<ClientState>),
    Imported(Arc<ImportedPsk>),
}

/// The key that the server selected.
pub(super) struct Selected {
    pub(super) key: Key,
    pub(super) secret: PskSecret,
}

/// The key from which the secrets of this handshake come.
pub(super) struct InUse {
    pub(super) key: Key,
    pub(super) proof: PskInUse,
}

impl Offers {
    /// What there is to offer to this server. A ticket is taken out of the store.
    pub(super) fn take(
        config: &ClientConfig,
        name: &ServerName<'static>,
        cx: &Context<'_>,
    ) -> Result<Self, Error> {
        let mut offers = Vec::new();
        let store = config.sessions.as_ref();
        let session = store.and_then(|store| store.take(name, &config.owner, cx.rules, cx.now));
        if let Some(session) = session {
            let secret = PskSecret::new(session.suite.hash(), PskOrigin::Ticket, &session.secret)?;
            offers.push(Offer {
                obfuscated_age: session.obfuscated_age(cx.now),
                key: Key::Ticket(session),
                secret,
            });
        }
        for psk in &config.psks {
            offers.push(Offer {
                secret: PskSecret::new(psk.hash, PskOrigin::Imported, &psk.secret)?,
                key: Key::Imported(psk.clone()),
                // rfc9846#4.3.11-1
                obfuscated_age: 0,
            });
        }
        Ok(Self(offers))
    }

    /// The key that early data and the early exporter would come of (rfc9846#4.3.10-2).
    pub(super) fn first(&self) -> Option<&PskSecret> {
        self.0.first().map(|offer| &offer.secret)
    }

    /// The session and key under which early data may be sent: the first, if its server takes early data and this client offers again
    /// what was negotiated (rfc9846#4.3.10-2).
    pub(super) fn early(&self, config: &ClientConfig) -> Option<(&ClientState, &PskSecret)> {
        let first = self.0.first()?;
        let Key::Ticket(session) = &first.key else {
            return None;
        };
        let offered = match &session.protocol {
            Some(protocol) => config.protocols.iter().any(|own| **own == **protocol),
            None => true,
        };
        let takes = config.early_data && session.max_early_data > 0;
        let fits = takes && offered && config.suites.contains(&session.suite);
        fits.then_some((&**session, &first.secret))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands in the hello.
    pub(super) fn list(&self) -> Vec<PskOffer<'_>> {
        let offers = self.0.iter().map(|offer| PskOffer {
            identity: offer.key.identity(),
            obfuscated_age: offer.obfuscated_age,
            hash: offer.secret.hash(),
        });
        offers.collect()
    }

    /// Fills in the binders, which are the end of the message, and returns the transcript with it, by the hash of the first key.
    /// `before` is what goes before a second hello.
    pub(super) fn bind(
        &self,
        message: &mut [u8],
        before: Option<&Transcript>,
    ) -> Result<Option<Transcript>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut first = None;
        let internal = Local::Internal("a hello without room for its binders");
        let covered = message.len().checked_sub(binders_len(&self.list()));
        let (covered, binders) = covered
            .and_then(|at| message.split_at_mut_checked(at))
            .ok_or(internal)?;
        // Behind the length of the list, each stands behind a length of its own.
        let mut room = binders.get_mut(2..).ok_or(internal)?;
        for offer in &self.0 {
            let hash = offer.secret.hash();
            let mut transcript = match before {
                Some(before) => before.clone(),
                None => Transcript::new(hash, &[]),
            };
            transcript.add(covered);
            let binder = offer.secret.binder(transcript.digest().as_ref())?;
            first.get_or_insert(transcript);
            let (_, rest) = room.split_first_mut().ok_or(internal)?;
            let (place, rest) = rest.split_at_mut_checked(hash.len()).ok_or(internal)?;
            place.copy_from_slice(binder.expose());
            room = rest;
        }
        if let Some(first) = &mut first {
            first.add(binders);
        }
        Ok(first)
    }

    /// Prepares a second hello: keys for another hash than that of the suite are of no use any more.
    pub(super) fn retry(&mut self, hash: Hash, now: Now) {
        self.0.retain(|offer| offer.secret.hash() == hash);
        for offer in &mut self.0 {
            if let Key::Ticket(session) = &offer.key {
                offer.obfuscated_age = session.obfuscated_age(now);
            }
        }
    }

    /// The key at `place`, where the server selected one, checked against the rest of its choice.
    pub(super) fn select(
        &mut self,
        place: Option<u16>,
        suite: CipherSuite,
        group: Group,
    ) -> Result<Option<Selected>, Fault> {
        let Some(place) = place else {
            return Ok(None);
        };
        let place = usize::from(place);
        if place >= self.0.len() {
            return Err(Fault::SelectedPsk);
        }
        let Offer { key, secret, .. } = self.0.swap_remove(place);
        if secret.hash() != suite.hash() {
            return Err(Fault::SelectedPskHash);
        }
        match &key {
            Key::Ticket(session) if session.post_quantum && !group.is_post_quantum() => {
                Err(Fault::ResumedClassically)
            }
            Key::Ticket(_) | Key::Imported(_) => Ok(Some(Selected { key, secret })),
        }
    }
}

impl Key {
    /// What of it the summary tells.
    pub(super) fn summary(&self) -> Psk {
        match self {
            Self::Ticket(_) => Psk::Ticket,
            Self::Imported(psk) => Psk::External {
                identity: external(psk),
            },
        }
    }

    /// Notes who the server proved to be when the line of sessions began.
    pub(super) fn note_peer(&self, summary: &mut Summary) {
        if let Self::Ticket(session) = self {
            summary.peer_key = Some(session.peer.key);
            summary.peer_identity = session.peer.identity.clone();
        }
    }

    /// When the line of sessions ends; at once, if no session may come of this key.
    pub(super) fn until(&self) -> Duration {
        match self {
            Self::Ticket(session) => session.until,
            Self::Imported(_) => Duration::ZERO,
        }
    }

    fn identity(&self) -> &[u8] {
        match self {
            Self::Ticket(session) => &session.ticket,
            Self::Imported(psk) => &psk.identity,
        }
    }
}

/// How many tickets to ask for: as many as the store holds for a name, or after a resumption one in the place of the one used.
pub(super) fn ticket_request(config: &ClientConfig) -> Option<TicketRequest> {
    let store = config.sessions.as_ref()?;
    Some(TicketRequest {
        new_session: store.per_name(),
        resumption: 1,
    })
}

//! Tickets after the handshake (RFC 9846 section 4.7.1): a server issues them, a client puts them into its store.
//!
//! Both sides keep the resumption secret for that, and what a ticket will be bound to, in one box: a connection that has nothing to do
//! with tickets holds nothing. What a ticket inherits from the one before it, such as who the peer is and when the line of
//! sessions ends, is handed on unchanged.

use core::time::Duration;
use std::sync::Arc;

use pith_crypto::random;
use pki_types::ServerName;

use super::Context;
use super::output::{Direction, Level, Summary, Topic};
use crate::config::{ClientConfig, ServerConfig};
use crate::error::{Error, Fault, Local};
use crate::event::Event;
use crate::limits;
use crate::resume::binding::{Early, mark_of_protocol};
use crate::resume::session::ClientState;
use crate::resume::state::{Peer, ServerState};
use crate::resume::{ImportedIdentity, ImportedPsk, KeptSession};
use crate::schedule::early::ResumptionSecret;
use crate::wire::post_handshake::NewSessionTicket;

/// The identity that the two sides agreed on for this key.
pub(crate) fn external(psk: &ImportedPsk) -> Box<[u8]> {
    let identity = ImportedIdentity::parse(&psk.identity);
    identity.map_or_else(Box::default, |identity| identity.external_identity.into())
}

/// What a connection does about tickets once its handshake is complete.
pub(crate) enum Tickets {
    /// None are issued, or none wanted.
    None,
    Issue(Box<Issuer>),
    /// The application is asked to keep a session.
    Asking(Box<Asking>),
    Take(Box<Taker>),
}

/// Issues a server's tickets.
pub(crate) struct Issuer {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) summary: Arc<Summary>,
    pub(crate) secret: ResumptionSecret,
    /// When the line of sessions ends, in seconds since 1970.
    pub(crate) until: u64,
    /// Tickets so far, and so the next one's nonce.
    pub(crate) issued: u32,
    /// What the carrier remembers.
    pub(crate) carrier: Box<[u8]>,
}

/// A ticket whose session the application is asked to keep.
pub(crate) struct Asking {
    issuer: Box<Issuer>,
    made: Made,
    /// How many more are due.
    left: u8,
}

/// What of a ticket the client is told, besides the ticket itself.
struct Made {
    lifetime: Duration,
    age_add: u32,
    nonce: [u8; 4],
    max_early_data: u32,
}

/// Takes a client's tickets.
pub(crate) struct Taker {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) summary: Arc<Summary>,
    pub(crate) secret: ResumptionSecret,
    /// The server's address, where the summary has no name of it.
    pub(crate) address: Option<Box<ServerName<'static>>>,
    /// When the line of sessions ends, in seconds since 1970.
    pub(crate) until: u64,
    pub(crate) remembered: Option<Box<Remembered>>,
}

/// What the application and the carrier remember with sessions.
#[derive(Clone, Default)]
pub(crate) struct Remembered {
    pub(crate) application: Box<[u8]>,
    pub(crate) carrier: Box<[u8]>,
}

impl Tickets {
    /// Queues so many tickets, in one flight; where the application keeps them, it is asked for one after the other.
    pub(crate) fn issue(&mut self, count: u8, cx: &mut Context<'_>) -> Result<(), Error> {
        match core::mem::replace(self, Self::None) {
            Self::Issue(issuer) if issuer.config.tickets.are_asked() => {
                *self = issuer.ask(count, cx)?;
            }
            Self::Issue(mut issuer) => {
                issuer.issue(count, cx)?;
                *self = Self::Issue(issuer);
            }
            Self::Asking(mut asking) => {
                asking.left = asking.left.saturating_add(count).min(limits::TICKETS);
                *self = Self::Asking(asking);
            }
            other @ (Self::None | Self::Take(_)) => *self = other,
        }
        Ok(())
    }

    /// Sends the ticket whose session the application kept, and asks for the next.
    pub(crate) fn on_kept(
        &mut self,
        identity: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        let Self::Asking(asking) = core::mem::replace(self, Self::None) else {
            return Err(Local::Internal("an answer without its question").into());
        };
        let Asking { issuer, made, left } = *asking;
        let fits = |identity: &Vec<u8>| (1..=limits::TICKET).contains(&identity.len());
        if let Some(identity) = identity.filter(fits) {
            cx.outputs
                .send(Level::Application, made.message(&identity)?);
        }
        *self = issuer.ask(left, cx)?;
        Ok(())
    }

    /// Stores a ticket that came.
    pub(crate) fn take(
        &mut self,
        ticket: &NewSessionTicket<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        let early_limit = ticket.max_early_data;
        if early_limit.is_some_and(|limit| !cx.rules.allows_early_data_limit(limit)) {
            return Err(Fault::EarlyDataInQuic.into());
        }
        let Self::Take(taker) = self else {
            return Ok(());
        };
        // Of a server that has only shown an external key, no session is kept.
        let (Some(store), Some(key)) = (&taker.config.sessions, taker.summary.peer_key) else {
            return Ok(());
        };
        let name = taker.summary.server_name.as_deref();
        let dns = name.and_then(|name| Some(ServerName::DnsName(name.try_into().ok()?)));
        let server_name = match (dns, &taker.address) {
            (Some(name), _) => name.to_owned(),
            (None, Some(address)) => ServerName::clone(address),
            (None, None) => return Err(Local::Internal("a server without a name").into()),
        };
        // rfc9846#4.7.1-6
        let lifetime = Duration::from_secs(ticket.lifetime.into()).min(limits::TICKET_LIFETIME);
        if lifetime.is_zero() || ticket.ticket.len() > limits::SESSION_TICKET {
            return Ok(());
        }
        let summary = &taker.summary;
        let remembered = taker.remembered.as_deref().cloned().unwrap_or_default();
        let state = ClientState {
            secret: taker.secret.psk(summary.suite.hash(), ticket.nonce)?,
            suite: summary.suite,
            ticket: ticket.ticket.into(),
            age_add: ticket.age_add,
            received: cx.now.unix,
            lifetime,
            peer: Peer {
                key,
                identity: taker.summary.peer_identity.clone(),
            },
            until: Duration::from_secs(taker.until),
            server_name,
            owner: taker.config.owner,
            carrier: cx.rules,
            post_quantum: summary.group.is_post_quantum(),
            protocol: summary.protocol.clone(),
            max_early_data: early_limit.unwrap_or_default(),
            application: remembered.application,
            carrier_data: remembered.carrier,
        };
        store.put(Box::new(state));
        cx.tell(&Event::Ticket(Direction::Read));
        Ok(())
    }
}

impl Issuer {
    fn issue(&mut self, count: u8, cx: &mut Context<'_>) -> Result<(), Error> {
        let mut flight = Vec::new();
        for _ in 0..count {
            let Some((state, made)) = self.next(cx)? else {
                break;
            };
            let ticket = self.config.tickets.seal(&state, cx.now)?;
            flight.extend_from_slice(&made.message(&ticket)?);
        }
        if !flight.is_empty() {
            cx.outputs.send(Level::Application, flight);
        }
        Ok(())
    }

    /// Asks the application to keep the next session, if there is to be one.
    fn ask(mut self: Box<Self>, count: u8, cx: &mut Context<'_>) -> Result<Tickets, Error> {
        let Some(left) = count.checked_sub(1) else {
            return Ok(Tickets::Issue(self));
        };
        let Some((state, made)) = self.next(cx)? else {
            return Ok(Tickets::Issue(self));
        };
        let session = KeptSession::new(state);
        cx.outputs.ask(Topic::KeepSession(session))?;
        Ok(Tickets::Asking(Box::new(Asking {
            issuer: self,
            made,
            left,
        })))
    }

    /// The next ticket; `None` where the line of sessions has ended.
    fn next(&mut self, cx: &Context<'_>) -> Result<Option<(ServerState, Made)>, Error> {
        let until = Duration::from_secs(self.until);
        let Some(lifetime) = self.config.tickets.lifetime_for(until, cx.now) else {
            return Ok(None);
        };
        let nonce = self.issued.to_be_bytes();
        self.issued = self
            .issued
            .checked_add(1)
            .ok_or(Local::Internal("too many tickets"))?;
        // rfc9846#4.7.1-7 (T04)
        let mut age_add = [0; 4];
        random::fill(&mut age_add)?;
        let age_add = u32::from_be_bytes(age_add);
        let max_early_data = cx.rules.early_data_limit(self.config.most_early_data());
        let summary = &self.summary;
        let name = summary.server_name.as_deref();
        let origin = &self.config.origin;
        let state = ServerState {
            secret: self.secret.psk(summary.suite.hash(), &nonce)?,
            binding: origin.binding(name, summary.suite, summary.group, cx.rules),
            early: Early {
                protocol: mark_of_protocol(summary.protocol.as_deref()),
                suite: summary.suite,
                application: self.config.early_settings().into(),
                carrier: self.carrier.clone(),
                max_early_data,
            },
            peer: summary.peer_key.map(|key| Peer {
                key,
                identity: summary.peer_identity.clone(),
            }),
            issued: cx.now.unix,
            lifetime,
            until,
            age_add,
        };
        let made = Made {
            lifetime,
            age_add,
            nonce,
            max_early_data,
        };
        Ok(Some((state, made)))
    }
}

impl Made {
    fn message(&self, ticket: &[u8]) -> Result<Vec<u8>, Error> {
        let message = NewSessionTicket {
            lifetime: u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX),
            age_add: self.age_add,
            nonce: &self.nonce,
            ticket,
            max_early_data: (self.max_early_data > 0).then_some(self.max_early_data),
        };
        Ok(message.encode()?)
    }
}

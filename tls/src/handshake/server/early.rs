//! A server's decision on early data (RFC 9846 sections 4.3.10 and 8): only what has changed nothing, is fresh and was not seen before.
//!
//! In: the hello's first pre-shared key, whose binder has been verified, and what its ticket was bound to. Out: accept, reject, or ask
//! the application whether it has seen this hello (T08). A rejection rejects early data alone (rfc9846#4.3.10-9); the handshake goes on.

use pith_crypto::Error;

use super::negotiate::{Auth, Choice};
use super::psk::AcceptedPsk;
use crate::Now;
use crate::config::{Replays, ServerConfig};
use crate::handshake::carrier::Rules;
use crate::keylog::ConnectionLog;
use crate::limits;
use crate::mark::mark;
use crate::resume::binding::{Early, Mismatch, mark_of_protocol};
use crate::resume::replay::is_fresh;
use crate::resume::state::ServerState;
use crate::schedule::TrafficSecret;
use crate::schedule::transcript::Transcript;
use crate::wire::ExtensionType;
use crate::wire::client_hello::ClientHello;

/// Early data that could be accepted: it comes under the first key of a first hello, which is a ticket of a server that takes
/// such.
pub(super) struct EarlyOffer {
    binder: Box<[u8]>,
    obfuscated_age: u32,
    secret: TrafficSecret,
}

/// What becomes of early data.
pub(super) enum Verdict {
    Accept,
    /// Why, for the observer.
    Reject(&'static str),
    /// The application knows whether this hello came before.
    Ask([u8; 32]),
}

impl EarlyOffer {
    /// `None` where the hello offers no early data, or such that cannot be accepted whatever else is true.
    pub(super) fn find(
        hello: &ClientHello<'_>,
        config: &ServerConfig,
        choice: &Choice,
        psk: Option<&AcceptedPsk>,
        transcript: &mut Transcript,
        log: Option<&ConnectionLog>,
    ) -> Result<Option<Self>, Error> {
        let offered = hello.psks.as_ref().and_then(|offered| offered.psks.first());
        let wanted = hello.offers(ExtensionType::EARLY_DATA) && config.early_data.is_some();
        // rfc9846#4.3.10-2, rfc9846#4.3.10-6
        let first = psk.filter(|psk| wanted && psk.place == 0 && choice.auth.state().is_some());
        let (Some(psk), Some(offered)) = (first, offered) else {
            return Ok(None);
        };
        let secret = psk
            .secret
            .traffic(choice.suite, transcript.digest().as_ref())?;
        if let Some(log) = log {
            log.secret("CLIENT_EARLY_TRAFFIC_SECRET", secret.expose());
        }
        Ok(Some(Self {
            binder: offered.binder.into(),
            obfuscated_age: offered.obfuscated_age,
            secret,
        }))
    }

    /// Decides, with whether what the carrier remembers still holds, the register last, since it remembers what it has been asked (rfc9846#8-2, rfc9846#8.2-1).
    pub(super) fn judge(
        &self,
        config: &ServerConfig,
        choice: &Choice,
        carrier: (Rules, bool),
        now: Now,
    ) -> Verdict {
        let (Some(state), Some(own)) = (choice.auth.state(), &config.early_data) else {
            return Verdict::Reject(NOT_TAKEN);
        };
        if let Some(mismatch) = mismatch(state, config, choice, carrier) {
            return Verdict::Reject(mismatch.text());
        }
        // rfc9846#4.3.10-3
        if !self.is_fresh(state, now) {
            return Verdict::Reject(STALE);
        }
        match &own.replays {
            // rfc9846#8.2-2, rfc9001#9.2-1
            Replays::Register(register) => match register.strike(&self.binder, now) {
                Ok(()) => Verdict::Accept,
                Err(refused) => Verdict::Reject(refused.text()),
            },
            Replays::Asked => Verdict::Ask(mark("hello", &[&self.binder])),
        }
    }

    /// Decides once the application has answered. An answer that came late is worth nothing: where another server was told of this
    /// hello in time, that may be forgotten again, and so the hello has to be fresh still.
    pub(super) fn judge_answer(&self, choice: &Choice, is_first: bool, now: Now) -> Verdict {
        match choice.auth.state() {
            _ if !is_first => {
                Verdict::Reject("the application does not take this hello for the first")
            }
            Some(state) if self.is_fresh(state, now) => Verdict::Accept,
            Some(_) | None => Verdict::Reject(STALE),
        }
    }

    fn is_fresh(&self, state: &ServerState, now: Now) -> bool {
        is_fresh(state.issued, state.age_add, self.obfuscated_age, now)
    }

    /// The secret of the client's early data.
    pub(super) fn into_secret(self) -> TrafficSecret {
        self.secret
    }
}

/// Why a server without early data rejects some.
pub(super) const NOT_TAKEN: &str = "early data is not taken";

/// Why a server that asks for another share rejects some.
pub(super) const RETRIED: &str = "a HelloRetryRequest is needed";

const STALE: &str = "the hello is not fresh";

/// What is not as it was when the ticket was issued (rfc9846#4.3.10-7).
fn mismatch(
    state: &ServerState,
    config: &ServerConfig,
    choice: &Choice,
    (rules, fits): (Rules, bool),
) -> Option<Mismatch> {
    let now = Early {
        protocol: mark_of_protocol(choice.protocol.as_deref()),
        suite: choice.suite,
        application: config.early_settings().into(),
        carrier: Box::default(),
        max_early_data: rules.early_data_limit(config.most_early_data()),
    };
    state.early.mismatch(&now, |_, _| fits)
}

/// How many bytes of records a server skips that rejects early data.
pub(super) fn skipped(config: &ServerConfig) -> usize {
    let own = config.early_data.as_ref().map_or(0, |own| own.most);
    let most = usize::try_from(own).unwrap_or(usize::MAX);
    let overhead = most.checked_div(limits::SKIPPED_OVERHEAD).unwrap_or(0);
    most.saturating_add(overhead)
        .max(limits::SKIPPED_EARLY_DATA)
}

impl Auth {
    /// What the ticket that was chosen holds.
    pub(super) fn state(&self) -> Option<&ServerState> {
        match self {
            Self::Certificate(_) => None,
            Self::Psk(candidate) => candidate.key.state(),
        }
    }
}

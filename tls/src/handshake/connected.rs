//! After the handshake: KeyUpdate, and what is kept for exporters.
//!
//! A [`Connected`] can only be made from a [`PeerProof`], which only `auth` can make: no order of messages leads here past
//! the authentication of the peer (S01).

use pith_crypto::hkdf::{derive_secret, expand_label};
use pith_crypto::{Hash, Secret};

use super::Context;
use super::output::{Direction, Level, Output, Outputs};
use super::tickets::{Remembered, Tickets};
use crate::auth::PeerProof;
use crate::error::{Error, Fault, Local};
use crate::limits;
use crate::suite::CipherSuite;
use crate::wire::post_handshake::{NewSessionTicket, decode_key_update, encode_key_update};

/// The state of a completed handshake.
pub(crate) struct Connected {
    suite: CipherSuite,
    exporter: Secret,
    /// Updates of the sending keys so far.
    updates: u64,
    /// Our request for an update is not answered yet (rfc9846#4.7.3-6).
    requested: bool,
    /// The peer asked for an update that is not sent yet.
    owed: bool,
    tickets: Tickets,
}

impl Connected {
    pub(crate) fn new(
        _peer: PeerProof,
        suite: CipherSuite,
        exporter: Secret,
        tickets: Tickets,
    ) -> Self {
        Self {
            tickets,
            suite,
            exporter,
            updates: 0,
            requested: false,
            owed: false,
        }
    }

    /// Takes a ticket of the server (rfc9846#4.7.1-1).
    pub(crate) fn on_ticket(mut self, body: &[u8], cx: &mut Context<'_>) -> Result<Self, Error> {
        let ticket = NewSessionTicket::decode(body)?;
        self.tickets.take(&ticket, cx)?;
        Ok(self)
    }

    /// Sends so many tickets.
    pub(crate) fn issue(&mut self, count: u8, cx: &mut Context<'_>) -> Result<(), Error> {
        self.tickets.issue(count, cx)
    }

    /// Whether the application was asked to keep a session.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self.tickets, Tickets::Asking(_))
    }

    /// The application kept a session, or did not.
    pub(crate) fn on_kept(
        &mut self,
        identity: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        self.tickets.on_kept(identity, cx)
    }

    /// Changes what is remembered with the sessions to come.
    pub(crate) fn remember(&mut self, set: impl FnOnce(&mut Remembered)) -> Result<(), Error> {
        let Tickets::Take(taker) = &mut self.tickets else {
            return Ok(());
        };
        let mut remembered = taker.remembered.as_deref().cloned().unwrap_or_default();
        set(&mut remembered);
        let Remembered {
            application,
            carrier,
        } = &remembered;
        if application.len().saturating_add(carrier.len()) > limits::SESSION_DATA {
            return Err(Error::Misuse(
                "a session remembers at most 1,024 bytes of the application and the carrier",
            ));
        }
        taker.remembered = Some(Box::new(remembered));
        Ok(())
    }

    /// Takes a KeyUpdate of the peer.
    pub(crate) fn on_key_update(
        mut self,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Self, Fault> {
        let requested = decode_key_update(body)?;
        self.requested = false;
        // One answer for any number of requests while this side is silent.
        self.owed |= requested;
        cx.outputs.push(Output::UpdateKeys(Direction::Read));
        Ok(self)
    }

    /// Updates the sending keys.
    pub(crate) fn update(
        &mut self,
        request_peer: bool,
        outputs: &mut Outputs,
    ) -> Result<(), Error> {
        // rfc9846#4.7.3-9
        if self.updates >= limits::KEY_UPDATES {
            return Err(Local::Exhausted.into());
        }
        self.updates = self.updates.saturating_add(1);
        let request = request_peer && !self.requested;
        self.requested |= request;
        self.owed = false;
        // rfc9846#4.7.3-7: the message goes out under the old keys.
        outputs.send(Level::Application, encode_key_update(request)?);
        outputs.push(Output::UpdateKeys(Direction::Write));
        Ok(())
    }

    /// Whether the peer's request waits for its answer. At the end of the epochs it is ignored (rfc9846#4.7.3-11).
    pub(crate) fn owes_update(&self) -> bool {
        self.owed && self.updates < limits::KEY_UPDATES
    }

    /// Answers the peer's request, if there is one.
    pub(crate) fn answer(&mut self, outputs: &mut Outputs) -> Result<(), Error> {
        if self.owes_update() {
            self.update(false, outputs)
        } else {
            Ok(())
        }
    }

    /// Exports keying material.
    pub(crate) fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        export(self.suite.hash(), &self.exporter, label, context, out)
    }
}

/// Exports keying material from this secret (RFC 9846 section 7.5).
pub(super) fn export(
    hash: Hash,
    secret: &Secret,
    label: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    let label =
        core::str::from_utf8(label).map_err(|_| Error::Misuse("an exporter label is ASCII"))?;
    let secret = derive_secret(hash, secret, label, hash.digest(&[]).as_ref())?;
    let context = hash.digest(context);
    expand_label(hash, &secret, "exporter", context.as_ref(), out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> Connected {
        let exporter = Secret::new(&[7; 32]).expect("short");
        Connected::new(
            PeerProof::not_required(),
            CipherSuite::Aes128GcmSha256,
            exporter,
            Tickets::None,
        )
    }

    fn outputs(
        connected: &mut Connected,
        act: impl FnOnce(&mut Connected, &mut Outputs),
    ) -> Vec<Vec<u8>> {
        let mut outputs = Outputs::new();
        act(connected, &mut outputs);
        let mut sent = Vec::new();
        while let Some(output) = outputs.pop() {
            if let Output::Send { bytes, .. } = output {
                sent.push(bytes.to_vec());
            }
        }
        sent
    }

    #[test]
    fn one_request_is_open_at_a_time() {
        let mut state = connected();
        let sent = outputs(&mut state, |state, outputs| {
            state.update(true, outputs).expect("updates");
            state.update(true, outputs).expect("updates");
        });
        assert_eq!(sent, [[24, 0, 0, 1, 1], [24, 0, 0, 1, 0]]);
    }

    #[test]
    fn the_last_epoch_is_not_passed() {
        let mut state = connected();
        state.updates = limits::KEY_UPDATES - 1;
        let sent = outputs(&mut state, |state, outputs| {
            assert_eq!(state.update(false, outputs), Ok(()));
            assert_eq!(state.update(false, outputs), Err(Local::Exhausted.into()));
            state.owed = true;
            assert_eq!(state.answer(outputs), Ok(()));
        });
        assert_eq!(sent.len(), 1, "the peer's request is ignored at the end");
    }
}

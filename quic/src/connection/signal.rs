//! Frames that say one thing and hold no data: HANDSHAKE_DONE, and the PING that nobody else has a reason for.

use crate::recovery::{Token, Tokens};
use crate::wire::Builder;

/// Which of them are to be written.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    handshake_done: bool,
    ping: bool,
}

impl Signals {
    /// The server's handshake is complete (rfc9001#4.1.2-1, rfc9000#19.20-1).
    pub(crate) fn owe_handshake_done(&mut self) {
        self.handshake_done = true;
    }

    /// Something is to be sent, so that the peer answers.
    pub(crate) fn owe_ping(&mut self) {
        self.ping = true;
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.handshake_done || self.ping
    }

    /// Writes HANDSHAKE_DONE, and a PING if one is owed.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        if self.handshake_done && builder.put_handshake_done().is_some() {
            self.handshake_done = false;
            tokens.push(Token::HandshakeDone);
        }
        if self.ping && builder.put_ping().is_some() {
            self.ping = false;
            tokens.push(Token::Ping);
        }
    }

    /// A PING that is lost is not repeated: the probe that follows does as well.
    pub(crate) fn lost(&mut self) {
        self.handshake_done = true;
    }
}

//! Frames that say one thing, once for a connection: HANDSHAKE_DONE, NEW_TOKEN, and the PING that nobody else has a reason for.

use bytes::Bytes;

use crate::recovery::{Token, Tokens};
use crate::wire::Builder;

/// Which of them are to be written.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    handshake_done: bool,
    ping: bool,
    token_owed: bool,
    /// Until it has arrived.
    token: Bytes,
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

    /// The client gets this token, instead of one that has not arrived. An empty one is none (rfc9000#19.7-1).
    pub(crate) fn owe_token(&mut self, token: Bytes) {
        self.token_owed = !token.is_empty();
        self.token = token;
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.handshake_done || self.ping || self.token_owed
    }

    /// Writes what is owed.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        if self.handshake_done && builder.put_handshake_done().is_some() {
            self.handshake_done = false;
            tokens.push(Token::HandshakeDone);
        }
        if self.token_owed && builder.put_new_token(&self.token).is_some() {
            self.token_owed = false;
            tokens.push(Token::NewToken);
        }
        if self.ping && builder.put_ping().is_some() {
            self.ping = false;
            tokens.push(Token::Ping);
        }
    }

    /// The frame of this token has arrived.
    pub(crate) fn acked(&mut self, token: Token) {
        if token == Token::NewToken && !self.token_owed {
            self.token = Bytes::new();
        }
    }

    /// The frame of this token was lost (rfc9000#13.3-2). A PING is not repeated: the probe that follows does as well.
    pub(crate) fn lost(&mut self, token: Token) {
        match token {
            Token::HandshakeDone => self.handshake_done = true,
            Token::NewToken => self.token_owed = !self.token.is_empty(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(signals: &mut Signals) -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        signals.write(&mut builder, &mut Tokens::default());
        builder.written().to_vec()
    }

    #[test]
    fn signals_are_written_once_and_again_when_they_are_lost() {
        let mut signals = Signals::default();
        assert!(written(&mut signals).is_empty() && !signals.is_pending());
        signals.owe_handshake_done();
        signals.owe_token(Bytes::from_static(b"tok"));
        signals.owe_ping();
        assert_eq!(written(&mut signals), b"\x1e\x07\x03tok\x01");
        assert!(!signals.is_pending());
        for token in [Token::HandshakeDone, Token::NewToken, Token::Ping] {
            signals.lost(token);
        }
        assert_eq!(written(&mut signals), b"\x1e\x07\x03tok");
        signals.acked(Token::NewToken);
        signals.lost(Token::NewToken);
        assert!(!signals.is_pending(), "what has arrived is not sent again");
        signals.owe_token(Bytes::new());
        assert!(!signals.is_pending(), "an empty token is none");
    }
}

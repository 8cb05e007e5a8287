//! Answers to the peer's challenges (RFC 9000 section 8.2.2). A flood of them leaves one answer (attack Q03): the newest challenge replaces one that
//! has not been answered.

use crate::recovery::{Token, Tokens};
use crate::wire::Builder;

/// The answer that is owed on one path.
#[derive(Debug, Default)]
pub(crate) struct Responses(Option<[u8; 8]>);

impl Responses {
    /// A PATH_CHALLENGE frame came. Says whether the one before it was answered already.
    pub(crate) fn on_challenge(&mut self, data: [u8; 8]) -> bool {
        self.0.replace(data).is_none()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.0.is_some()
    }

    /// Writes the PATH_RESPONSE frame, once, whether it arrives or not (rfc9000#8.2.2-1, rfc9000#8.2.2-7, rfc9000#19.17-1). Says whether it
    /// did.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) -> bool {
        let written = self.0.and_then(|data| builder.put_path_response(data));
        if written.is_some() {
            self.0 = None;
            tokens.push(Token::PathResponse);
        }
        written.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_once_and_only_the_newest_one() {
        let mut responses = Responses::default();
        assert!(responses.on_challenge([1; 8]));
        assert!(!responses.on_challenge([2; 8]));
        let mut buffer = [0; 32];
        let mut short = Builder::new(&mut buffer[..8]);
        assert!(!responses.write(&mut short, &mut Tokens::default()));
        assert!(short.is_empty() && responses.is_pending());
        let mut builder = Builder::new(&mut buffer);
        assert!(responses.write(&mut builder, &mut Tokens::default()));
        assert!(!responses.write(&mut builder, &mut Tokens::default()));
        assert_eq!(builder.written(), [0x1b, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert!(!responses.is_pending());
    }
}

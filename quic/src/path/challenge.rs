//! This side's validation of a path (RFC 9000 section 8.2): what it has asked, when it asks again, and when it gives up.
//!
//! Each PATH_CHALLENGE frame has data of its own, from the system's generator, since whoever guesses it validates an address that is not his. The answer to
//! any of the last few counts, whichever way it comes. A challenge that was too small to show that whole datagrams arrive is followed by one that does.

use core::time::Duration;

use crate::limits;
use crate::recovery::{Token, Tokens};
use crate::wire::Builder;

/// Data of a challenge. Compared whole, and known to nobody before it is sent.
pub(crate) type Data = [u8; 8];

/// A validation that goes on.
#[derive(Debug)]
pub(crate) struct Validation {
    /// What is to be asked next, if it is time to.
    owed: Option<Data>,
    /// What was asked and may be answered, the newest last.
    asked: Vec<Asked>,
    /// How often it was asked.
    tries: u32,
    /// When it is asked again.
    again_at: Option<Duration>,
    /// When it has failed.
    fails_at: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    data: Data,
    at: Duration,
    whole: bool,
}

/// The peer's answer to a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// From asking to the answer.
    pub(crate) took: Duration,
    /// Whether the challenge came in a datagram as long as every path carries.
    pub(crate) whole: bool,
}

/// What time has made due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// It is time to ask again.
    Again,
    /// There was no answer for too long.
    Failed,
}

impl Validation {
    /// Asks with this data, and fails without an answer until `fails_at`.
    pub(crate) fn new(data: Data, fails_at: Duration) -> Self {
        Self {
            owed: Some(data),
            asked: Vec::new(),
            tries: 0,
            again_at: None,
            fails_at,
        }
    }

    /// Asks again, with other data.
    pub(crate) fn ask(&mut self, data: Data) {
        self.owed = Some(data);
        self.again_at = None;
    }

    /// Starts over, to find out whether whole datagrams arrive too (rfc9000#8.2.1-3, rfc9000#8.2.3-1).
    pub(crate) fn ask_whole(&mut self, data: Data, fails_at: Duration) {
        self.asked.retain(|asked| asked.whole);
        *self = Self {
            asked: core::mem::take(&mut self.asked),
            ..Self::new(data, fails_at)
        };
    }

    /// What was asked last.
    #[cfg(test)]
    pub(crate) fn newest(&self) -> Option<Data> {
        self.asked.last().map(|asked| asked.data)
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.owed.is_some()
    }

    /// Writes the PATH_CHALLENGE frame, and says whether it did. `whole` says whether its datagram will be expanded.
    pub(crate) fn write(
        &mut self,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        whole: bool,
        now: Duration,
        timeout: Duration,
    ) -> bool {
        let written = self
            .owed
            .filter(|data| builder.put_path_challenge(*data).is_some());
        let Some(data) = written else {
            return false;
        };
        self.owed = None;
        if self.asked.len() >= limits::CHALLENGES {
            self.asked.remove(0);
        }
        let at = now;
        self.asked.push(Asked { data, at, whole });
        // rfc9000#9.4-3: the backoff of a probe timeout.
        let backoff = 1_u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.again_at = Some(now.saturating_add(timeout.saturating_mul(backoff)));
        self.tries = self.tries.saturating_add(1);
        tokens.push(Token::PathChallenge);
        true
    }

    /// A PATH_RESPONSE frame came, on whichever path (rfc9000#8.2.2-4).
    pub(crate) fn on_response(&self, data: &Data, now: Duration) -> Option<Answered> {
        let asked = self.asked.iter().find(|asked| asked.data == *data)?;
        Some(Answered {
            took: now.saturating_sub(asked.at),
            whole: asked.whole,
        })
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.again_at
            .map_or(self.fails_at, |at| at.min(self.fails_at))
    }

    pub(crate) fn due(&self, now: Duration) -> Due {
        if now >= self.fails_at {
            Due::Failed
        } else if self.again_at.is_some_and(|at| at <= now) {
            Due::Again
        } else {
            Due::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn write(validation: &mut Validation, whole: bool, now: Duration) -> bool {
        let mut buffer = [0; 9];
        let mut builder = Builder::new(&mut buffer);
        validation.write(&mut builder, &mut Tokens::default(), whole, now, ms(10))
    }

    #[test]
    fn a_challenge_is_repeated_ever_more_rarely_until_it_has_failed() {
        let mut validation = Validation::new([0; 8], ms(100));
        assert_eq!(
            validation.deadline(),
            ms(100),
            "what cannot be sent wakes nobody"
        );
        let mut asked = Vec::new();
        for now in 0..100 {
            let now = ms(now);
            match validation.due(now) {
                Due::Again => validation.ask([asked.len() as u8; 8]),
                Due::Nothing => {}
                Due::Failed => panic!("{now:?}"),
            }
            if validation.is_owed() {
                assert!(write(&mut validation, true, now));
                assert!(!write(&mut validation, true, now), "once");
                assert!(validation.deadline() > now);
                asked.push(now);
            }
        }
        assert_eq!(asked, [ms(0), ms(10), ms(30), ms(70)]);
        assert_eq!(validation.due(ms(100)), Due::Failed);
    }

    #[test]
    fn any_of_the_last_few_challenges_can_be_answered() {
        let mut validation = Validation::new([0; 8], ms(1000));
        let mut short = Builder::new(&mut []);
        let tokens = &mut Tokens::default();
        assert!(!validation.write(&mut short, tokens, true, ms(0), ms(1)));
        for number in 0..=limits::CHALLENGES {
            let data = [number as u8; 8];
            validation.ask(data);
            assert_eq!(
                validation.on_response(&data, ms(9)),
                None,
                "before it is sent"
            );
            assert!(write(&mut validation, number == 2, ms(number as u64)));
        }
        for number in 0..limits::CHALLENGES + 2 {
            let want = (1..=limits::CHALLENGES)
                .contains(&number)
                .then(|| Answered {
                    took: ms(50 - number as u64),
                    whole: number == 2,
                });
            let got = validation.on_response(&[number as u8; 8], ms(50));
            assert_eq!(got, want, "{number}");
        }
        validation.ask_whole([9; 8], ms(2000));
        assert_eq!(validation.deadline(), ms(2000));
        let known = [2, 3].map(|number| validation.on_response(&[number; 8], ms(50)).is_some());
        assert_eq!(known, [true, false], "only whole ones count still");
    }
}

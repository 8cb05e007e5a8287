//! What a connection asks the program ([`crate::question`]), over TLS.

use super::pith_tls;
use crate::error::{Failure, PITH_NONE, PITH_OK};
use crate::handle::enter;
use crate::question::{self, Lent, pith_answer, pith_question};
use crate::time::pith_time;

/// Says what the connection wants to know, if it waits for an answer.
///
/// Returns PITH_OK, PITH_NONE if it asks nothing, or PITH_ARGUMENT if `question->size` is not set.
///
/// # Safety
/// `question` points to as many bytes as its size says, and its `session_key` is NULL or points to 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_question(
    tls: Option<&mut pith_tls>,
    question: *mut pith_question,
) -> i32 {
    enter(tls, |tls| {
        let Some(open) = tls.connection.question() else {
            return Ok(PITH_NONE);
        };
        // SAFETY: the caller's duty.
        unsafe { question::tell(open, &mut tls.lent, question) }?;
        Ok(PITH_OK)
    })
}

/// Answers the open question. `now` may be NULL for the system's time. Transmit afterwards, and give what is left of the peer's bytes to pith_tls_receive, if only 0 of
/// them.
///
/// Errors: PITH_MISUSE if no such question is open, PITH_NULL, PITH_ARGUMENT, and PITH_NOT_AUTHENTIC for a session that does not open under its key: it is still open then. Otherwise as
/// pith_tls_receive, such as PITH_CERTIFICATE once the peer is refused.
///
/// # Safety
/// `answer` points to as many bytes as its size says. Pointers in it are valid for the lengths beside them, and `reason` ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer(
    tls: Option<&mut pith_tls>,
    answer: *const pith_answer,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        let now = tls.clock.now(now);
        if let Some(error) = tls.connection.error() {
            return Err(Failure::from(error.clone()));
        }
        // SAFETY: the caller's duty.
        let answer = unsafe { question::answer(tls.connection.question(), answer) }?;
        tls.connection.answer(answer, now)?;
        tls.lent = Lent::default();
        Ok(PITH_OK)
    })
}

//! Tells a test which bytes are secret from now on and which are not any more, so that it can see whether a branch or an index depends on one. Only under
//! `--cfg pith_test`.
//!
//! Every [`Wiped`](crate::Wiped) is secret from its birth, with all that is computed from it, until it becomes the key of an AEAD (whose own code is the
//! backend's), the verdict of a comparison, or something that is sent.

use std::sync::OnceLock;

/// What a test wants to hear of.
pub struct Marks {
    /// These bytes are secret.
    pub secret: fn(&mut [u8]),
    /// These may be known.
    pub known: fn(&mut [u8]),
    /// These came out of an AEAD. The test knows which of them its application sent.
    pub opened: fn(&mut [u8]),
}

static MARKS: OnceLock<Marks> = OnceLock::new();

/// Tells `marks` from now on, in all threads. Only the first call counts.
pub fn watch(marks: Marks) {
    drop(MARKS.set(marks));
}

/// These bytes are secret.
pub fn secret(bytes: &mut [u8]) {
    if let Some(marks) = MARKS.get() {
        (marks.secret)(bytes);
    }
}

/// These may be known.
pub fn known(bytes: &mut [u8]) {
    if let Some(marks) = MARKS.get() {
        (marks.known)(bytes);
    }
}

/// These came out of an AEAD.
pub(crate) fn opened(bytes: &mut [u8]) {
    if let Some(marks) = MARKS.get() {
        (marks.opened)(bytes);
    }
}

/// A copy that may be known: how the key of an AEAD leaves what is watched.
pub fn released(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    known(&mut copy);
    copy
}

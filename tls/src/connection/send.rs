//! Records that go: handshake bytes and alerts wait here, application data goes straight to the caller's output.

use super::{Connection, Sent};
use crate::error::Error;
use crate::record::protect::{OVERHEAD, Sealer};
use crate::wire::registry::ContentType;

/// Room for what follows the first message of a flight, as far as it is common: one growth less.
const REST_OF_FLIGHT: usize = 1024;

impl Connection {
    /// Seals handshake bytes or an alert into what waits to be sent: records of their own (rfc9846#5-4, rfc9846#5.1-2, an
    /// alert in each rfc9846#5.1-8), none empty (rfc9846#5.1-7) or too long (rfc9846#5.1-12, rfc9846#5.2-1).
    pub(super) fn queue(&mut self, inner: ContentType, content: &[u8]) -> Result<(), Error> {
        // RFC 9846 appendix E.4: an alert in place of the second flight is as strange to middleboxes as that flight.
        if self.owes_change_cipher_spec && matches!(self.sealer, Sealer::Protected(_)) {
            self.queue_change_cipher_spec();
        }
        if self.pending.capacity() == 0 {
            self.pending
                .reserve(content.len().saturating_add(REST_OF_FLIGHT));
        }
        for fragment in content.chunks(self.shape.most_content()) {
            let padding = self.shape.padding(fragment.len());
            let at = self.pending.len();
            let length = self.sealer.sealed_len(fragment.len(), padding);
            self.pending.resize(at.saturating_add(length), 0);
            let record = self.pending.get_mut(at..).unwrap_or_default();
            if let Err(error) = self.sealer.seal(inner, fragment, padding, record) {
                // What was not sealed is not sent either.
                self.pending.truncate(at);
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn queue_change_cipher_spec(&mut self) {
        self.owes_change_cipher_spec = false;
        self.pending
            .extend_from_slice(&[ContentType::ChangeCipherSpec.code(), 3, 3, 0, 1, 1]);
    }

    /// Moves what waits to be sent to `output`.
    pub(super) fn flush(&mut self, output: &mut [u8]) -> usize {
        let waiting = self.pending.get(self.sent..).unwrap_or_default();
        let length = waiting.len().min(output.len());
        if let (Some(to), Some(from)) = (output.get_mut(..length), waiting.get(..length)) {
            to.copy_from_slice(from);
        }
        self.sent = self.sent.saturating_add(length);
        if self.sent >= self.pending.len() {
            // An idle connection holds no buffer.
            self.pending = Vec::new();
            self.sent = 0;
        }
        length
    }

    /// Queues what has to precede the next record: the answer to a KeyUpdate (rfc9846#4.7.3-5), and, before application
    /// data, a KeyUpdate where the key is nearly used up (rfc9846#5.5-1).
    pub(super) fn prepare(&mut self, data: bool) -> Result<(), Error> {
        if self.handshake.owes_key_update() {
            self.handshake.answer_key_update()?;
            self.drain()?;
        }
        if data && self.handshake.is_complete() && self.sealer.is_used_up() {
            self.handshake.update_keys(false)?;
            self.drain()?;
        }
        Ok(())
    }

    pub(super) fn seal_all(
        &mut self,
        mut plaintext: &[u8],
        output: &mut [u8],
    ) -> Result<Sent, Error> {
        let mut consumed = 0_usize;
        let mut written = self.flush(output);
        while self.pending.is_empty() {
            self.prepare(!plaintext.is_empty())?;
            let room = output.get_mut(written..).unwrap_or_default();
            if !self.pending.is_empty() {
                written = written.saturating_add(self.flush(room));
                continue;
            }
            let overhead = OVERHEAD.saturating_add(self.shape.most_padding());
            let length = plaintext
                .len()
                .min(self.shape.most_content())
                .min(room.len().saturating_sub(overhead));
            let (fragment, rest) = plaintext.split_at_checked(length).unwrap_or_default();
            if fragment.is_empty() {
                break;
            }
            // rfc9846#5.1-15
            let padding = self.shape.padding(length);
            let sealed = self
                .sealer
                .seal(ContentType::ApplicationData, fragment, padding, room)?;
            written = written.saturating_add(sealed);
            consumed = consumed.saturating_add(length);
            plaintext = rest;
            if plaintext.is_empty() {
                break;
            }
        }
        Ok(Sent { consumed, written })
    }
}

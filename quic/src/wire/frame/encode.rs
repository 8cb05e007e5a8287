//! Frames → packet: one method of [`Builder`] for each frame. Each writes a whole frame, or nothing and `None` where there is no room for one.
//!
//! Frames that carry data take as much of it as there is room for and say how much that was. They always carry their length, so that
//! anything may follow.

use super::super::{Builder, Dir, StreamId, VarInt};
use super::{Close, NewConnectionId, ResetStream, StopSending, StreamCount, StreamLimit};

impl Builder<'_> {
    /// Fills the rest of the packet up to `length` bytes with PADDING.
    #[must_use]
    pub(crate) fn pad_to(&mut self, length: usize) -> Option<()> {
        let missing = length.saturating_sub(self.len());
        self.room(missing)?.fill(0);
        Some(())
    }

    #[must_use]
    pub(crate) fn put_ping(&mut self) -> Option<()> {
        self.put_u8(0x01)
    }

    #[must_use]
    pub(crate) fn put_reset_stream(&mut self, frame: ResetStream) -> Option<()> {
        self.put_fields(0x04, [frame.id.into(), frame.code, frame.final_size])
    }

    #[must_use]
    pub(crate) fn put_stop_sending(&mut self, frame: StopSending) -> Option<()> {
        self.put_fields(0x05, [frame.id.into(), frame.code])
    }

    /// As much of `available` bytes of the handshake as there is room for; `fill` writes as many as it is given. Says how many those
    /// are: at least one, for an empty CRYPTO frame says nothing.
    #[must_use]
    pub(crate) fn put_crypto(
        &mut self,
        offset: VarInt,
        available: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> Option<usize> {
        self.whole(|b| {
            b.put_u8(0x06)?;
            b.put_varint(offset)?;
            b.put_data(available, |_, room| fill(room))
                .filter(|written| *written > 0)
        })
    }

    #[must_use]
    pub(crate) fn put_new_token(&mut self, token: &[u8]) -> Option<()> {
        self.whole(|b| {
            b.put_u8(0x07)?;
            b.put_vec(token)
        })
    }

    /// As much of `available` bytes of a stream as there is room for; `fill` writes as many as it is given. Says how many those are; the frame
    /// ends the stream if `fin` and all are among them. Fewer than one byte is written only to say that end.
    #[must_use]
    pub(crate) fn put_stream(
        &mut self,
        id: StreamId,
        offset: VarInt,
        available: usize,
        fin: bool,
        fill: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> Option<usize> {
        let has_offset = offset > VarInt::ZERO;
        let start = self.len();
        self.whole(|b| {
            let frame_type = if has_offset { 0x0e } else { 0x0a };
            b.put_u8(frame_type)?;
            b.put_varint(id.into())?;
            if has_offset {
                b.put_varint(offset)?;
            }
            let written = b.put_data(available, |_, room| fill(room))?;
            let ends = fin && written == available;
            if ends {
                *b.written_mut().get_mut(start)? = frame_type | 1;
            }
            (ends || written > 0).then_some(written)
        })
    }

    #[must_use]
    pub(crate) fn put_max_data(&mut self, limit: VarInt) -> Option<()> {
        self.put_fields(0x10, [limit])
    }

    #[must_use]
    pub(crate) fn put_max_stream_data(&mut self, frame: StreamLimit) -> Option<()> {
        self.put_fields(0x11, [frame.id.into(), frame.limit])
    }

    #[must_use]
    pub(crate) fn put_max_streams(&mut self, frame: StreamCount) -> Option<()> {
        self.put_fields(0x12 | uni(frame.dir), [frame.count])
    }

    #[must_use]
    pub(crate) fn put_data_blocked(&mut self, limit: VarInt) -> Option<()> {
        self.put_fields(0x14, [limit])
    }

    #[must_use]
    pub(crate) fn put_stream_data_blocked(&mut self, frame: StreamLimit) -> Option<()> {
        self.put_fields(0x15, [frame.id.into(), frame.limit])
    }

    #[must_use]
    pub(crate) fn put_streams_blocked(&mut self, frame: StreamCount) -> Option<()> {
        self.put_fields(0x16 | uni(frame.dir), [frame.count])
    }

    #[must_use]
    pub(crate) fn put_new_connection_id(&mut self, frame: &NewConnectionId) -> Option<()> {
        self.whole(|b| {
            b.put_fields(0x18, [frame.sequence, frame.retire_prior_to])?;
            b.put_vec8(&frame.id)?;
            b.put(&frame.reset_token.0)
        })
    }

    #[must_use]
    pub(crate) fn put_retire_connection_id(&mut self, sequence: VarInt) -> Option<()> {
        self.put_fields(0x19, [sequence])
    }

    #[must_use]
    pub(crate) fn put_path_challenge(&mut self, data: [u8; 8]) -> Option<()> {
        self.whole(|b| {
            b.put_u8(0x1a)?;
            b.put(&data)
        })
    }

    #[must_use]
    pub(crate) fn put_path_response(&mut self, data: [u8; 8]) -> Option<()> {
        self.whole(|b| {
            b.put_u8(0x1b)?;
            b.put(&data)
        })
    }

    /// The reason is cut to what there is room for.
    #[must_use]
    pub(crate) fn put_connection_close(&mut self, close: Close<'_>) -> Option<()> {
        self.whole(|b| {
            let reason = match close {
                Close::Transport {
                    code,
                    frame,
                    reason,
                } => {
                    b.put_fields(0x1c, [code, frame])?;
                    reason
                }
                Close::Application { code, reason } => {
                    b.put_fields(0x1d, [code])?;
                    reason
                }
            };
            b.put_data(reason.len(), |length, room| {
                room.copy_from_slice(reason.get(..length)?);
                Some(())
            })?;
            Some(())
        })
    }

    #[must_use]
    pub(crate) fn put_handshake_done(&mut self) -> Option<()> {
        self.put_u8(0x1e)
    }

    /// All of `data`, since a DATAGRAM is never split.
    #[must_use]
    pub(crate) fn put_datagram(&mut self, data: &[u8]) -> Option<()> {
        self.whole(|b| {
            b.put_u8(0x31)?;
            b.put_vec(data)
        })
    }

    fn put_fields<const N: usize>(&mut self, frame_type: u8, fields: [VarInt; N]) -> Option<()> {
        self.whole(|b| {
            b.put_u8(frame_type)?;
            fields.into_iter().try_for_each(|field| b.put_varint(field))
        })
    }

    /// A length and as many bytes, at most `available`, as there is room for.
    fn put_data(
        &mut self,
        available: usize,
        fill: impl FnOnce(usize, &mut [u8]) -> Option<()>,
    ) -> Option<usize> {
        let length = longest(available, self.remaining())?;
        self.put_varint(VarInt::try_from(length).ok()?)?;
        fill(length, self.room(length)?)?;
        Some(length)
    }
}

/// The size of a DATAGRAM frame with so many bytes of data: what the peer's max_datagram_frame_size is compared with.
pub(crate) fn datagram_size(length: usize) -> usize {
    let length_size = VarInt::try_from(length).map_or(8, VarInt::size);
    length.saturating_add(length_size).saturating_add(1)
}

/// How many of `available` bytes fit in `room` together with their length.
fn longest(available: usize, room: usize) -> Option<usize> {
    [(1, 0x3f), (2, 0x3fff), (4, 0x3fff_ffff)]
        .into_iter()
        .filter_map(|(size, most)| Some(room.checked_sub(size)?.min(available).min(most)))
        .max()
}

fn uni(dir: Dir) -> u8 {
    match dir {
        Dir::Bi => 0,
        Dir::Uni => 1,
    }
}

//! Payload → frames. Everything is checked here that needs no state.

use super::super::{
    ConnectionId, Dir, PacketType, Reader, ResetToken, Side, StreamId, Truncated, VarInt,
};
use super::{
    Ack, Close, Crypto, Datagram, Frame, Kind, NewConnectionId, ResetStream, Row, StopSending,
    Stream, StreamCount, StreamLimit, fault_in,
};
use crate::error::TransportError;
use crate::{Fault, limits};

/// Walks over the frames of a payload, and knows afterwards what the packet counts as.
pub(crate) struct Frames<'a> {
    reader: Reader<'a>,
    packet: PacketType,
    receiver: Side,
    state: State,
    frame_type: u64,
    ack_eliciting: bool,
    probing: bool,
}

#[derive(PartialEq, Eq)]
enum State {
    Start,
    Between,
    Failed,
}

impl<'a> Frames<'a> {
    pub(super) fn new(payload: &'a [u8], packet: PacketType, receiver: Side) -> Self {
        Self {
            reader: Reader::new(payload),
            packet,
            receiver,
            state: State::Start,
            frame_type: 0,
            ack_eliciting: false,
            probing: true,
        }
    }

    /// Bytes behind the frame that was yielded last.
    pub(crate) fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    /// The type of the frame that was yielded last, for an error that it causes.
    pub(crate) fn frame_type(&self) -> u64 {
        self.frame_type
    }

    /// Whether a frame so far asks for an acknowledgment.
    pub(crate) fn ack_eliciting(&self) -> bool {
        self.ack_eliciting
    }

    /// Whether all frames so far only probe a path (RFC 9000 section 9.1).
    pub(crate) fn probing(&self) -> bool {
        self.probing
    }

    fn row(&mut self) -> Result<&'static Row, TransportError> {
        let before = self.reader.remaining();
        let Ok(frame_type) = self.reader.varint() else {
            return Err(Fault::TruncatedFrame.into());
        };
        self.frame_type = frame_type.get();
        let fail = |fault| Err(fault_in(fault, frame_type.get()));
        if before.saturating_sub(self.reader.remaining()) != frame_type.size() {
            return fail(Fault::LongFrameType); // rfc9000#12.4-5
        }
        let Some(row) = Row::of(self.frame_type) else {
            return fail(Fault::UnknownFrame); // rfc9000#12.4-4
        };
        if !row.is_legal_in(self.packet) {
            return fail(Fault::MisplacedFrame); // rfc9000#12.4-3, rfc9000#17.2.4-1
        }
        // rfc9000#19.7-4, rfc9000#19.20-2
        if row.only_from_server && self.receiver == Side::Server {
            return fail(Fault::ServerFrame);
        }
        Ok(row)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, TransportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() && self.state == State::Start {
            self.state = State::Failed;
            return Some(Err(Fault::NoFrames.into())); // rfc9000#12.4-2
        }
        if self.reader.is_empty() || self.state == State::Failed {
            return None;
        }
        self.state = State::Between;
        let frame = self.row().and_then(|row| {
            self.ack_eliciting |= row.ack_eliciting;
            self.probing &= row.probing;
            let flags = self.frame_type & 7;
            decode(row.kind, flags, &mut self.reader)
                .map_err(|fault| fault_in(fault, self.frame_type))
        });
        if frame.is_err() {
            self.state = State::Failed;
        }
        Some(frame)
    }
}

impl From<Truncated> for Fault {
    fn from(_: Truncated) -> Self {
        Self::TruncatedFrame
    }
}

/// The frame behind its type. `flags` are the three lowest bits of the type.
fn decode<'a>(kind: Kind, flags: u64, reader: &mut Reader<'a>) -> Result<Frame<'a>, Fault> {
    let bit = |bit: u64| flags & bit != 0;
    Ok(match kind {
        Kind::Padding => {
            reader.skip_zeros();
            Frame::Padding
        }
        Kind::Ping => Frame::Ping,
        Kind::Ack => Frame::Ack(Ack::decode(reader, bit(1))?),
        Kind::ResetStream => Frame::ResetStream(ResetStream {
            id: stream_id(reader)?,
            code: reader.varint()?,
            final_size: reader.varint()?,
        }),
        Kind::StopSending => Frame::StopSending(StopSending {
            id: stream_id(reader)?,
            code: reader.varint()?,
        }),
        Kind::Crypto => {
            let offset = reader.varint()?;
            let data = reader.vec()?;
            check_end(offset, data, Fault::CryptoOffset)?; // rfc9000#19.6-1
            Frame::Crypto(Crypto { offset, data })
        }
        Kind::NewToken => match reader.vec()? {
            [] => return Err(Fault::EmptyToken), // rfc9000#19.7-2
            token => Frame::NewToken(token),
        },
        Kind::Stream => Frame::Stream(stream(bit(4), bit(2), bit(1), reader)?),
        Kind::MaxData => Frame::MaxData(reader.varint()?),
        Kind::MaxStreamData => Frame::MaxStreamData(stream_limit(reader)?),
        Kind::MaxStreams => Frame::MaxStreams(stream_count(bit(1), reader)?),
        Kind::DataBlocked => Frame::DataBlocked(reader.varint()?),
        Kind::StreamDataBlocked => Frame::StreamDataBlocked(stream_limit(reader)?),
        Kind::StreamsBlocked => Frame::StreamsBlocked(stream_count(bit(1), reader)?),
        Kind::NewConnectionId => Frame::NewConnectionId(new_connection_id(reader)?),
        Kind::RetireConnectionId => Frame::RetireConnectionId(reader.varint()?),
        Kind::PathChallenge => Frame::PathChallenge(reader.array()?),
        Kind::PathResponse => Frame::PathResponse(reader.array()?),
        Kind::TransportClose => Frame::ConnectionClose(Close::Transport {
            code: reader.varint()?,
            frame: reader.varint()?,
            reason: reader.vec()?,
        }),
        Kind::ApplicationClose => Frame::ConnectionClose(Close::Application {
            code: reader.varint()?,
            reason: reader.vec()?,
        }),
        Kind::HandshakeDone => Frame::HandshakeDone,
        Kind::Datagram => datagram(bit(1), reader)?,
    })
}

fn stream<'a>(
    has_offset: bool,
    has_length: bool,
    fin: bool,
    reader: &mut Reader<'a>,
) -> Result<Stream<'a>, Fault> {
    let id = stream_id(reader)?;
    let offset = if has_offset {
        reader.varint()?
    } else {
        VarInt::ZERO
    };
    let data = if has_length {
        reader.vec()?
    } else {
        reader.rest()
    };
    check_end(offset, data, Fault::StreamOffset)?; // rfc9000#19.8-2
    Ok(Stream {
        id,
        offset,
        data,
        fin,
    })
}

fn datagram<'a>(has_length: bool, reader: &mut Reader<'a>) -> Result<Frame<'a>, Fault> {
    let before = reader.remaining();
    let data = if has_length {
        reader.vec()?
    } else {
        reader.rest()
    };
    let behind_type = before.saturating_sub(reader.remaining());
    Ok(Frame::Datagram(Datagram {
        data,
        frame: behind_type.saturating_add(1),
    }))
}

fn check_end(offset: VarInt, data: &[u8], fault: Fault) -> Result<(), Fault> {
    let length = u64::try_from(data.len()).map_err(|_| fault)?;
    offset.checked_add(length).map(drop).ok_or(fault)
}

fn stream_id(reader: &mut Reader<'_>) -> Result<StreamId, Fault> {
    Ok(reader.varint()?.into())
}

fn stream_limit(reader: &mut Reader<'_>) -> Result<StreamLimit, Fault> {
    Ok(StreamLimit {
        id: stream_id(reader)?,
        limit: reader.varint()?,
    })
}

fn stream_count(uni: bool, reader: &mut Reader<'_>) -> Result<StreamCount, Fault> {
    let count = reader.varint()?;
    // rfc9000#4.6-1, rfc9000#19.11-1, rfc9000#19.14-1
    if count.get() > limits::STREAMS {
        return Err(Fault::StreamCount);
    }
    let dir = if uni { Dir::Uni } else { Dir::Bi };
    Ok(StreamCount { dir, count })
}

fn new_connection_id(reader: &mut Reader<'_>) -> Result<NewConnectionId, Fault> {
    let sequence = reader.varint()?;
    let retire_prior_to = reader.varint()?;
    let length = usize::from(reader.u8()?);
    // rfc9000#19.15-1, on the length that is announced.
    if !(1..=limits::CONNECTION_ID).contains(&length) {
        return Err(Fault::NewConnectionIdLength);
    }
    let id = ConnectionId::new(reader.take(length)?).ok_or(Fault::NewConnectionIdLength)?;
    let reset_token = ResetToken(reader.array()?);
    // rfc9000#19.15-6
    if retire_prior_to > sequence {
        return Err(Fault::RetirePriorTo);
    }
    Ok(NewConnectionId {
        sequence,
        retire_prior_to,
        id,
        reset_token,
    })
}

//! Frames as objects.

use super::Schema;
use super::data::transport_error;
use super::json::{List, Object};
use crate::error::Code;
use crate::observe::{AckRanges, Frame, Frames};
use crate::wire::Dir;

/// Writes the frames of a packet.
pub(super) fn write(schema: Schema, frames: &Frames<'_>, list: &mut List<'_>) {
    for frame in frames.iter() {
        list.object(|object| {
            object.text("frame_type", frame.name());
            match schema {
                Schema::V03 => in_v03(&frame, object),
                Schema::Draft13 => in_draft(&frame, object),
            }
        });
    }
}

/// Fields that both schemas have under one name; one arm a frame.
fn common(frame: &Frame<'_>, object: &mut Object<'_>) {
    match frame {
        Frame::Ack { delay, ranges, ecn } => {
            object.time("ack_delay", *delay);
            object.list("acked_ranges", |list| acked(ranges, list));
            if let Some([ect0, ect1, ce]) = ecn {
                object.number("ect0", *ect0);
                object.number("ect1", *ect1);
                object.number("ce", *ce);
            }
        }
        Frame::ResetStream {
            stream, final_size, ..
        } => {
            object.number("stream_id", stream.get());
            object.number("final_size", *final_size);
        }
        Frame::StopSending { stream, .. } => object.number("stream_id", stream.get()),
        Frame::Crypto { offset, .. } => object.number("offset", *offset),
        Frame::Stream {
            stream,
            offset,
            fin,
            ..
        } => {
            object.number("stream_id", stream.get());
            object.number("offset", *offset);
            if *fin {
                object.flag("fin", true);
            }
        }
        Frame::MaxData { maximum } => object.number("maximum", *maximum),
        Frame::MaxStreamData { stream, maximum } => {
            object.number("stream_id", stream.get());
            object.number("maximum", *maximum);
        }
        Frame::MaxStreams { dir, maximum } => {
            object.text("stream_type", kind(*dir));
            object.number("maximum", *maximum);
        }
        Frame::DataBlocked { limit } => object.number("limit", *limit),
        Frame::StreamDataBlocked { stream, limit } => {
            object.number("stream_id", stream.get());
            object.number("limit", *limit);
        }
        Frame::StreamsBlocked { dir, limit } => {
            object.text("stream_type", kind(*dir));
            object.number("limit", *limit);
        }
        Frame::NewConnectionId {
            sequence,
            retire_prior_to,
            id,
        } => {
            object.number("sequence_number", *sequence);
            object.number("retire_prior_to", *retire_prior_to);
            object.text("connection_id", format_args!("{id:?}"));
        }
        Frame::RetireConnectionId { sequence } => object.number("sequence_number", *sequence),
        Frame::ConnectionClose {
            application, frame, ..
        } => {
            let space = if *application {
                "application"
            } else {
                "transport"
            };
            object.text("error_space", space);
            if let Some(frame) = frame {
                object.number("trigger_frame_type", *frame);
            }
        }
        Frame::Padding { .. }
        | Frame::Ping
        | Frame::NewToken { .. }
        | Frame::PathChallenge
        | Frame::PathResponse
        | Frame::HandshakeDone
        | Frame::Datagram { .. } => {}
    }
}

fn in_v03(frame: &Frame<'_>, object: &mut Object<'_>) {
    common(frame, object);
    match frame {
        Frame::Crypto { length, .. }
        | Frame::Stream { length, .. }
        | Frame::NewToken { length }
        | Frame::Padding { length }
        | Frame::Datagram { length } => object.number("length", bytes(*length)),
        Frame::ResetStream { code, .. } | Frame::StopSending { code, .. } => {
            object.number("error_code", *code);
        }
        Frame::ConnectionClose {
            application, code, ..
        } => {
            let known = transport_error(Code(*code)).filter(|_| !application);
            match known {
                Some(name) => object.text("error_code", name),
                None => object.number("error_code", *code),
            }
            object.number("raw_error_code", *code);
        }
        _ => {}
    }
}

fn in_draft(frame: &Frame<'_>, object: &mut Object<'_>) {
    common(frame, object);
    match frame {
        Frame::Crypto { length, .. }
        | Frame::Stream { length, .. }
        | Frame::Datagram { length } => {
            object.object("raw", |raw| raw.number("length", bytes(*length)));
        }
        Frame::Padding { length } => {
            object.object("raw", |raw| raw.number("payload_length", bytes(*length)));
        }
        Frame::NewToken { length } => object.object("token", |token| {
            token.text("type", "resumption");
            token.object("raw", |raw| raw.number("length", bytes(*length)));
        }),
        Frame::ResetStream { code, .. } | Frame::StopSending { code, .. } => {
            object.text("error", "unknown");
            object.number("error_code", *code);
        }
        Frame::ConnectionClose {
            application, code, ..
        } => {
            let known = transport_error(Code(*code)).filter(|_| !application);
            match known {
                Some(name) => object.text("error", name),
                None => {
                    object.text("error", "unknown");
                    object.number("error_code", *code);
                }
            }
        }
        _ => {}
    }
}

fn acked(ranges: &AckRanges<'_>, list: &mut List<'_>) {
    for range in ranges.clone() {
        list.list(|ends| {
            ends.number(*range.start());
            if range.end() > range.start() {
                ends.number(*range.end());
            }
        });
    }
}

fn kind(dir: Dir) -> &'static str {
    match dir {
        Dir::Bi => "bidirectional",
        Dir::Uni => "unidirectional",
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

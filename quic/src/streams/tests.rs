//! Streams by their frames: what each fault is provoked by, when frames are sent, two sides over a channel that loses, and what floods cost.

mod early;
mod faults;
mod floods;
mod joined;
mod model;
mod rules;

use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::error::TransportError;
use crate::recovery::{Token, Tokens};
use crate::wire::frame::{self, Frame, ResetStream, StopSending, StreamCount, StreamLimit};
use crate::wire::{Builder, Dir, PacketType, Side, StreamId, VarInt};

const CLOCK: Clock = Clock {
    now: Duration::from_secs(5),
    rtt: Duration::from_millis(20),
};

fn v(value: u64) -> VarInt {
    VarInt::new(value).unwrap()
}

/// The stream with this index among the client's or the server's.
fn id(side: Side, dir: Dir, index: u64) -> StreamId {
    StreamId::new(side, dir, index).unwrap()
}

fn limits(data: u64, stream: u64, streams: u64) -> PeerLimits {
    PeerLimits {
        data,
        bidi_local: stream,
        bidi_remote: stream,
        uni: stream,
        streams_bidi: streams,
        streams_uni: streams,
    }
}

fn local(data: u64, stream: u64, streams: u64) -> LocalLimits {
    LocalLimits {
        bidi_local: stream,
        bidi_remote: stream,
        uni: stream,
        connection: data,
        stream_max: stream,
        connection_max: data,
        streams_bidi: streams,
        streams_uni: streams,
    }
}

/// A side under these limits, which the peer has too.
fn streams(side: Side, data: u64, stream: u64, count: u64) -> Streams {
    let mut streams = Streams::new(side, local(data, stream, count));
    streams.set_peer(limits(data, stream, count)).unwrap();
    streams
}

/// Writes one packet's payload; `None` if there is nothing to say.
fn payload(streams: &mut Streams, room: usize, clock: Clock) -> Option<(Bytes, Tokens)> {
    let mut buffer = [0; 1500];
    let mut builder = Builder::new(&mut buffer[..room]);
    let mut tokens = Tokens::default();
    streams.write_control(&mut builder, &mut tokens, clock);
    streams.write_data(&mut builder, &mut tokens);
    let written = builder.written();
    (!written.is_empty()).then(|| (Bytes::copy_from_slice(written), tokens))
}

/// Everything that there is to say now, in packets of 1200 bytes, and their tokens.
fn say(streams: &mut Streams) -> (Vec<Bytes>, Vec<Token>) {
    let (mut packets, mut tokens) = (Vec::new(), Vec::new());
    while let Some((packet, more)) = payload(streams, 1200, CLOCK) {
        packets.push(packet);
        tokens.extend(more.iter());
    }
    assert!(!streams.wants_control() && !streams.wants_data());
    (packets, tokens)
}

/// The frames of packets, in words.
fn words(side: Side, packets: &[Bytes]) -> Vec<String> {
    let frames = packets
        .iter()
        .flat_map(|packet| frame::frames(packet, PacketType::OneRtt, side.peer()));
    frames
        .map(|frame| match frame.unwrap() {
            Frame::Stream(f) => {
                let fin = if f.fin { " fin" } else { "" };
                format!("{} {}+{}{fin}", f.id.get(), f.offset.get(), f.data.len())
            }
            Frame::ResetStream(f) => format!(
                "reset {} code {} at {}",
                f.id.get(),
                f.code.get(),
                f.final_size.get()
            ),
            Frame::StopSending(f) => format!("stop {} code {}", f.id.get(), f.code.get()),
            Frame::MaxData(limit) => format!("data {}", limit.get()),
            Frame::MaxStreamData(f) => format!("data of {} {}", f.id.get(), f.limit.get()),
            Frame::MaxStreams(f) => format!("streams {:?} {}", f.dir, f.count.get()),
            Frame::DataBlocked(limit) => format!("blocked {}", limit.get()),
            Frame::StreamDataBlocked(f) => format!("blocked {} {}", f.id.get(), f.limit.get()),
            Frame::StreamsBlocked(f) => format!("blocked {:?} {}", f.dir, f.count.get()),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// What a side says now, in words.
fn said(streams: &mut Streams) -> Vec<String> {
    let side = streams.side;
    words(side, &say(streams).0)
}

/// Takes in one packet's payload.
fn hear(streams: &mut Streams, packet: &Bytes) -> Result<(), TransportError> {
    for frame in frame::frames(packet, PacketType::OneRtt, streams.side) {
        match frame? {
            Frame::Stream(f) => {
                streams.on_stream(f.id, f.offset, f.data, f.fin)?;
            }
            Frame::ResetStream(f) => {
                streams.on_reset_stream(f)?;
            }
            Frame::StopSending(f) => streams.on_stop_sending(f).map(drop)?,
            Frame::MaxData(limit) => drop(streams.on_max_data(limit)),
            Frame::MaxStreamData(f) => streams.on_max_stream_data(f).map(drop)?,
            Frame::MaxStreams(f) => drop(streams.on_max_streams(f)),
            Frame::StreamDataBlocked(f) => streams.on_stream_data_blocked(f)?,
            Frame::DataBlocked(_) | Frame::StreamsBlocked(_) => {}
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

/// All that one side has to say reaches the other, and is acknowledged.
fn exchange(from: &mut Streams, to: &mut Streams) {
    let (packets, tokens) = say(from);
    packets.iter().for_each(|packet| hear(to, packet).unwrap());
    tokens.into_iter().for_each(|token| from.acked(token));
}

fn events(streams: &mut Streams) -> Vec<StreamEvent> {
    std::iter::from_fn(|| streams.event()).collect()
}

/// Sends all of `bytes`, which have to fit.
fn send(streams: &mut Streams, id: StreamId, bytes: &[u8]) {
    let mut bytes = Bytes::copy_from_slice(bytes);
    streams.send(id, &mut bytes).unwrap();
    assert!(bytes.is_empty());
}

/// A STREAM frame comes.
fn stream(
    streams: &mut Streams,
    id: StreamId,
    offset: u64,
    len: usize,
    fin: bool,
) -> Result<(), crate::Fault> {
    streams
        .on_stream(id, v(offset), &vec![7; len], fin)
        .map(drop)
}

/// Reads all there is, and says how much, and whether it ended.
fn read_all(streams: &mut Streams, id: StreamId) -> Result<(u64, bool), ReadError> {
    let mut len = 0;
    loop {
        match streams.read(id, 1 << 20, Order::InOrder)? {
            Read::Data { bytes, ends, .. } => {
                len += bytes.len() as u64;
                if ends {
                    return Ok((len, true));
                }
            }
            Read::Blocked => return Ok((len, false)),
            Read::Finished => return Ok((len, true)),
        }
    }
}

/// Numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

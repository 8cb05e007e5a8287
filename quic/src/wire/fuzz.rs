//! A fuzz target for each parser: any bytes give a value or an error, and what is accepted is what it says.

use super::frame::{Frame, Row, frames};
use super::header::{Packet, QuicBit, SAMPLED, decode};
use super::params::Remembered;
use super::{Builder, PacketType, Parameters, Reader, Side, TruncatedNumber, VarInt, Version};
use crate::error::Fault;
use crate::limits;
use crate::observe;
use crate::protect::{Datagram, Incoming};

const ITERATIONS: usize = 5000;

#[test]
fn varint() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            if let Ok(value) = VarInt::decode(&mut reader) {
                assert!(value <= VarInt::MAX);
                assert!(bytes.len() - reader.remaining() >= value.size());
            }
            if let Some(number) = TruncatedNumber::from_bytes(bytes) {
                let whole = number.expand(None).unwrap();
                assert!(whole.get() < 1 << (8 * number.size()));
            }
        });
}

/// Random bytes alone hardly ever name a frame: half of the targets begin with a type of the table.
#[test]
fn frame() {
    let types: Vec<u64> = Row::all().iter().flat_map(Row::types).collect();
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let (pick, rest) = bytes.split_first().unwrap_or((&0, &[]));
            let known = types[usize::from(*pick) % types.len()];
            let typed = [&[u8::try_from(known).unwrap()], rest].concat();
            for payload in [bytes, &typed[..]] {
                for packet in PacketType::ALL {
                    for receiver in [Side::Client, Side::Server] {
                        let walk = frames(payload, packet, receiver);
                        let mut left = payload.len() + 2;
                        for frame in walk {
                            left = left.checked_sub(1).expect("a byte for each frame");
                            if let Ok(frame) = frame {
                                check_frame(&frame);
                            }
                        }
                    }
                }
            }
        });
}

/// Text that nobody keeps: how long it is.
struct Written(usize);

impl core::fmt::Write for Written {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// What an observer is shown of any payload is no more than its bytes. The first byte is the type of the first frame, the kind of the packet and who
/// receives it, since all of them at once cost eight times the text; the last one is the exponent of the delays too.
#[test]
fn listed_frames() {
    use core::fmt::Write as _;
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
            let payload = [&[first % 0x20], rest].concat();
            let frames = observe::Frames {
                payload: &payload,
                packet: PacketType::ALL[usize::from(first >> 5 & 3)],
                receiver: [Side::Client, Side::Server][usize::from(first >> 7)],
                ack_delay_exponent: rest.last().copied().unwrap_or(*first),
            };
            let length = |frame| match frame {
                observe::Frame::Padding { length }
                | observe::Frame::Crypto { length, .. }
                | observe::Frame::NewToken { length }
                | observe::Frame::Stream { length, .. }
                | observe::Frame::Datagram { length } => length,
                _ => 1,
            };
            let sum: usize = frames.iter().map(length).sum();
            assert!(sum <= payload.len(), "{frames:?}");
            let mut text = Written(0);
            write!(text, "{frames} {frames:?} {frames:#?}").unwrap();
            assert!(text.0 > 0);
        });
}

fn check_frame(frame: &Frame<'_>) {
    let end = |offset: VarInt, data: &[u8]| offset.checked_add(data.len() as u64).unwrap();
    match frame {
        Frame::Ack(ack) => {
            let mut above = None;
            for range in ack.ranges() {
                assert!(range.start() <= range.end());
                assert!(above.is_none_or(|above| range.end().get() + 1 < above));
                above = Some(range.start().get());
            }
            assert!(above.is_some());
        }
        Frame::Crypto(frame) => assert!(end(frame.offset, frame.data) <= VarInt::MAX),
        Frame::Stream(frame) => assert!(end(frame.offset, frame.data) <= VarInt::MAX),
        Frame::MaxStreams(frame) | Frame::StreamsBlocked(frame) => {
            assert!(frame.count.get() <= limits::STREAMS);
        }
        Frame::NewToken(token) => assert!(!token.is_empty()),
        Frame::NewConnectionId(frame) => {
            assert!(!frame.id.is_empty() && frame.retire_prior_to <= frame.sequence);
        }
        _ => {}
    }
}

/// Keeps the first byte, and puts a known version and short ids behind it.
fn with_header(bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let version = if first & 1 == 0 {
        Version::V1
    } else {
        Version::V2
    };
    let ids = [2, 7, 7, 1, 8];
    [&[*first][..], &version.number().to_be_bytes(), &ids, rest].concat()
}

#[test]
fn header() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            for bytes in [bytes, &with_header(bytes)] {
                for quic_bit in [QuicBit::Set, QuicBit::Any] {
                    match decode(bytes, 4, quic_bit) {
                        Ok(Packet::Protected(header)) => {
                            assert!(header.token.end <= header.number_at);
                            assert!(header.number_at + SAMPLED <= header.end);
                            assert!(header.end <= bytes.len());
                        }
                        Ok(Packet::Retry(retry)) => {
                            assert!(!retry.token.is_empty());
                            assert_eq!(retry.tagged.len() + retry.tag.len(), bytes.len());
                        }
                        Ok(Packet::VersionNegotiation(packet)) => {
                            assert!(packet.versions().count() > 0);
                        }
                        Ok(Packet::UnknownVersion(_, number)) => {
                            assert_eq!(Version::from_number(number), None);
                        }
                        Err(_) => {}
                    }
                }
            }
        });
}

#[test]
fn datagram() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            for bytes in [bytes, &with_header(bytes)] {
                let mut datagram = Datagram::new(bytes.into(), 4, QuicBit::Any);
                let mut left = bytes.len();
                while let Some(packet) = datagram.next() {
                    let size = match packet {
                        Ok(Incoming::Protected(packet)) => packet.size(),
                        Ok(Incoming::Other(packet)) => packet.len(),
                        Err(_) => 0,
                    };
                    left = left.checked_sub(size).expect("no byte twice");
                }
            }
        });
}

#[test]
fn parameters() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            // An id, a length and a value each, a number of one byte where the length is odd.
            // None takes more room than twice what it was made of.
            let mut buffer = vec![0; 2 * bytes.len()];
            let mut builder = Builder::new(&mut buffer);
            let mut rest = bytes;
            while let [id, length, more @ ..] = rest {
                let (value, more) = more.split_at(usize::from(length / 2).min(more.len()));
                rest = more;
                let one = [u8::try_from(value.len() % 64).unwrap()];
                builder
                    .put_varint(VarInt::from(u16::from(*id) % 36))
                    .unwrap();
                builder
                    .put_vec(if length % 2 == 1 { &one } else { value })
                    .unwrap();
            }
            for encoded in [bytes, builder.written()] {
                for side in [Side::Client, Side::Server] {
                    if let Ok(parameters) = Parameters::decode(encoded, side) {
                        let again = Parameters::decode(&parameters.encode(|| 7), side);
                        // Of a list that is longer than what is kept, a client's own version can have stood behind that. Nobody encodes what he was told.
                        let lost = parameters.version_information.as_ref().is_some_and(|it| {
                            side == Side::Client && !it.available.contains(&it.chosen)
                        });
                        let want = if lost {
                            Err(Fault::VersionInformation)
                        } else {
                            Ok(parameters)
                        };
                        assert_eq!(again, want);
                    }
                }
            }
        });
}

#[test]
fn remembered() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let formed = [&[2], bytes].concat();
            for bytes in [bytes, &formed] {
                if let Some(remembered) = Remembered::decode(bytes) {
                    let parameters = remembered.parameters();
                    assert_eq!(Remembered::of(&parameters), remembered);
                }
            }
        });
}

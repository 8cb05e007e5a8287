//! Every kind of packet, of both versions: written and read, cut short, with each bit that decides.

use super::super::version::LongType;
use super::super::{Builder, PacketNumber, VarInt};
use super::*;

const DCID: &[u8] = &[0xd1, 0xd2, 0xd3, 0xd4];
const SCID: &[u8] = &[0x51; 20];
const BODY: &[u8] = &[0xbb; 24];

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

fn written(write: impl FnOnce(&mut Builder<'_>) -> Option<()>) -> Vec<u8> {
    let mut buffer = [0xee; 256];
    let mut builder = Builder::new(&mut buffer);
    assert_eq!(write(&mut builder), Some(()));
    builder.written().to_vec()
}

/// A whole packet with frames: `BODY` behind a number of one byte.
fn protected(header: &NewHeader<'_>, quic_bit: bool) -> Vec<u8> {
    written(|b| {
        let number = PacketNumber::new(7)?.truncate(None)?;
        let marks = b.put_header(header, quic_bit, number)?;
        b.put(BODY)?;
        let length = VarInt::try_from(b.len() - marks.number_at).ok()?;
        if let Some(at) = marks.length_at {
            b.written_mut()[at..at + 2].copy_from_slice(&length.two_bytes()?);
        }
        Some(())
    })
}

fn long(long_type: LongType, version: Version, token: &[u8]) -> NewHeader<'_> {
    NewHeader::Long {
        long_type,
        version,
        dcid: id(DCID),
        scid: id(SCID),
        token,
    }
}

fn short() -> NewHeader<'static> {
    NewHeader::Short {
        dcid: id(DCID),
        spin: true,
    }
}

fn retry(version: Version, token: &[u8]) -> Vec<u8> {
    written(|b| {
        b.put_retry(version, 5, &id(DCID), &id(SCID), token)?;
        b.put(&[0x7a; 16])
    })
}

fn read(datagram: &[u8]) -> Result<Packet<'_>, Discard> {
    decode(datagram, DCID.len(), QuicBit::Set)
}

/// Every packet with a length of its own, and its name.
fn long_packets() -> Vec<(String, Vec<u8>, PacketType, Version, usize)> {
    let mut packets = Vec::new();
    for version in Version::ALL {
        for (long_type, token) in [
            (LongType::Initial, &b""[..]),
            (LongType::Initial, b"token"),
            (LongType::Initial, &[0x70; 100]),
            (LongType::ZeroRtt, b""),
            (LongType::Handshake, b""),
        ] {
            let name = format!("{version:?} {long_type:?} {}", token.len());
            let bytes = protected(&long(long_type, version, token), true);
            packets.push((
                name,
                bytes,
                long_type.packet().unwrap(),
                version,
                token.len(),
            ));
        }
    }
    packets
}

#[test]
fn long_headers_say_where_everything_stands() {
    for (name, bytes, packet, version, token) in long_packets() {
        for after in [&b""[..], &[0x40; 30]] {
            let datagram = [&bytes, after].concat();
            let Ok(Packet::Protected(header)) = read(&datagram) else {
                panic!("{name}");
            };
            assert_eq!(header.packet, packet, "{name}");
            assert_eq!(header.long, Some((version, id(SCID))), "{name}");
            assert_eq!(header.dcid, id(DCID), "{name}");
            assert_eq!(header.token.len(), token, "{name}");
            assert!(
                datagram[header.token]
                    .iter()
                    .all(|byte| b"token\x70".contains(byte))
            );
            assert_eq!(datagram[header.number_at], 7, "{name}");
            assert_eq!(header.end, bytes.len(), "{name}");
            assert_eq!(datagram[header.number_at + 1..header.end], *BODY, "{name}");
        }
    }
}

#[test]
fn every_cut_of_a_long_header_packet_is_discarded() {
    for (name, bytes, ..) in long_packets() {
        for short in 0..bytes.len() {
            let got = read(&bytes[..short]);
            assert_eq!(got, Err(Discard::Truncated), "{name} cut to {short}");
        }
    }
}

#[test]
fn every_cut_of_a_short_header_packet_is_discarded_or_shorter() {
    let bytes = protected(&short(), true);
    let Ok(Packet::Protected(header)) = read(&bytes) else {
        panic!();
    };
    assert_eq!((header.packet, header.long), (PacketType::OneRtt, None));
    assert_eq!((header.dcid, header.token), (id(DCID), 0..0));
    assert_eq!((header.number_at, header.end), (5, bytes.len()));
    for short in 0..bytes.len() {
        match read(&bytes[..short]) {
            Ok(Packet::Protected(header)) => {
                assert!(short >= 25, "{short}");
                assert_eq!(header.end, short);
            }
            Err(Discard::Truncated) => assert!(short < 5, "{short}"),
            Err(Discard::NoSample) => assert!((5..25).contains(&short), "{short}"),
            other => panic!("{short}: {other:?}"),
        }
    }
}

#[test]
fn every_cut_of_a_retry_packet_is_discarded_or_has_another_tag() {
    for version in Version::ALL {
        let bytes = retry(version, b"token");
        let Ok(Packet::Retry(retry)) = read(&bytes) else {
            panic!("{version:?}");
        };
        assert_eq!(retry.version, version);
        assert_eq!((retry.dcid, retry.scid), (id(DCID), id(SCID)));
        assert_eq!((retry.token, retry.tag), (&b"token"[..], [0x7a; 16]));
        assert_eq!(retry.tagged, &bytes[..bytes.len() - 16]);
        let ids = bytes.len() - 21;
        for short in 0..bytes.len() {
            match read(&bytes[..short]) {
                Ok(Packet::Retry(retry)) => {
                    assert!(short > ids + 16, "{short}");
                    assert_eq!(retry.token.len() + 16 + ids, short);
                }
                Err(Discard::EmptyToken) => assert_eq!(short, ids + 16),
                Err(Discard::Truncated) => assert!(short < ids + 16, "{short}"),
                other => panic!("{short}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_low_bits_of_a_retry_packet_say_nothing() {
    for version in Version::ALL {
        let mut bytes = retry(version, b"token");
        for bits in 0..16 {
            bytes[0] = bytes[0] & 0xf0 | bits;
            assert!(matches!(read(&bytes), Ok(Packet::Retry(_))), "{bits:#x}");
        }
    }
}

#[test]
fn version_negotiation_echoes_ids_of_any_length_and_lists_whole_versions() {
    let dcid = [0xdd; 255];
    let answered = Ids {
        dcid: &dcid,
        scid: SCID,
    };
    let mut buffer = [0; 400];
    let mut builder = Builder::new(&mut buffer);
    let versions = [1, 0x6b33_43cf, 0x0a0a_0a0a];
    assert!(
        builder
            .put_version_negotiation(0, &answered, versions.into_iter())
            .is_some()
    );
    let bytes = builder.written();
    let Ok(Packet::VersionNegotiation(packet)) = read(bytes) else {
        panic!();
    };
    assert_eq!((packet.ids.dcid, packet.ids.scid), (SCID, &dcid[..]));
    assert_eq!(packet.versions().collect::<Vec<_>>(), versions);
    let ids = bytes.len() - 12;
    for short in 0..bytes.len() {
        match read(&bytes[..short]) {
            Ok(Packet::VersionNegotiation(packet)) => {
                assert_eq!(ids + 4 * packet.versions().count(), short);
                assert!(short > ids);
            }
            Err(Discard::Versions) => assert!(short == ids || (short - ids) % 4 != 0),
            Err(Discard::Truncated) => assert!(short < ids, "{short}"),
            other => panic!("{short}: {other:?}"),
        }
    }
    // The bits below the highest say nothing.
    let mut any = bytes.to_vec();
    any[0] = 0x80;
    assert!(matches!(read(&any), Ok(Packet::VersionNegotiation(_))));
}

#[test]
fn a_packet_without_the_quic_bit_is_discarded_unless_it_may_be_anything() {
    let mut packets: Vec<Vec<u8>> = long_packets().into_iter().map(|row| row.1).collect();
    packets.push(protected(&short(), true));
    packets.push(retry(Version::V1, b"token"));
    packets.push(retry(Version::V2, b"token"));
    for mut bytes in packets {
        let with = decode(&bytes, 4, QuicBit::Any).unwrap().is_retry();
        assert!(read(&bytes).is_ok(), "{bytes:x?}");
        bytes[0] &= !QUIC_BIT;
        assert_eq!(read(&bytes), Err(Discard::QuicBit), "{bytes:x?}");
        let without = decode(&bytes, 4, QuicBit::Any).unwrap().is_retry();
        assert_eq!(without, with);
    }
    let greased = protected(&long(LongType::Initial, Version::V1, b""), false);
    assert_eq!(read(&greased), Err(Discard::QuicBit));
}

impl Packet<'_> {
    fn is_retry(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}

#[test]
fn connection_ids_of_20_bytes_pass_and_of_21_do_not() {
    for version in [1, 0x6b33_43cf, 0xff00_001d] {
        for (dcid, scid) in [(20, 20), (21, 20), (20, 21), (255, 0), (0, 255), (0, 0)] {
            let bytes = written_long(version, dcid, scid);
            let got = read(&bytes);
            let name = format!("{version:#x} {dcid} {scid}");
            if Version::from_number(version).is_none() {
                let Ok(Packet::UnknownVersion(ids, number)) = got else {
                    panic!("{name}");
                };
                assert_eq!((ids.dcid.len(), ids.scid.len()), (dcid, scid), "{name}");
                assert_eq!(number, version, "{name}");
            } else if dcid > 20 || scid > 20 {
                assert_eq!(got, Err(Discard::IdLength), "{name}");
            } else {
                assert!(matches!(got, Ok(Packet::Protected(_))), "{name}");
            }
        }
    }
}

/// A Handshake packet of version 1 or 0-RTT packet of version 2, with ids of these lengths.
fn written_long(version: u32, dcid: usize, scid: usize) -> Vec<u8> {
    let mut bytes = vec![0xe0];
    bytes.extend(version.to_be_bytes());
    bytes.push(u8::try_from(dcid).unwrap());
    bytes.extend(vec![1; dcid]);
    bytes.push(u8::try_from(scid).unwrap());
    bytes.extend(vec![2; scid]);
    bytes.push(20);
    bytes.extend([3; 20]);
    bytes
}

#[test]
fn a_packet_without_a_sample_is_discarded() {
    for (length, want) in [(0, true), (19, true), (20, false), (21, false)] {
        let mut bytes = written_long(1, 4, 4);
        let at = bytes.len() - 21;
        bytes.truncate(at);
        bytes.push(length);
        bytes.extend(vec![3; usize::from(length)]);
        assert_eq!(read(&bytes) == Err(Discard::NoSample), want, "{length}");
    }
    let huge = [&written_long(1, 4, 4)[..15], &[0xff; 8], &[3; 20]].concat();
    assert_eq!(read(&huge), Err(Discard::Truncated));
    let token = [&[0xc0, 0, 0, 0, 1, 0, 0][..], &[0xff; 8], &[3; 40]].concat();
    assert_eq!(read(&token), Err(Discard::Truncated));
}

#[test]
fn headers_that_do_not_fit_are_not_written() {
    let number = PacketNumber::new(7).unwrap().truncate(None).unwrap();
    for header in [long(LongType::Initial, Version::V1, b"token"), short()] {
        let whole = protected(&header, true).len() - BODY.len();
        for room in 0..=whole {
            let mut buffer = vec![0; room];
            let mut builder = Builder::new(&mut buffer);
            let marks = builder.put_header(&header, true, number);
            assert_eq!(marks.is_some(), room == whole, "{room}");
            assert_eq!(builder.len(), if room == whole { whole } else { 0 });
        }
    }
}

#[test]
fn the_first_byte_tells_of_protected_bits() {
    let first = |header: &NewHeader<'_>| protected(header, true)[0];
    assert_eq!(protected_bits(first(&short())), (0x1f, 0x18));
    assert_eq!(first(&short()), 0x60);
    assert!(!key_phase(first(&short())) && key_phase(0x64));
    let initial = first(&long(LongType::Initial, Version::V1, b""));
    assert_eq!((initial, protected_bits(initial)), (0xc0, (0x0f, 0x0c)));
    let initial = first(&long(LongType::Initial, Version::V2, b""));
    assert_eq!((initial, number_size(initial)), (0xd0, 1));
    assert_eq!(number_size(0xff), 4);
}

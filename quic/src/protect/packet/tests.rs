//! Packets of every type, suite and version: sealed and opened, altered, cut, coalesced.

use pith_crypto::Secret;
use pith_tls::CipherSuite;

use super::super::PacketSecret;
use super::*;
use crate::limits;
use crate::wire::version::LongType;

const DCID: [u8; 5] = [0xd1, 0xd2, 0xd3, 0xd4, 0xd5];
const PAYLOAD: &[u8] = b"\x01\x01\x01\x01 payload of some frames";

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

fn number(value: u64) -> PacketNumber {
    PacketNumber::new(value).unwrap()
}

fn secret(suite: CipherSuite, version: Version) -> PacketSecret {
    let bytes = vec![7; suite.hash().len()];
    PacketSecret::from_parts(version, suite, Secret::new(&bytes).unwrap())
}

fn v1_secret() -> PacketSecret {
    secret(CipherSuite::Aes128GcmSha256, Version::V1)
}

fn long(long_type: LongType, version: Version, token: &[u8]) -> NewHeader<'_> {
    NewHeader::Long {
        long_type,
        version,
        dcid: id(&DCID),
        scid: id(&[0x51; 8]),
        token,
    }
}

fn short() -> NewHeader<'static> {
    NewHeader::Short {
        dcid: id(&DCID),
        spin: true,
    }
}

/// A header of each type, and the type.
fn headers(version: Version) -> [(NewHeader<'static>, PacketType); 5] {
    [
        (long(LongType::Initial, version, b""), PacketType::Initial),
        (
            long(LongType::Initial, version, b"token"),
            PacketType::Initial,
        ),
        (long(LongType::ZeroRtt, version, b""), PacketType::ZeroRtt),
        (
            long(LongType::Handshake, version, b""),
            PacketType::Handshake,
        ),
        (short(), PacketType::OneRtt),
    ]
}

/// Seals one packet; `alter` changes what is written before it is sealed.
fn sealed_with(
    keys: &mut Sealer,
    header: &NewHeader<'_>,
    full: u64,
    payload: &[u8],
    alter: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut buffer = vec![0xee; 300];
    let mut builder = Builder::new(&mut buffer);
    let acked = full.checked_sub(1).map(number);
    let draft = Draft::begin(&mut builder, header, true, number(full), acked).unwrap();
    assert!(draft.is_empty(&builder));
    builder.put(payload).unwrap();
    assert!(!draft.is_empty(&builder));
    alter(builder.written_mut());
    let size = draft.seal(&mut builder, keys).unwrap();
    assert_eq!(size, builder.len());
    builder.written().to_vec()
}

fn sealed(keys: &mut Sealer, header: &NewHeader<'_>, full: u64) -> Vec<u8> {
    sealed_with(keys, header, full, PAYLOAD, |_| ())
}

fn datagram(bytes: &[u8]) -> Datagram {
    Datagram::new(bytes.into(), DCID.len(), QuicBit::Set)
}

fn protected(bytes: &[u8]) -> Option<Protected> {
    match datagram(bytes).next()? {
        Ok(Incoming::Protected(packet)) => Some(packet),
        Ok(Incoming::Other(_)) | Err(_) => None,
    }
}

#[test]
fn packets_of_every_type_suite_and_version_open() {
    for version in Version::ALL {
        for suite in CipherSuite::ALL {
            let secret = secret(*suite, version);
            let opener = secret.opener().unwrap();
            let mut sealer = secret.sealer(u64::MAX).unwrap();
            for (at, (header, packet)) in headers(version).into_iter().enumerate() {
                let name = format!("{version:?} {suite:?} {packet:?}");
                let full = 0x1_0000 * (at as u64 + 1);
                let bytes = sealed(&mut sealer, &header, full);
                let protected = protected(&bytes).unwrap();
                assert_eq!(protected.size(), bytes.len(), "{name}");
                let token = &bytes[protected.header().token.clone()];
                assert_eq!(token, if at == 1 { &b"token"[..] } else { b"" });
                let opened = protected
                    .open(&opener, Some(number(full - 1)), Side::Server)
                    .unwrap();
                assert_eq!(opened.payload, PAYLOAD, "{name}");
                assert_eq!(
                    (opened.number, opened.packet),
                    (number(full), packet),
                    "{name}"
                );
                assert_eq!(
                    (opened.dcid, opened.size),
                    (id(&DCID), bytes.len()),
                    "{name}"
                );
                let scid = opened.long.map(|(version, scid)| (version, scid.len()));
                assert_eq!(scid, (packet != PacketType::OneRtt).then_some((version, 8)));
            }
        }
    }
}

#[test]
fn a_packet_with_any_byte_altered_does_not_open() {
    let secret = v1_secret();
    let opener = secret.opener().unwrap();
    let mut sealer = secret.sealer(u64::MAX).unwrap();
    for (at, (header, packet)) in headers(Version::V1).into_iter().enumerate() {
        let bytes = sealed(&mut sealer, &header, at as u64);
        for flipped in 0..bytes.len() {
            for bit in [0x01, 0x04, 0x10, 0x80] {
                let mut forged = bytes.clone();
                forged[flipped] ^= bit;
                let opened = protected(&forged).map(|p| p.open(&opener, None, Side::Server));
                let refused = matches!(opened, None | Some(Err(Refused::Forged)));
                assert!(refused, "{packet:?} byte {flipped} bit {bit:#x}");
            }
        }
        for cut in 0..bytes.len() {
            let opened = protected(&bytes[..cut]).map(|p| p.open(&opener, None, Side::Server));
            let refused = matches!(opened, None | Some(Err(Refused::Forged)));
            assert!(refused, "{packet:?} cut to {cut}");
        }
    }
}

#[test]
fn numbers_of_every_length_are_masked_and_nothing_behind_them() {
    for size in 1..=4_u8 {
        let mut packet = [0; 24];
        packet[0] = 0x40 | (size - 1);
        let first = apply(&mut packet, 1, [0, 0xf1, 0xf2, 0xf3, 0xf4], number_size);
        assert_eq!(first, Ok(0x40 | (size - 1)));
        let mut want = [0; 24];
        want[0] = first.unwrap();
        for at in 1..=size {
            want[usize::from(at)] = 0xf0 | at;
        }
        assert_eq!(packet, want, "{size}");
    }
}

#[test]
fn reserved_bits_are_judged_once_the_packet_is_genuine() {
    let secret = v1_secret();
    let opener = secret.opener().unwrap();
    let others = PacketSecret::from_parts(
        Version::V1,
        CipherSuite::Aes128GcmSha256,
        Secret::new(&[8; 32]).unwrap(),
    );
    // Keys of the header alone: a forger who guessed them learns nothing from what is reserved.
    let forger = Opener {
        header: secret.header_key().unwrap(),
        packet: others.opening_key().unwrap(),
    };
    let mut full = 0;
    for (header, packet) in headers(Version::V1) {
        let bits: &[u8] = if packet == PacketType::OneRtt {
            &[0x08, 0x10, 0x18]
        } else {
            &[0x04, 0x08, 0x0c]
        };
        let mut sealer = secret.sealer(u64::MAX).unwrap();
        for bits in bits {
            let bytes = sealed_with(&mut sealer, &header, full, PAYLOAD, |b| b[0] |= bits);
            full += 1;
            let open = |keys| protected(&bytes).unwrap().open(keys, None, Side::Server);
            let fault = Refused::Fault(Fault::ReservedBits);
            assert_eq!(open(&opener).err(), Some(fault), "{packet:?} {bits:#x}");
            assert_eq!(
                open(&forger).err(),
                Some(Refused::Forged),
                "{packet:?} {bits:#x}"
            );
        }
    }
    assert_eq!(Fault::ReservedBits.code(), crate::Code::PROTOCOL_VIOLATION);
}

#[test]
fn a_token_from_a_server_is_a_fault() {
    let secret = v1_secret();
    let mut sealer = secret.sealer(u64::MAX).unwrap();
    let bytes = sealed(&mut sealer, &long(LongType::Initial, Version::V1, b"t"), 0);
    let open = |side| {
        let opener = secret.opener().unwrap();
        protected(&bytes).unwrap().open(&opener, None, side).err()
    };
    assert_eq!(open(Side::Server), None);
    assert_eq!(open(Side::Client), Some(Refused::Fault(Fault::ServerToken)));
    assert_eq!(Fault::ServerToken.code(), crate::Code::PROTOCOL_VIOLATION);
}

#[test]
fn a_payload_lies_where_its_packet_lay() {
    let secret = v1_secret();
    let mut sealer = secret.sealer(u64::MAX).unwrap();
    let one = sealed(&mut sealer, &long(LongType::Handshake, Version::V1, b""), 0);
    let two = sealed(&mut sealer, &short(), 1);
    let bytes = BytesMut::from(&[&one[..], &two].concat()[..]);
    let range = bytes.as_ptr_range();
    let mut datagram = Datagram::new(bytes, DCID.len(), QuicBit::Set);
    while let Some(Ok(Incoming::Protected(packet))) = datagram.next() {
        let opened = packet
            .open(&secret.opener().unwrap(), None, Side::Server)
            .unwrap();
        assert!(range.contains(&opened.payload.as_ptr()));
    }
}

/// Which packets a datagram yields: a letter for each, `!` where it ends in one that cannot be read.
fn walk(bytes: &[u8]) -> String {
    let mut datagram = datagram(bytes);
    let mut seen = String::new();
    while let Some(packet) = datagram.next() {
        seen.push(match packet {
            Ok(Incoming::Protected(packet)) => match packet.header().packet {
                PacketType::Initial => 'I',
                PacketType::ZeroRtt => '0',
                PacketType::Handshake => 'H',
                PacketType::OneRtt => '1',
            },
            Ok(Incoming::Other(_)) => 'O',
            Err(_) => '!',
        });
    }
    assert!(datagram.next().is_none());
    seen
}

#[test]
fn coalesced_packets_are_taken_apart() {
    let secret = v1_secret();
    let mut keys = secret.sealer(u64::MAX).unwrap();
    let initial = sealed(&mut keys, &long(LongType::Initial, Version::V1, b""), 0);
    let handshake = sealed(&mut keys, &long(LongType::Handshake, Version::V1, b""), 1);
    let one = sealed(&mut keys, &short(), 2);
    let v2 = sealed(&mut keys, &long(LongType::Handshake, Version::V2, b""), 3);
    let mut stranger = handshake.clone();
    stranger[6] ^= 1;
    let mut bitless = handshake.clone();
    bitless[0] &= 0xbf;
    let mut other = Builder::new(&mut [0; 100]).written().to_vec();
    other.extend([0xc0, 0xff, 0, 0, 0x1d, 0, 0, 1, 2, 3]);
    let mut buffer = [0; 100];
    let mut builder = Builder::new(&mut buffer);
    builder
        .put_retry(Version::V1, 0, &id(&DCID), &id(&[]), &[1; 40])
        .unwrap();
    let retry = builder.written();
    let rows: Vec<(&str, Vec<&[u8]>, &str)> = vec![
        ("nothing", vec![], ""),
        ("one", vec![&initial], "I"),
        ("three", vec![&initial, &handshake, &one], "IH1"),
        ("a short header takes the rest", vec![&one, &initial], "1"),
        ("two versions", vec![&initial, &v2], "IH"),
        (
            "another id between",
            vec![&initial, &stranger, &handshake],
            "IH",
        ),
        ("another id first", vec![&stranger, &handshake], "H"),
        ("zeros behind", vec![&initial, &[0; 50]], "I!"),
        ("a byte behind", vec![&initial, &[0x40]], "I!"),
        ("a cut one behind", vec![&initial, &handshake[..30]], "I!"),
        (
            "none without the QUIC bit",
            vec![&initial, &bitless, &one],
            "I!",
        ),
        ("retry", vec![retry], "O"),
        ("retry is not coalesced", vec![&initial, retry], "I"),
        ("an unknown version", vec![&other, &initial], "O"),
        ("an unknown version behind", vec![&initial, &other], "I"),
    ];
    for (name, parts, want) in rows {
        assert_eq!(walk(&parts.concat()), want, "{name}");
    }
}

#[test]
fn one_packet_that_does_not_open_leaves_the_others() {
    let secret = v1_secret();
    let opener = secret.opener().unwrap();
    let mut keys = secret.sealer(u64::MAX).unwrap();
    let parts: Vec<Vec<u8>> = (0..3)
        .map(|full| {
            sealed(
                &mut keys,
                &long(LongType::Handshake, Version::V1, b""),
                full,
            )
        })
        .collect();
    for forged in 0..3 {
        let mut bytes = parts.clone();
        let last = bytes[forged].len() - 1;
        bytes[forged][last] ^= 1;
        let mut datagram = datagram(&bytes.concat());
        for at in 0..3 {
            let Some(Ok(Incoming::Protected(packet))) = datagram.next() else {
                panic!("{forged} {at}");
            };
            let opened = packet.open(&opener, None, Side::Server);
            assert_eq!(opened.is_err(), at == forged, "{forged} {at}");
        }
    }
}

#[test]
fn the_last_bytes_of_a_datagram_stay_for_stateless_resets() {
    for (len, want) in [(0, false), (16, false), (20, false), (21, true), (40, true)] {
        let mut bytes = vec![0x40; len];
        let tail = bytes.len().saturating_sub(16);
        bytes[tail..].fill(0x7e);
        let token = datagram(&bytes).reset_token();
        assert_eq!(token, want.then_some(ResetToken([0x7e; 16])), "{len}");
    }
}

#[test]
fn short_payloads_are_padded_to_a_sample() {
    let secret = v1_secret();
    let opener = secret.opener().unwrap();
    let mut keys = secret.sealer(u64::MAX).unwrap();
    for (at, length) in [1, 2, 3, 4].into_iter().enumerate() {
        let payload = vec![1; length];
        let bytes = sealed_with(&mut keys, &short(), at as u64, &payload, |_| ());
        let opened = protected(&bytes)
            .unwrap()
            .open(&opener, None, Side::Server)
            .unwrap();
        let mut want = payload;
        want.resize(length.max(3), 0);
        assert_eq!(opened.payload, want, "{length}");
    }
}

#[test]
fn a_packet_without_frames_is_padded_to_have_one() {
    let secret = v1_secret();
    let mut keys = secret.sealer(9).unwrap();
    // (number, acknowledged, bytes of padding)
    for (full, acked, want) in [
        (0, None, 3),
        (0x1_0000, Some(0), 1),
        (0x100_0000, Some(0), 1),
    ] {
        let mut buffer = [0; 100];
        let mut builder = Builder::new(&mut buffer);
        let acked = acked.map(number);
        let draft = Draft::begin(&mut builder, &short(), true, number(full), acked).unwrap();
        draft.seal(&mut builder, &mut keys).unwrap();
        let opened = protected(builder.written())
            .unwrap()
            .open(&secret.opener().unwrap(), acked, Side::Server)
            .unwrap();
        assert_eq!((opened.number, opened.payload.len()), (number(full), want));
    }
}

#[test]
fn a_draft_begins_only_where_a_packet_fits() {
    for (header, packet) in headers(Version::V1) {
        let least = sealed_with(
            &mut v1_secret().sealer(9).unwrap(),
            &header,
            0,
            &[1],
            |_| (),
        )
        .len();
        for room in 0..=least + 1 {
            let mut buffer = vec![0; room];
            let mut builder = Builder::new(&mut buffer);
            let draft = Draft::begin(&mut builder, &header, true, number(0), None);
            assert_eq!(draft.is_some(), room >= least, "{packet:?} {room}");
            let Some(draft) = draft else {
                assert_eq!((builder.len(), builder.remaining()), (0, room));
                continue;
            };
            // What fits beside the tag can be filled.
            builder.pad_to(builder.len() + builder.remaining()).unwrap();
            let mut keys = v1_secret().sealer(9).unwrap();
            assert_eq!(draft.seal(&mut builder, &mut keys), Ok(room), "{packet:?}");
        }
    }
    let mut buffer = [0; 100];
    let mut builder = Builder::new(&mut buffer);
    let far = Draft::begin(
        &mut builder,
        &short(),
        true,
        number(1 << 40),
        Some(number(0)),
    );
    assert!(far.is_none() && builder.is_empty());
}

#[test]
fn a_cancelled_draft_leaves_nothing() {
    let mut buffer = [0; 100];
    let mut builder = Builder::new(&mut buffer);
    builder.put(b"before").unwrap();
    let draft = Draft::begin(&mut builder, &short(), true, number(0), None).unwrap();
    assert_eq!(draft.number(), number(0));
    builder.put(b"frames").unwrap();
    draft.cancel(&mut builder);
    assert_eq!(
        (builder.written(), builder.remaining()),
        (&b"before"[..], 94)
    );
}

#[test]
fn a_sealer_takes_a_number_once_and_stops_at_its_limit() {
    let mut keys = v1_secret().sealer(2).unwrap();
    let mut seal = |full| {
        let mut buffer = [0; 100];
        let mut builder = Builder::new(&mut buffer);
        let draft = Draft::begin(&mut builder, &short(), true, number(full), None).unwrap();
        builder.put_ping().unwrap();
        draft.seal(&mut builder, &mut keys).map(drop)
    };
    assert_eq!(seal(5), Ok(()));
    assert_eq!(seal(5), Err(Error::Internal("packet number used before")));
    assert_eq!(seal(6), Ok(()));
    assert_eq!(seal(7), Err(Error::Exhausted));
}

#[test]
fn a_datagram_of_two_packets_is_written_in_one_buffer() {
    let secret = v1_secret();
    let mut keys = secret.sealer(9).unwrap();
    let mut buffer = [0; limits::DATAGRAM];
    let mut builder = Builder::new(&mut buffer);
    for full in 0..2 {
        let header = long(LongType::Handshake, Version::V1, b"");
        let draft = Draft::begin(&mut builder, &header, true, number(full), None).unwrap();
        builder.put_ping().unwrap();
        if full == 1 {
            builder.pad_to(limits::DATAGRAM - TAG_LEN).unwrap();
        }
        draft.seal(&mut builder, &mut keys).unwrap();
    }
    assert_eq!(builder.len(), limits::DATAGRAM);
    assert_eq!(walk(builder.written()), "HH");
}

//! The sample packets of RFC 9001 appendix A and RFC 9369 appendix A, opened and sealed.

use pith_crypto::Secret;
use pith_tls::CipherSuite;

use super::super::{PacketSecret, retry_is_genuine, retry_tag};
use super::*;
use crate::wire::version::LongType;

const DCID: &str = "8394c8f03e515708";
const SCID: &str = "f067a5502a4262b5";
const CLIENT_CRYPTO: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000\
    10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9\
    caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900\
    320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";
const SERVER_PAYLOAD: &str = "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d\
    00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";

struct Samples {
    version: Version,
    client_initial: &'static str,
    server_initial: &'static str,
    retry: &'static str,
    short: &'static str,
    updated: &'static str,
}

const SAMPLES: [Samples; 2] = [
    Samples {
        version: Version::V1,
        client_initial: include_str!("vectors/v1-client-initial.hex"),
        server_initial: include_str!("vectors/v1-server-initial.hex"),
        retry: "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
        short: "4cfe4189655e5cd55c41f69080575d7999c25a5bfb",
        updated: "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9",
    },
    Samples {
        version: Version::V2,
        client_initial: include_str!("vectors/v2-client-initial.hex"),
        server_initial: include_str!("vectors/v2-server-initial.hex"),
        retry: "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
        short: "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba",
        updated: "c69374c49e3d2a9466fa689e49d476db5d0dfbc87d32ceeaa6343fd0ae4c7d88",
    },
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn id(text: &str) -> ConnectionId {
    ConnectionId::new(&hex(text)).unwrap()
}

fn number(value: u64) -> PacketNumber {
    PacketNumber::new(value).unwrap()
}

fn only_packet(bytes: &[u8]) -> Protected {
    let mut datagram = Datagram::new(bytes.into(), 0, QuicBit::Set);
    let Some(Ok(Incoming::Protected(packet))) = datagram.next() else {
        panic!("no packet");
    };
    assert!(datagram.next().is_none());
    packet
}

/// Seals with a packet number of these bytes, longer than it need be.
fn sealed(
    header: &NewHeader<'_>,
    full: u64,
    bytes: &[u8],
    payload: &[u8],
    keys: &mut Sealer,
) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    let mut builder = Builder::new(&mut buffer);
    let truncated = TruncatedNumber::from_bytes(bytes).unwrap();
    let marks = builder.put_header(header, true, truncated).unwrap();
    builder.keep(TAG_LEN).unwrap();
    builder.put(payload).unwrap();
    let draft = Draft {
        marks,
        number: number(full),
    };
    let size = draft.seal(&mut builder, keys).unwrap();
    assert_eq!(size, builder.len());
    builder.written().to_vec()
}

fn initial(version: Version, dcid: &str, scid: &str) -> NewHeader<'static> {
    NewHeader::Long {
        long_type: LongType::Initial,
        version,
        dcid: id(dcid),
        scid: id(scid),
        token: b"",
    }
}

#[test]
fn initial_packets_are_those_of_the_rfcs() {
    for samples in SAMPLES {
        let version = samples.version;
        let (client, server) = PacketSecret::initial(version, &id(DCID)).unwrap();
        let mut crypto = hex(CLIENT_CRYPTO);
        crypto.resize(1162, 0);
        // (side, header, number, its bytes, payload, secret, packet)
        let rows = [
            (
                Side::Server,
                initial(version, DCID, ""),
                2,
                &[0, 0, 0, 2][..],
                crypto,
                client,
                samples.client_initial,
            ),
            (
                Side::Client,
                initial(version, "", SCID),
                1,
                &[0, 1],
                hex(SERVER_PAYLOAD),
                server,
                samples.server_initial,
            ),
        ];
        for (receiver, header, full, bytes, payload, secret, packet) in rows {
            let mut keys = secret.sealer(u64::MAX).unwrap();
            let got = sealed(&header, full, bytes, &payload, &mut keys);
            assert_eq!(got, hex(packet), "{version:?} to {receiver:?}");
            let opened = only_packet(&got)
                .open(&secret.opener().unwrap(), None, receiver)
                .unwrap();
            assert_eq!(opened.payload, payload, "{version:?} to {receiver:?}");
            assert_eq!(
                (opened.number, opened.packet),
                (number(full), PacketType::Initial)
            );
            assert_eq!(opened.size, got.len());
        }
    }
}

#[test]
fn retry_packets_are_those_of_the_rfcs() {
    for samples in SAMPLES {
        let bytes = hex(samples.retry);
        let Ok(Packet::Retry(retry)) = header::decode(&bytes, 0, QuicBit::Set) else {
            panic!("{:?}", samples.version);
        };
        assert_eq!(retry.version, samples.version);
        assert_eq!(retry.token, b"token");
        assert_eq!(retry_is_genuine(&retry, &id(DCID)), Ok(true));
        assert_eq!(retry_is_genuine(&retry, &id("8394c8f03e515709")), Ok(false));
        let tag = retry_tag(samples.version, &id(DCID), retry.tagged).unwrap();
        assert_eq!(tag, bytes[bytes.len() - TAG_LEN..]);
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            if let Ok(Packet::Retry(retry)) = header::decode(&forged, 0, QuicBit::Set) {
                assert_eq!(retry_is_genuine(&retry, &id(DCID)), Ok(false), "byte {at}");
            }
        }
    }
}

#[test]
fn a_retry_that_keeps_the_id_is_not_genuine() {
    let mut buffer = [0; 100];
    let mut builder = Builder::new(&mut buffer);
    builder
        .put_retry(Version::V1, 0, &id(""), &id(DCID), b"token")
        .unwrap();
    let tag = retry_tag(Version::V1, &id(DCID), builder.written()).unwrap();
    builder.put(&tag).unwrap();
    let Ok(Packet::Retry(retry)) = header::decode(builder.written(), 0, QuicBit::Set) else {
        panic!();
    };
    assert_eq!(retry_is_genuine(&retry, &id(DCID)), Ok(false));
}

#[test]
fn chacha_packets_and_updated_secrets_are_those_of_the_rfcs() {
    let secret = "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b";
    for samples in SAMPLES {
        let secret = PacketSecret::from_parts(
            samples.version,
            CipherSuite::ChaCha20Poly1305Sha256,
            Secret::new(&hex(secret)).unwrap(),
        );
        let header = NewHeader::Short {
            dcid: id(""),
            spin: false,
        };
        let mut keys = secret.sealer(u64::MAX).unwrap();
        let got = sealed(&header, 654_360_564, &[0, 0xbf, 0xf4], &[1], &mut keys);
        assert_eq!(got, hex(samples.short), "{:?}", samples.version);
        let opened = only_packet(&got)
            .open(
                &secret.opener().unwrap(),
                Some(number(654_360_000)),
                Side::Client,
            )
            .unwrap();
        assert_eq!(
            (opened.number, &opened.payload[..]),
            (number(654_360_564), &[1][..])
        );
        let next = secret.next().unwrap();
        assert!(next.exposes(&hex(samples.updated)), "{:?}", samples.version);
    }
}

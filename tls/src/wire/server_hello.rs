//! ServerHello and HelloRetryRequest (RFC 9846 sections 4.2.3 and 4.2.4).
//!
//! Both have one syntax. The decoder finds out first which version the server speaks, since everything else is read by
//! that version's rules (rfc9846#4.3.1-9): a server of TLS 1.2 or older is named as such.

use pith_pq::Group;

use super::extensions::{Extensions, read_responses};
use super::reader::Reader;
use super::registry::{ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use super::{LEGACY_VERSION, TLS13};
use crate::error::{Fault, Local};

/// The random value of a HelloRetryRequest: SHA-256 of "HelloRetryRequest".
pub(crate) const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The ends of a random value by which a server of TLS 1.3 marks that it negotiated TLS 1.2, or something older.
const DOWNGRADE: [&[u8; 8]; 2] = [b"DOWNGRD\x01", b"DOWNGRD\x00"];

/// A ServerHello as it came.
pub(crate) struct ServerHello<'a> {
    pub(crate) session_id: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) group: u16,
    pub(crate) share: &'a [u8],
    /// The place of the pre-shared key that the server selected.
    pub(crate) selected_psk: Option<u16>,
}

/// A HelloRetryRequest as it came.
pub(crate) struct HelloRetryRequest<'a> {
    pub(crate) session_id: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) group: Option<u16>,
    pub(crate) cookie: Option<&'a [u8]>,
}

/// The fields that both have.
struct Fields<'a> {
    session_id: &'a [u8],
    suite: u16,
    extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn decode(body: &'a [u8], offered: &[E]) -> Result<Self, Fault> {
        let fields = fields(body, M::ServerHello, offered)?;
        let extensions = &fields.extensions;
        let selected_psk = extensions.read(E::PRE_SHARED_KEY, |body| body.only(Reader::u16))?;
        // There is no key exchange without a share (S03). rfc9846#4.3.11-6, rfc9846#4.3.11-7: this client offers no mode that goes
        // without one.
        if selected_psk.is_some() && extensions.find(E::KEY_SHARE).is_none() {
            return Err(Fault::PskWithoutShare);
        }
        let (group, share) = extensions.require(E::KEY_SHARE, |body| {
            body.only(|body| Ok((body.u16()?, body.vec16(1)?)))
        })?;
        Ok(Self {
            session_id: fields.session_id,
            suite: fields.suite,
            group,
            share,
            selected_psk,
        })
    }
}

impl<'a> HelloRetryRequest<'a> {
    pub(crate) fn decode(body: &'a [u8], offered: &[E]) -> Result<Self, Fault> {
        let fields = fields(body, M::HelloRetryRequest, offered)?;
        let extensions = &fields.extensions;
        let cookie = |body: Reader<'a>| body.only(|body| body.vec16(1));
        Ok(Self {
            session_id: fields.session_id,
            suite: fields.suite,
            group: extensions.read(E::KEY_SHARE, |body| body.only(Reader::u16))?,
            cookie: extensions.read(E::COOKIE, cookie)?,
        })
    }
}

/// What is checked in both alike (rfc9846#4.2.4-3).
fn fields<'a>(body: &'a [u8], message: M, offered: &[E]) -> Result<Fields<'a>, Fault> {
    let mut reader = Reader::new(body, message);
    let legacy_version = reader.u16()?;
    let random: [u8; 32] = reader.array()?;
    let session_id = reader.vec8(0)?;
    if session_id.len() > 32 {
        return Err(reader.malformed());
    }
    let suite = reader.u16()?;
    let compression = reader.u8()?;
    let version = selected_version(&reader)?;
    let Some(version) = version else {
        // rfc9846#4.2.3-15, rfc9846#4.2.3-16, rfc9846#E.1-1: whoever interfered with the hello is noticed here.
        let downgraded = random
            .last_chunk()
            .is_some_and(|end| DOWNGRADE.contains(&end));
        return Err(if downgraded {
            Fault::Downgrade
        } else {
            Fault::NoTls13 {
                newest: legacy_version,
            }
        });
    };
    // rfc9846#4.3.1-10, rfc9846#4.3.1-11, rfc9846#E.5-3
    if version != TLS13 {
        return Err(Fault::SelectedVersion);
    }
    // rfc9846#4.2.3-2, rfc9846#E.5-7
    if legacy_version != LEGACY_VERSION {
        return Err(Fault::LegacyVersion);
    }
    // rfc9846#4.2.3-8
    if compression != 0 {
        return Err(Fault::Compression);
    }
    let extensions = read_responses(&mut reader, offered)?;
    reader.finish()?;
    Ok(Fields {
        session_id,
        suite,
        extensions,
    })
}

/// Looks ahead for `supported_versions`, before anything else is judged.
fn selected_version(rest: &Reader<'_>) -> Result<Option<u16>, Fault> {
    let mut ahead = rest.fork();
    if ahead.is_empty() {
        return Ok(None);
    }
    let mut block = Reader::new(ahead.vec16(0)?, rest.message());
    while !block.is_empty() {
        let kind = E(block.u16()?);
        let mut body = Reader::new(block.vec16(0)?, rest.message());
        if kind == E::SUPPORTED_VERSIONS {
            let version = body.u16()?;
            body.finish()?;
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Encodes a ServerHello.
pub(crate) fn encode_server_hello(
    random: &[u8; 32],
    session_id: &[u8],
    suite: u16,
    group: Group,
    share: &[u8],
    selected_psk: Option<u16>,
) -> Result<Vec<u8>, Local> {
    let key_share = |w: &mut Writer| {
        w.u16(group.code());
        w.vec16(|w| w.bytes(share));
    };
    encode(
        M::ServerHello,
        random,
        session_id,
        suite,
        key_share,
        selected_psk,
    )
}

/// Encodes a HelloRetryRequest that asks for a share of `group`.
pub(crate) fn encode_retry(session_id: &[u8], suite: u16, group: Group) -> Result<Vec<u8>, Local> {
    encode(
        M::HelloRetryRequest,
        &RETRY_RANDOM,
        session_id,
        suite,
        |w| w.u16(group.code()),
        None,
    )
}

/// Room for any share of a server's, and what goes with it.
const ROOM: usize = 1408;

fn encode(
    kind: M,
    random: &[u8; 32],
    session_id: &[u8],
    suite: u16,
    key_share: impl FnOnce(&mut Writer),
    selected_psk: Option<u16>,
) -> Result<Vec<u8>, Local> {
    let mut writer = Writer::with_room(ROOM);
    writer.message(kind, |w| {
        // rfc9846#4.2.3-1, rfc9846#4.3.1-8, rfc9846#E.5-6
        w.u16(LEGACY_VERSION);
        w.bytes(random);
        w.vec8(|w| w.bytes(session_id));
        w.u16(suite);
        // rfc9846#4.2.3-7
        w.u8(0);
        // rfc9846#4.2.3-10, rfc9846#4.2.4-1, rfc9846#4.3.1-7, rfc9846#9.2-2, rfc9846#9.2-3, rfc9846#9.2-6:
        // both. rfc9846#4.2.3-9, rfc9846#4.2.4-2, rfc9846#4.3-3, rfc9846#4.3.6-2, rfc9846#4.3.9-5: no more.
        w.vec16(|w| {
            w.u16(E::SUPPORTED_VERSIONS.0);
            w.vec16(|w| w.u16(TLS13));
            w.u16(E::KEY_SHARE.0);
            w.vec16(key_share);
            if let Some(place) = selected_psk {
                w.u16(E::PRE_SHARED_KEY.0);
                w.vec16(|w| w.u16(place));
            }
        });
    });
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [E; 2] = [E::SUPPORTED_VERSIONS, E::KEY_SHARE];

    fn hello() -> Vec<u8> {
        encode_server_hello(&[3; 32], &[1; 32], 0x1301, Group::X25519, &[9; 32], None)
            .expect("short")
            .split_off(4)
    }

    #[test]
    fn hellos_come_back_as_they_went() {
        let bytes = hello();
        let got = ServerHello::decode(&bytes, &OFFERED).expect("well formed");
        assert_eq!(
            (got.session_id, got.suite, got.group, got.share),
            (&[1; 32][..], 0x1301, 0x1d, &[9; 32][..])
        );
        assert_eq!(M::of(2, &bytes), M::ServerHello);
        let bytes = encode_retry(&[], 0x1302, Group::Secp384r1)
            .expect("short")
            .split_off(4);
        let got = HelloRetryRequest::decode(&bytes, &OFFERED).expect("well formed");
        assert_eq!(
            (got.session_id, got.suite, got.group, got.cookie),
            (&[][..], 0x1302, Some(0x18), None)
        );
        assert_eq!(M::of(2, &bytes), M::HelloRetryRequest);
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = hello();
        for cut in 0..bytes.len() {
            assert!(
                ServerHello::decode(&bytes[..cut], &OFFERED).is_err(),
                "cut at {cut}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(ServerHello::decode(&longer, &OFFERED).is_err());
    }

    #[test]
    fn versions_are_judged_first() {
        let edit = |at: usize, value: &[u8]| {
            let mut bytes = hello();
            bytes[at..at + value.len()].copy_from_slice(value);
            ServerHello::decode(&bytes, &OFFERED).err()
        };
        assert_eq!(edit(0, &[3, 4]), Some(Fault::LegacyVersion));
        assert_eq!(edit(69, &[1]), Some(Fault::Compression), "compression");
        assert_eq!(
            edit(76, &[3, 3]),
            Some(Fault::SelectedVersion),
            "TLS 1.2 in supported_versions"
        );
        // The same without supported_versions: a server of TLS 1.2.
        let plain = |random: [u8; 32], extensions: &[u8]| {
            let bytes = [&[3, 3][..], &random, &[0], &[0x13, 0x01], &[0], extensions].concat();
            ServerHello::decode(&bytes, &OFFERED).err()
        };
        let old = Some(Fault::NoTls13 { newest: 0x0303 });
        assert_eq!(plain([3; 32], &[]), old, "no extensions");
        assert_eq!(plain([3; 32], &[0, 0]), old, "an empty block");
        assert_eq!(
            plain([3; 32], &[0, 4, 0xff, 1, 0, 0]),
            old,
            "an extension that was not offered"
        );
        // rfc9846#4.3.1-9: nothing of the rest is looked at before, such as a compression method of TLS 1.2.
        let bytes = [&[3, 3][..], &[3; 32], &[0], &[0x13, 0x01], &[1]].concat();
        assert_eq!(ServerHello::decode(&bytes, &OFFERED).err(), old, "zlib");
        for end in DOWNGRADE {
            let mut random = [3; 32];
            random[24..].copy_from_slice(end);
            assert_eq!(plain(random, &[]), Some(Fault::Downgrade));
        }
    }

    #[test]
    fn a_server_hello_without_a_share_is_refused() {
        let bytes = [
            &[3, 3][..],
            &[3; 32],
            &[0],
            &[0x13, 0x01],
            &[0],
            &[0, 6, 0, 43, 0, 2, 3, 4],
        ]
        .concat();
        let want = Fault::MissingExtension {
            extension: E::KEY_SHARE,
            message: M::ServerHello,
        };
        assert_eq!(ServerHello::decode(&bytes, &OFFERED).err(), Some(want));
    }
}

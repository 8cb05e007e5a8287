//! ClientHello (RFC 9846 section 4.2.2).
//!
//! The decoder checks all that can be checked without a configuration: syntax, the order of shares against groups, and
//! which extensions demand which. What it returns borrows the message. Two hellos of one handshake are compared by
//! [`ClientHello::is_retry_of`].

use pith_crypto::SignatureScheme;
use pith_pq::{Group, Share};
use pki_types::{DnsName, ServerName};

use super::certificate::{Authorities, OCSP, compression_algorithms, encode_algorithms};
use super::extensions::{Block, Extension, Extensions, read_requests};
use super::grease::Grease;
use super::pre_shared_key::{
    OfferedPsks, PskOffer, TicketRequest, allows_dhe, encode_modes, encode_offer,
};
use super::reader::{Codes, Reader};
use super::registry::{CertificateType, ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use super::{LEGACY_VERSION, TLS13};
use crate::auth::compress::Algorithm;
use crate::error::{Fault, Local};
use crate::limits;
use crate::record::shape::SMALLEST_LIMIT;
use crate::suite::CipherSuite;

/// A ClientHello as it came.
#[derive(Clone)]
pub(crate) struct ClientHello<'a> {
    pub(crate) random: [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) suites: Codes<'a>,
    pub(crate) server_name: Option<DnsName<'a>>,
    pub(crate) groups: Codes<'a>,
    pub(crate) signature_schemes: Codes<'a>,
    /// For chains; the same where the client makes no difference.
    pub(crate) chain_schemes: Codes<'a>,
    /// In the order of `groups`, without repetition.
    pub(crate) shares: Vec<KeyShare<'a>>,
    /// Not empty where it is there.
    pub(crate) protocols: Vec<&'a [u8]>,
    pub(crate) transport_parameters: Option<&'a [u8]>,
    /// The largest record that the client takes, where it says so.
    pub(crate) record_size_limit: Option<u16>,
    /// The CAs that the client trusts, where it says so.
    pub(crate) authorities: Authorities<'a>,
    /// The algorithms in which the client takes a compressed chain, where it says so.
    pub(crate) compression: Option<Codes<'a>>,
    /// What the client can show, most wanted first, where it says so; unknown codes included.
    pub(crate) client_certificate_types: Option<&'a [u8]>,
    /// What the client takes of a server, most wanted first, where it says so.
    pub(crate) server_certificate_types: Option<&'a [u8]>,
    /// Whether it takes a pre-shared key with a key exchange, and so tickets.
    pub(crate) takes_psks: bool,
    pub(crate) psks: Option<OfferedPsks<'a>>,
    pub(crate) ticket_request: Option<TicketRequest>,
    extensions: Extensions<'a>,
}

/// One KeyShareEntry, whether its group is known or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyShare<'a> {
    pub(crate) group: u16,
    pub(crate) bytes: &'a [u8],
}

impl<'a> ClientHello<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::ClientHello);
        let legacy_version = reader.u16()?;
        let random = reader.array()?;
        let session_id = reader.vec8(0)?;
        if session_id.len() > 32 {
            return Err(reader.malformed());
        }
        let suites = Codes::new(reader.vec16(2)?, &reader)?;
        let compression = reader.vec8(1)?;
        if reader.is_empty() {
            // A hello of TLS 1.2 or older may end here; without extensions it cannot offer TLS 1.3.
            return Err(Fault::NoTls13 {
                newest: legacy_version,
            });
        }
        let extensions = read_requests(&mut reader)?;
        reader.finish()?;
        check_version(legacy_version, &extensions)?;
        // rfc9846#4.2.2-12
        if compression != [0] {
            return Err(Fault::Compression);
        }
        // rfc9846#9.2-8, rfc9846#4.3-6, rfc9846#4.3.11-10, rfc9846#4.3.11-11, rfc9846#4.3.9-3
        if extensions.find(E::PRE_SHARED_KEY).is_some() {
            if extensions.list.last().map(|last| last.kind) != Some(E::PRE_SHARED_KEY) {
                return Err(Fault::PreSharedKeyNotLast);
            }
            if extensions.find(E::PSK_KEY_EXCHANGE_MODES).is_none() {
                return Err(extensions.missing(E::PSK_KEY_EXCHANGE_MODES));
            }
        }
        let psks = extensions.read(E::PRE_SHARED_KEY, OfferedPsks::decode)?;
        // rfc9846#9.2-9, rfc9846#9.2-10, rfc9846#9.2-11, rfc9846#9.2-12: a key exchange takes place with a pre-shared key too, so
        // only the algorithms can be missing, beside one; rfc9846#4.3.3-3 is then seen to where the server chooses.
        extensions.read(E::EARLY_DATA, Reader::finish)?;
        let groups = extensions.require(E::SUPPORTED_GROUPS, Codes::of_body)?;
        let signature_schemes = match extensions.read(E::SIGNATURE_ALGORITHMS, Codes::of_body)? {
            Some(schemes) => schemes,
            None if psks.is_some() => Codes::default(),
            None => return Err(extensions.missing(E::SIGNATURE_ALGORITHMS)),
        };
        let chain_schemes = extensions.read(E::SIGNATURE_ALGORITHMS_CERT, Codes::of_body)?;
        let shares = extensions.require(E::KEY_SHARE, |body| key_shares(body, groups))?;
        let protocols = extensions.read(E::ALPN, protocols)?;
        let authorities = extensions.read(E::CERTIFICATE_AUTHORITIES, Authorities::decode)?;
        let modes = extensions.read(E::PSK_KEY_EXCHANGE_MODES, allows_dhe)?;
        let client_types = extensions.read(E::CLIENT_CERTIFICATE_TYPE, certificate_types)?;
        let server_types = extensions.read(E::SERVER_CERTIFICATE_TYPE, certificate_types)?;
        Ok(Self {
            random,
            session_id,
            suites,
            server_name: extensions.read(E::SERVER_NAME, server_name)?.flatten(),
            groups,
            signature_schemes,
            chain_schemes: chain_schemes.unwrap_or(signature_schemes),
            shares,
            protocols: protocols.unwrap_or_default(),
            transport_parameters: extensions.find(E::QUIC_TRANSPORT_PARAMETERS),
            record_size_limit: extensions.read(E::RECORD_SIZE_LIMIT, record_size_limit)?,
            authorities: authorities.unwrap_or_default(),
            compression: extensions.read(E::COMPRESS_CERTIFICATE, compression_algorithms)?,
            client_certificate_types: client_types,
            server_certificate_types: server_types,
            takes_psks: modes.unwrap_or_default(),
            psks,
            ticket_request: extensions.read(E::TICKET_REQUEST, TicketRequest::decode)?,
            extensions,
        })
    }

    /// Whether the client wants an OCSP response. Other types of status are ignored.
    pub(crate) fn wants_ocsp(&self) -> bool {
        let request = self.extensions.find(E::STATUS_REQUEST);
        request.is_some_and(|request| request.first() == Some(&OCSP))
    }

    /// Whether the client offered this extension.
    pub(crate) fn offers(&self, kind: E) -> bool {
        self.extensions.find(kind).is_some()
    }

    /// The share for a group.
    pub(crate) fn share(&self, group: Group) -> Option<&'a [u8]> {
        self.shares
            .iter()
            .find(|share| share.group == group.code())
            .map(|share| share.bytes)
    }

    /// Whether this hello is a legal answer to a HelloRetryRequest without a cookie (rfc9846#4.2.2-2): all is as in
    /// `first` but the key shares, early data (gone), the pre-shared keys and the padding.
    pub(crate) fn is_retry_of(&self, first: &ClientHello<'_>) -> bool {
        let fixed =
            |hello: &ClientHello<'_>| (hello.random, hello.suites.iter().collect::<Vec<_>>());
        let free = |extension: &&Extension<'_>| {
            !matches!(
                extension.kind,
                E::KEY_SHARE | E::EARLY_DATA | E::PRE_SHARED_KEY | E::PADDING
            )
        };
        fixed(self) == fixed(first)
            && self.session_id == first.session_id
            // rfc9846#4.3.10-5
            && !self.offers(E::EARLY_DATA)
            && self.psks_come_from(first)
            && self
                .extensions
                .list
                .iter()
                .filter(free)
                .eq(first.extensions.list.iter().filter(free))
    }
}

impl ClientHello<'_> {
    /// Whether every key that this hello offers stands in `first`, in the same order: a second hello may only leave some out.
    fn psks_come_from(&self, first: &ClientHello<'_>) -> bool {
        let mut earlier = first.psks.iter().flat_map(|psks| &psks.psks);
        let mut own = self.psks.iter().flat_map(|psks| &psks.psks);
        own.all(|psk| earlier.any(|candidate| candidate.identity == psk.identity))
    }
}

/// Whether the client takes TLS 1.3, and says so as it has to.
fn check_version(legacy_version: u16, extensions: &Extensions<'_>) -> Result<(), Fault> {
    // rfc9846#4.3.1-3, rfc9846#4.3.1-5, rfc9846#E.2-1, rfc9846#E.2-3: only supported_versions counts.
    let Some(versions) = extensions.read(E::SUPPORTED_VERSIONS, versions)? else {
        return Err(Fault::NoTls13 {
            newest: legacy_version.min(0x0303),
        });
    };
    // rfc9846#4.3.1-4, rfc9846#E.5-3: unknown versions are passed over, older ones not taken.
    if !versions.contains(TLS13) {
        let newest = versions
            .iter()
            .filter(|version| *version < TLS13)
            .max()
            .unwrap_or(0);
        return Err(Fault::NoTls13 { newest });
    }
    // rfc9846#4.2.2-7, rfc9846#E.5-7
    if legacy_version != LEGACY_VERSION {
        return Err(Fault::LegacyVersion);
    }
    Ok(())
}

/// A limit on the size of records (RFC 8449 section 4).
pub(super) fn record_size_limit(mut reader: Reader<'_>) -> Result<u16, Fault> {
    let limit = reader.u16()?;
    reader.finish()?;
    // rfc8449#4-7; larger values than TLS allows are no fault (rfc8449#4-3).
    if limit < SMALLEST_LIMIT {
        Err(Fault::RecordSizeLimit)
    } else {
        Ok(limit)
    }
}

fn versions<'a>(mut reader: Reader<'a>) -> Result<Codes<'a>, Fault> {
    let list = Codes::new(reader.vec8(2)?, &reader)?;
    reader.finish()?;
    Ok(list)
}

fn key_shares<'a>(mut reader: Reader<'a>, groups: Codes<'a>) -> Result<Vec<KeyShare<'a>>, Fault> {
    let mut list = Reader::new(reader.vec16(0)?, M::ClientHello);
    reader.finish()?;
    let mut named = groups.iter();
    let mut shares = Vec::new();
    while !list.is_empty() {
        let share = KeyShare {
            group: list.u16()?,
            bytes: list.vec16(1)?,
        };
        // rfc9846#4.3.8-3: `groups` may name a group twice, so the walk below does not see this (S06).
        let repeated = shares
            .iter()
            .any(|earlier: &KeyShare<'_>| earlier.group == share.group);
        // rfc9846#4.3.8-1, rfc9846#4.3.8-4: walking `groups` once checks membership and order together.
        let in_order = named.any(|group| group == share.group);
        if repeated || !in_order || shares.len() >= limits::KEY_SHARES {
            return Err(Fault::KeyShareList);
        }
        shares.push(share);
    }
    Ok(shares)
}

fn protocols<'a>(mut reader: Reader<'a>) -> Result<Vec<&'a [u8]>, Fault> {
    let mut list = Reader::new(reader.vec16(2)?, M::ClientHello);
    reader.finish()?;
    let mut names = Vec::new();
    while !list.is_empty() {
        names.push(list.vec8(1)?);
    }
    Ok(names)
}

/// A list of certificate types (RFC 7250 section 3).
fn certificate_types<'a>(mut reader: Reader<'a>) -> Result<&'a [u8], Fault> {
    let list = reader.vec8(1)?;
    reader.finish()?;
    Ok(list)
}

/// The DNS name of RFC 6066 section 3. An address is ignored, as other servers do; anything else is a fault.
fn server_name<'a>(mut reader: Reader<'a>) -> Result<Option<DnsName<'a>>, Fault> {
    let mut list = Reader::new(reader.vec16(1)?, M::ClientHello);
    reader.finish()?;
    let kind = list.u8()?;
    let name = list.vec16(1)?;
    // Only one name of a type may stand there, and only one type was ever defined.
    list.finish()?;
    if kind != 0 {
        return Err(Fault::ServerName);
    }
    match ServerName::try_from(core::str::from_utf8(name).map_err(|_| Fault::ServerName)?) {
        Ok(ServerName::DnsName(name)) => Ok(Some(name)),
        Ok(ServerName::IpAddress(_)) => Ok(None),
        Ok(_) | Err(_) => Err(Fault::ServerName),
    }
}

/// What a client sends. The second hello differs from the first in the shares and the cookie alone (rfc9846#4.2.2-2).
pub(crate) struct ClientOffer<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) server_name: Option<&'a str>,
    pub(crate) suites: &'a [CipherSuite],
    pub(crate) groups: &'a [Group],
    pub(crate) schemes: &'a [SignatureScheme],
    pub(crate) protocols: &'a [Vec<u8>],
    pub(crate) transport_parameters: Option<&'a [u8]>,
    pub(crate) request_ocsp: bool,
    pub(crate) record_size_limit: Option<u16>,
    /// What this client can show, and what it takes of a server; empty for X.509 alone.
    pub(crate) client_certificate_types: &'a [CertificateType],
    pub(crate) server_certificate_types: &'a [CertificateType],
    /// The algorithms in which this client takes a compressed chain.
    pub(crate) compression: &'a [Algorithm],
    pub(crate) grease: Option<Grease>,
    /// Whether the client takes tickets, or has a pre-shared key already.
    pub(crate) takes_psks: bool,
    pub(crate) ticket_request: Option<TicketRequest>,
    /// With a pre-shared key, and in a first hello (rfc9846#4.3.10-1, rfc9846#4.3.10-5).
    pub(crate) early_data: bool,
}

/// Room for a hello without shares and tickets, and for the extensions in one, as far as they are common.
const REST: usize = 512;
const E_MOST: usize = 16;

impl ClientOffer<'_> {
    /// The encoded message, and the extensions that a server may answer. Binders are zeros: they come to the end of it later.
    pub(crate) fn encode(
        &self,
        shares: &[Share],
        cookie: Option<&[u8]>,
        psks: &[PskOffer<'_>],
    ) -> Result<(Vec<u8>, Vec<E>), Local> {
        let lengths = shares.iter().map(|share| share.bytes.len());
        let lengths = lengths.chain(psks.iter().map(|psk| psk.identity.len()));
        let mut writer = Writer::with_room(lengths.fold(REST, usize::saturating_add));
        let mut written = Vec::with_capacity(E_MOST);
        writer.message(M::ClientHello, |w| {
            // rfc9846#4.2.2-6, rfc9846#E.5-6
            w.u16(LEGACY_VERSION);
            w.bytes(self.random);
            w.vec8(|w| w.bytes(self.session_id));
            w.vec16(|w| {
                let grease = self.grease.map(|grease| grease.suite);
                w.codes(grease, self.suites.iter().map(|suite| suite.code()));
            });
            // rfc9846#4.2.2-11
            w.vec8(|w| w.u8(0));
            w.vec16(|w| {
                let mut block = Block {
                    writer: w,
                    written: &mut written,
                };
                self.extensions(shares, cookie, &mut block);
                // rfc9846#9.2-7, rfc9846#4.3.11-10
                if !psks.is_empty() {
                    block.put(E::PRE_SHARED_KEY, |w| encode_offer(w, psks));
                }
            });
        });
        Ok((writer.finish()?, written))
    }

    /// Every extension for a feature that is there, and none besides (rfc9846#9.2-1, rfc9846#9.2-2, rfc9846#E.5-9).
    fn extensions(&self, shares: &[Share], cookie: Option<&[u8]>, block: &mut Block<'_>) {
        // rfc9846#9.2-13: the name comes first, so that whoever routes by it finds it in the first segment of a long hello.
        if let Some(name) = self.server_name {
            block.put(E::SERVER_NAME, |w| {
                w.vec16(|w| {
                    w.u8(0);
                    w.vec16(|w| w.bytes(name.trim_end_matches('.').as_bytes()));
                });
            });
        }
        let grease = self.grease;
        let [first, last] = match grease {
            Some(grease) => grease.extensions.map(Some),
            None => [None; 2],
        };
        // Not among those that a server may answer: an answer is an error, as it has to be (RFC 8701 section 3.1).
        if let Some(kind) = first {
            block.writer.u16(kind);
            block.writer.vec16(|_| {});
        }
        // rfc9846#4.3.1-1, rfc9846#9.2-3: TLS 1.3 alone.
        block.put(E::SUPPORTED_VERSIONS, |w| {
            w.vec8(|w| w.codes(grease.map(|grease| grease.version), [TLS13]));
        });
        // rfc9846#9.2-5
        block.put(E::SUPPORTED_GROUPS, |w| {
            let codes = self.groups.iter().map(|group| group.code());
            w.vec16(|w| w.codes(grease.map(|grease| grease.group), codes));
        });
        // rfc9846#4.3.3-2, rfc9846#9.2-4. None where no certificate is taken.
        if !self.schemes.is_empty() {
            block.put(E::SIGNATURE_ALGORITHMS, |w| {
                let codes = self.schemes.iter().map(|scheme| scheme.0);
                w.vec16(|w| w.codes(grease.map(|grease| grease.scheme), codes));
            });
        }
        if !self.protocols.is_empty() {
            block.put(E::ALPN, |w| {
                w.vec16(|w| {
                    self.protocols
                        .iter()
                        .for_each(|name| w.vec8(|w| w.bytes(name)))
                });
            });
        }
        if let Some(limit) = self.record_size_limit {
            block.put(E::RECORD_SIZE_LIMIT, |w| w.u16(limit));
        }
        // rfc9846#4.3.9-1, rfc9846#4.3.9-2
        if self.takes_psks {
            block.put(E::PSK_KEY_EXCHANGE_MODES, encode_modes);
        }
        if let Some(request) = self.ticket_request {
            block.put(E::TICKET_REQUEST, |w| request.encode(w));
        }
        if self.request_ocsp {
            // No responders and no request extensions (RFC 6066 section 8).
            block.put(E::STATUS_REQUEST, |w| w.bytes(&[OCSP, 0, 0, 0, 0]));
        }
        for (kind, types) in [
            (E::CLIENT_CERTIFICATE_TYPE, self.client_certificate_types),
            (E::SERVER_CERTIFICATE_TYPE, self.server_certificate_types),
        ] {
            if !types.is_empty() {
                block.put(kind, |w| {
                    w.vec8(|w| types.iter().for_each(|one| w.u8(one.code())));
                });
            }
        }
        if self.early_data {
            block.put(E::EARLY_DATA, |_| {});
        }
        if !self.compression.is_empty() {
            block.put(E::COMPRESS_CERTIFICATE, |w| {
                encode_algorithms(w, self.compression);
            });
        }
        if let Some(parameters) = self.transport_parameters {
            block.put(E::QUIC_TRANSPORT_PARAMETERS, |w| w.bytes(parameters));
        }
        if let Some(cookie) = cookie {
            block.put(E::COOKIE, |w| w.vec16(|w| w.bytes(cookie)));
        }
        if let Some(kind) = last {
            block.writer.u16(kind);
            block.writer.vec16(|w| w.u8(0));
        }
        // rfc9846#9.2-6
        block.put(E::KEY_SHARE, |w| {
            w.vec16(|w| {
                if let Some(grease) = grease.filter(|grease| grease.share) {
                    w.u16(grease.group);
                    w.vec16(|w| w.u8(0));
                }
                for share in shares {
                    w.u16(share.group.code());
                    w.vec16(|w| w.bytes(&share.bytes));
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static PROTOCOLS: LazyLock<[Vec<u8>; 2]> =
        LazyLock::new(|| [b"h2".to_vec(), b"http/1.1".to_vec()]);

    fn offer() -> ClientOffer<'static> {
        ClientOffer {
            random: &[7; 32],
            session_id: &[1; 32],
            server_name: Some("Example.org."),
            suites: CipherSuite::ALL,
            groups: &[Group::X25519MlKem768, Group::X25519, Group::Secp256r1],
            schemes: &[
                SignatureScheme::ED25519,
                SignatureScheme::ECDSA_SECP256R1_SHA256,
            ],
            protocols: &*PROTOCOLS,
            transport_parameters: None,
            request_ocsp: false,
            record_size_limit: None,
            client_certificate_types: &[],
            server_certificate_types: &[],
            compression: Algorithm::ALL,
            grease: None,
            takes_psks: false,
            ticket_request: None,
            early_data: false,
        }
    }

    fn share(group: Group) -> Share {
        Share {
            group,
            bytes: vec![4; group.client_share_len()],
        }
    }

    fn body(offer: &ClientOffer<'_>, shares: &[Share], cookie: Option<&[u8]>) -> Vec<u8> {
        offer
            .encode(shares, cookie, &[])
            .expect("short")
            .0
            .split_off(4)
    }

    #[test]
    fn what_is_offered_is_what_is_read() {
        let bytes = body(
            &offer(),
            &[share(Group::X25519MlKem768), share(Group::X25519)],
            None,
        );
        let hello = ClientHello::decode(&bytes).expect("well formed");
        assert_eq!(hello.random, [7; 32]);
        assert_eq!(hello.session_id, [1; 32]);
        assert_eq!(
            hello.suites.iter().collect::<Vec<_>>(),
            [0x1301, 0x1302, 0x1303]
        );
        assert_eq!(
            hello.server_name.as_ref().map(AsRef::as_ref),
            Some("Example.org")
        );
        assert_eq!(
            hello.groups.iter().collect::<Vec<_>>(),
            [0x11ec, 0x1d, 0x17]
        );
        assert_eq!(hello.protocols, [&b"h2"[..], b"http/1.1"]);
        assert_eq!(hello.share(Group::X25519).map(<[u8]>::len), Some(32));
        assert!(hello.share(Group::Secp256r1).is_none());
        assert!(!hello.offers(E::COOKIE));
    }

    #[test]
    fn every_truncation_and_every_longer_hello_is_refused() {
        let bytes = body(&offer(), &[share(Group::X25519)], None);
        for cut in 0..bytes.len() {
            assert!(ClientHello::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(
            ClientHello::decode(&longer).err(),
            Some(Fault::Malformed {
                message: M::ClientHello
            })
        );
    }

    #[test]
    fn shares_follow_the_groups_in_order_and_once() {
        let [hybrid, x25519, p256] = [Group::X25519MlKem768, Group::X25519, Group::Secp256r1];
        let rows: &[(&str, &[Group], bool)] = &[
            ("none", &[], true),
            ("in order", &[hybrid, x25519, p256], true),
            ("with a gap", &[hybrid, p256], true),
            ("swapped", &[x25519, hybrid], false),
            ("twice", &[x25519, x25519], false),
            ("not named", &[Group::Secp384r1], false),
        ];
        for (name, groups, want) in rows {
            let shares: Vec<Share> = groups.iter().copied().map(share).collect();
            let bytes = body(&offer(), &shares, None);
            let got = ClientHello::decode(&bytes).err();
            assert_eq!(got, (!want).then_some(Fault::KeyShareList), "{name}");
        }
    }

    #[test]
    fn key_shares_at_their_limit_and_past_it() {
        for (count, want) in [
            (limits::KEY_SHARES, None),
            (limits::KEY_SHARES + 1, Some(Fault::KeyShareList)),
        ] {
            let codes: Vec<u16> = (0x6a00..).take(count).collect();
            let list: Vec<u8> = codes.iter().flat_map(|code| code.to_be_bytes()).collect();
            let mut writer = Writer::default();
            writer.vec16(|w| {
                for code in &codes {
                    w.u16(*code);
                    w.vec16(|w| w.u8(1));
                }
            });
            let bytes = writer.finish().expect("short");
            let reader = Reader::new(&[], M::ClientHello);
            let groups = Codes::new(&list, &reader).expect("even");
            let got = key_shares(Reader::new(&bytes, M::ClientHello), groups).err();
            assert_eq!(got, want, "{count} shares");
        }
    }

    #[test]
    fn record_size_limits_under_64_are_refused_and_larger_ones_are_not() {
        for (limit, want) in [
            (0, false),
            (63, false),
            (64, true),
            (16_385, true),
            (u16::MAX, true),
        ] {
            let bytes = limit.to_be_bytes();
            let got = record_size_limit(Reader::new(&bytes, M::ClientHello));
            assert_eq!(
                got,
                if want {
                    Ok(limit)
                } else {
                    Err(Fault::RecordSizeLimit)
                }
            );
        }
    }

    #[test]
    fn server_names() {
        let rows: &[(&str, u8, &[u8], Result<Option<&str>, Fault>)] = &[
            ("name", 0, b"a.example", Ok(Some("a.example"))),
            ("address", 0, b"192.0.2.1", Ok(None)),
            ("zero byte", 0, b"a\0b", Err(Fault::ServerName)),
            ("not ascii", 0, b"\xff\xfe", Err(Fault::ServerName)),
            ("other type", 1, b"a.example", Err(Fault::ServerName)),
            (
                "empty",
                0,
                b"",
                Err(Fault::Malformed {
                    message: M::ClientHello,
                }),
            ),
        ];
        for (name, kind, bytes, want) in rows {
            let mut writer = Writer::default();
            writer.vec16(|w| {
                w.u8(*kind);
                w.vec16(|w| w.bytes(bytes));
            });
            let input = writer.finish().expect("short");
            let got = server_name(Reader::new(&input, M::ClientHello));
            let got = got.map(|found| found.map(|dns| dns.as_ref().to_owned()));
            assert_eq!(got, want.map(|found| found.map(str::to_owned)), "{name}");
        }
    }

    #[test]
    fn a_second_hello_may_change_shares_alone() {
        let first = body(&offer(), &[share(Group::X25519)], None);
        let first = ClientHello::decode(&first).expect("well formed");
        let compare = |offer: &ClientOffer<'_>, cookie: Option<&[u8]>| {
            let second = body(offer, &[share(Group::Secp256r1)], cookie);
            ClientHello::decode(&second)
                .expect("well formed")
                .is_retry_of(&first)
        };
        assert!(compare(&offer(), None), "the same");
        assert!(
            !compare(&offer(), Some(b"x")),
            "a cookie that was not given"
        );
        let rows: Vec<(&str, ClientOffer<'_>)> = vec![
            (
                "random",
                ClientOffer {
                    random: &[8; 32],
                    ..offer()
                },
            ),
            (
                "session id",
                ClientOffer {
                    session_id: &[],
                    ..offer()
                },
            ),
            (
                "name",
                ClientOffer {
                    server_name: Some("b.example"),
                    ..offer()
                },
            ),
            (
                "no name",
                ClientOffer {
                    server_name: None,
                    ..offer()
                },
            ),
            (
                "suites",
                ClientOffer {
                    suites: &[CipherSuite::Aes128GcmSha256],
                    ..offer()
                },
            ),
            (
                "groups",
                ClientOffer {
                    groups: &[Group::X25519, Group::Secp256r1],
                    ..offer()
                },
            ),
            (
                "schemes",
                ClientOffer {
                    schemes: &[SignatureScheme::ED25519],
                    ..offer()
                },
            ),
            (
                "protocols",
                ClientOffer {
                    protocols: &PROTOCOLS[..1],
                    ..offer()
                },
            ),
            (
                "parameters",
                ClientOffer {
                    transport_parameters: Some(b"p"),
                    ..offer()
                },
            ),
        ];
        for (name, other) in rows {
            assert!(!compare(&other, None), "{name}");
        }
    }
}

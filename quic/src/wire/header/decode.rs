//! The front of a datagram → what stands there.

use super::super::version::{LongType, Version};
use super::super::{ConnectionId, PacketType, Reader, Truncated};
use super::{
    Discard, Header, Ids, LONG, Packet, QUIC_BIT, QuicBit, Retry, SAMPLED, VersionNegotiation,
};

/// Reads the packet at the front of `datagram`. Its destination connection id has `id_length` bytes if its header is short and does not say.
pub(crate) fn decode(
    datagram: &[u8],
    id_length: usize,
    quic_bit: QuicBit,
) -> Result<Packet<'_>, Discard> {
    let mut reader = Reader::new(datagram);
    let first = reader.u8()?;
    if first & LONG == 0 {
        check_quic_bit(first, quic_bit)?;
        return short(datagram, reader, id_length);
    }
    let number = reader.u32()?;
    let ids = Ids {
        dcid: reader.vec8()?,
        scid: reader.vec8()?,
    };
    // The rest of the first byte is the version's, and zero is none (rfc9000#17.2.1-1, rfc8999#6-1).
    if number == 0 {
        return version_negotiation(ids, reader);
    }
    // rfc9000#17.2.1-5
    let Some(version) = Version::from_number(number) else {
        return Ok(Packet::UnknownVersion(ids, number));
    };
    check_quic_bit(first, quic_bit)?;
    // rfc9000#17.2-3, rfc9000#17.2-5
    let id = |bytes| ConnectionId::new(bytes).ok_or(Discard::IdLength);
    let (dcid, scid) = (id(ids.dcid)?, id(ids.scid)?);
    let long_type = version.long_type(first >> 4);
    let Some(packet) = long_type.packet() else {
        return retry(datagram, reader, version, (dcid, scid));
    };
    let at = |reader: &Reader<'_>| datagram.len().saturating_sub(reader.remaining());
    let token = if long_type == LongType::Initial {
        let token = reader.vec()?;
        let end = at(&reader);
        end.saturating_sub(token.len())..end
    } else {
        0..0
    };
    let length = usize::try_from(reader.varint()?.get()).map_err(|_| Discard::Truncated)?;
    let number_at = at(&reader);
    reader.take(length)?;
    check_sample(length)?;
    Ok(Packet::Protected(Header {
        packet,
        long: Some((version, scid)),
        dcid,
        token,
        number_at,
        end: at(&reader),
    }))
}

/// A packet with a short header goes on to the end of its datagram. Its spin bit is not read (rfc9000#17.4-4).
fn short<'a>(
    datagram: &[u8],
    mut reader: Reader<'_>,
    id_length: usize,
) -> Result<Packet<'a>, Discard> {
    let dcid = ConnectionId::new(reader.take(id_length)?).ok_or(Discard::IdLength)?;
    check_sample(reader.remaining())?;
    Ok(Packet::Protected(Header {
        packet: PacketType::OneRtt,
        long: None,
        dcid,
        token: 0..0,
        number_at: datagram.len().saturating_sub(reader.remaining()),
        end: datagram.len(),
    }))
}

/// The destination connection id of a datagram that [`decode`] takes for one packet with a short header.
pub(crate) fn short_dcid(datagram: &[u8], id_length: usize) -> Option<ConnectionId> {
    let (first, rest) = datagram.split_first()?;
    let (id, rest) = rest.split_at_checked(id_length)?;
    let short = first & LONG == 0 && rest.len() >= SAMPLED;
    short.then(|| ConnectionId::new(id)).flatten()
}

fn version_negotiation<'a>(ids: Ids<'a>, mut reader: Reader<'a>) -> Result<Packet<'a>, Discard> {
    let versions = reader.rest();
    // rfc8999#6-2
    if versions.is_empty() || versions.len() % 4 != 0 {
        return Err(Discard::Versions);
    }
    Ok(Packet::VersionNegotiation(VersionNegotiation {
        ids,
        versions,
    }))
}

/// A Retry packet goes on to the end of its datagram. Four bits of its first byte say nothing (rfc9000#17.2.5-1).
fn retry<'a>(
    datagram: &'a [u8],
    mut reader: Reader<'a>,
    version: Version,
    (dcid, scid): (ConnectionId, ConnectionId),
) -> Result<Packet<'a>, Discard> {
    let (token, tag) = reader
        .rest()
        .split_last_chunk::<16>()
        .ok_or(Discard::Truncated)?;
    // rfc9000#17.2.5.2-4
    if token.is_empty() {
        return Err(Discard::EmptyToken);
    }
    let tagged = datagram.len().saturating_sub(tag.len());
    Ok(Packet::Retry(Retry {
        version,
        dcid,
        scid,
        token,
        tagged: datagram.get(..tagged).ok_or(Discard::Truncated)?,
        tag: *tag,
    }))
}

/// rfc9000#17.2-1, rfc9000#17.3.1-1, rfc9287#3-2
fn check_quic_bit(first: u8, quic_bit: QuicBit) -> Result<(), Discard> {
    if first & QUIC_BIT == 0 && quic_bit == QuicBit::Set {
        Err(Discard::QuicBit)
    } else {
        Ok(())
    }
}

/// rfc9001#5.4.2-1
fn check_sample(length: usize) -> Result<(), Discard> {
    if length < SAMPLED {
        Err(Discard::NoSample)
    } else {
        Ok(())
    }
}

impl From<Truncated> for Discard {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

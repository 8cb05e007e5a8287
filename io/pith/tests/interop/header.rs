//! What anybody on the way sees of QUIC packets: their headers.

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    VersionNegotiation,
    /// With a short header.
    Short,
}

/// The header of a packet.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) version: u32,
    /// Of a short header as many bytes as Pith's own ids have.
    pub(crate) destination: Vec<u8>,
    pub(crate) source: Vec<u8>,
    /// Of an Initial or a Retry.
    pub(crate) token: Vec<u8>,
    /// Bytes of the packet.
    pub(crate) length: usize,
}

/// The packets of a datagram, as far as they make sense. `length` is that of the datagram, of which `bytes` may be the start.
pub(crate) fn headers(bytes: &[u8], length: usize) -> Vec<Header> {
    let (mut headers, mut rest, mut left) = (Vec::new(), bytes, length);
    while let Some((header, behind)) = header(rest, left) {
        left -= header.length;
        headers.push(header);
        rest = behind;
    }
    headers
}

fn header(bytes: &[u8], left: usize) -> Option<(Header, &[u8])> {
    let mut reader = Reader(bytes);
    let first = reader.take(1)?[0];
    let mut header = Header {
        kind: Kind::Short,
        version: 0,
        destination: Vec::new(),
        source: Vec::new(),
        token: Vec::new(),
        length: left,
    };
    if first & 0x80 == 0 {
        header.destination = reader.take(OWN_ID)?.to_vec();
        return Some((header, &[]));
    }
    header.version = u32::from_be_bytes(reader.take(4)?.try_into().ok()?);
    header.destination = reader.block()?.to_vec();
    header.source = reader.block()?.to_vec();
    header.kind = kind(header.version, (first >> 4) & 3)?;
    match header.kind {
        Kind::Retry => {
            header.token = reader.0.get(..reader.0.len().checked_sub(16)?)?.to_vec();
            return Some((header, &[]));
        }
        Kind::VersionNegotiation => return Some((header, &[])),
        Kind::Initial => {
            let length = reader.varint()?;
            header.token = reader.take(length)?.to_vec();
        }
        Kind::ZeroRtt | Kind::Handshake | Kind::Short => {}
    }
    let payload = reader.varint()?;
    reader.take(payload)?;
    header.length = bytes.len() - reader.0.len();
    Some((header, reader.0))
}

/// What the two bits of a long header's type stand for.
fn kind(version: u32, bits: u8) -> Option<Kind> {
    let kinds = [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry];
    match version {
        0 => Some(Kind::VersionNegotiation),
        V1 => Some(kinds[usize::from(bits)]),
        V2 => Some(kinds[usize::from(bits.wrapping_sub(1) & 3)]),
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A length in one byte, and so many.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    fn varint(&mut self) -> Option<usize> {
        let first = *self.0.first()?;
        let bytes = self.take(1 << (first >> 6))?;
        let whole = bytes
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        Some(whole & !(0xc0 << (8 * (bytes.len() - 1))))
    }
}

pub(crate) const V1: u32 = 1;
pub(crate) const V2: u32 = 0x6b33_43cf;
const OWN_ID: usize = 8;

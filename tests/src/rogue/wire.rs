//! QUIC's bytes, written and read without the library: integers, frames, transport parameters, headers. What is written need not be legal.

/// A variable-length integer (RFC 9000 section 16), as short as it can be.
pub fn varint(value: u64) -> Vec<u8> {
    let class = match value {
        0..=0x3f => 0,
        0x40..=0x3fff => 1,
        0x4000..=0x3fff_ffff => 2,
        _ => 3,
    };
    long_varint(value, class)
}

/// One of `1 << class` bytes.
pub fn long_varint(value: u64, class: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut out = bytes[8 - (1 << class)..].to_vec();
    out[0] = out[0] & 0x3f | u8::try_from(class << 6).unwrap();
    out
}

/// Bytes with their length in front.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [&varint(bytes.len() as u64), bytes].concat()
}

/// Types of frames (RFC 9000 section 19).
#[allow(missing_docs)]
pub mod kind {
    pub const PADDING: u64 = 0x00;
    pub const PING: u64 = 0x01;
    pub const ACK: u64 = 0x02;
    pub const ACK_ECN: u64 = 0x03;
    pub const RESET_STREAM: u64 = 0x04;
    pub const STOP_SENDING: u64 = 0x05;
    pub const CRYPTO: u64 = 0x06;
    pub const NEW_TOKEN: u64 = 0x07;
    /// With an offset and a length.
    pub const STREAM: u64 = 0x0e;
    pub const STREAM_FIN: u64 = 0x0f;
    pub const MAX_DATA: u64 = 0x10;
    pub const MAX_STREAM_DATA: u64 = 0x11;
    pub const MAX_STREAMS_BIDI: u64 = 0x12;
    pub const MAX_STREAMS_UNI: u64 = 0x13;
    pub const DATA_BLOCKED: u64 = 0x14;
    pub const STREAM_DATA_BLOCKED: u64 = 0x15;
    pub const STREAMS_BLOCKED_BIDI: u64 = 0x16;
    pub const STREAMS_BLOCKED_UNI: u64 = 0x17;
    pub const NEW_CONNECTION_ID: u64 = 0x18;
    pub const RETIRE_CONNECTION_ID: u64 = 0x19;
    pub const PATH_CHALLENGE: u64 = 0x1a;
    pub const PATH_RESPONSE: u64 = 0x1b;
    pub const CLOSE: u64 = 0x1c;
    pub const CLOSE_APPLICATION: u64 = 0x1d;
    pub const HANDSHAKE_DONE: u64 = 0x1e;
    pub const DATAGRAM: u64 = 0x31;
}

/// A frame of this type with these integers, and bytes behind them.
pub fn frame(kind: u64, numbers: &[u64], rest: &[u8]) -> Vec<u8> {
    let mut out = varint(kind);
    numbers
        .iter()
        .for_each(|number| out.extend(varint(*number)));
    out.extend_from_slice(rest);
    out
}

/// A CRYPTO frame.
pub fn crypto(offset: u64, data: &[u8]) -> Vec<u8> {
    frame(kind::CRYPTO, &[offset], &sized(data))
}

/// A STREAM frame with offset and length.
pub fn stream(id: u64, offset: u64, data: &[u8], fin: bool) -> Vec<u8> {
    frame(kind::STREAM | u64::from(fin), &[id, offset], &sized(data))
}

/// An ACK frame: the largest number, how many below it come too, and pairs of gap and range.
pub fn ack(largest: u64, first: u64, ranges: &[(u64, u64)]) -> Vec<u8> {
    let mut numbers = vec![largest, 0, ranges.len() as u64, first];
    numbers.extend(ranges.iter().flat_map(|(gap, range)| [*gap, *range]));
    frame(kind::ACK, &numbers, &[])
}

/// A NEW_CONNECTION_ID frame, with a length that need not be the id's.
pub fn new_id(sequence: u64, prior: u64, length: u8, id: &[u8], token: &[u8]) -> Vec<u8> {
    let rest = [&[length], id, token].concat();
    frame(kind::NEW_CONNECTION_ID, &[sequence, prior], &rest)
}

/// A frame that came. Flags stay in its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The type.
    pub kind: u64,
    /// Its integers, lengths left out.
    pub numbers: Vec<u64>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// The frames of a payload that the library wrote.
pub fn frames(payload: &[u8]) -> Vec<Seen> {
    let mut rest = Cursor(payload);
    let mut found = Vec::new();
    while !rest.0.is_empty() {
        let kind = rest.varint();
        let mut numbers = Vec::new();
        let mut data = Vec::new();
        let many = match kind {
            0x00 | 0x01 | 0x1a | 0x1b | 0x1e | 0x07 | 0x30 | 0x31 => 0,
            0x02 | 0x03 => 4,
            0x04 => 3,
            0x05 | 0x11 | 0x15 | 0x18 | 0x1c => 2,
            0x08..=0x0b | 0x06 | 0x10 | 0x12..=0x14 | 0x16 | 0x17 | 0x19 | 0x1d => 1,
            0x0c..=0x0f => 2,
            other => panic!("the library sent a frame of type {other:#x}"),
        };
        (0..many).for_each(|_| numbers.push(rest.varint()));
        match kind {
            0x02 | 0x03 => {
                let more = 2 * numbers[2] + 3 * (kind & 1);
                (0..more).for_each(|_| numbers.push(rest.varint()));
            }
            0x06 | 0x07 | 0x31 | 0x1c | 0x1d => data = rest.sized(),
            0x08..=0x0f if kind & 2 != 0 => data = rest.sized(),
            0x08..=0x0f | 0x30 => data = rest.take(rest.0.len()).to_vec(),
            0x18 => {
                let length = usize::from(rest.take(1)[0]);
                data = rest.take(length + 16).to_vec();
            }
            0x1a | 0x1b => data = rest.take(8).to_vec(),
            _ => {}
        }
        if (0x08..=0x0b).contains(&kind) {
            numbers.push(0);
        }
        if kind != 0 {
            found.push(Seen {
                kind,
                numbers,
                data,
            });
        }
    }
    found
}

/// Transport parameters in their order.
#[derive(Debug, Clone, Default)]
pub struct Parameters(pub Vec<(u64, Vec<u8>)>);

impl Parameters {
    /// Gives one a value, at its place or at the end.
    pub fn set(&mut self, id: u64, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(found, _)| *found == id) {
            Some((_, old)) => *old = value,
            None => self.0.push((id, value)),
        }
    }

    /// Takes one away.
    pub fn remove(&mut self, id: u64) {
        self.0.retain(|(found, _)| *found != id);
    }

    /// All of them as an extension's body.
    pub fn encode(&self) -> Vec<u8> {
        let each = |(id, value): &(u64, Vec<u8>)| [varint(*id), sized(value)].concat();
        self.0.iter().flat_map(each).collect()
    }

    /// Those that somebody sent.
    pub fn parse(body: &[u8]) -> Self {
        let mut rest = Cursor(body);
        let mut found = Vec::new();
        while !rest.0.is_empty() {
            found.push((rest.varint(), rest.sized()));
        }
        Self(found)
    }

    /// The value of one.
    pub fn get(&self, id: u64) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(found, _)| *found == id)?;
        Some(value)
    }

    /// The integer that is the value of one.
    pub fn integer(&self, id: u64) -> Option<u64> {
        self.get(id).map(|value| Cursor(value).varint())
    }
}

/// A header of the library's, protected yet.
#[derive(Debug, Clone)]
pub struct Header {
    /// The first byte.
    pub first: u8,
    /// The version, of a long one.
    pub version: Option<u32>,
    /// The destination.
    pub dcid: Vec<u8>,
    /// The source, of a long one.
    pub scid: Vec<u8>,
    /// The token of an Initial packet.
    pub token: Vec<u8>,
    /// Where its packet number begins.
    pub number: usize,
    /// Where the packet ends.
    pub end: usize,
}

impl Header {
    /// The header at the front of `bytes`; a short one has an id of `length` bytes.
    pub fn parse(bytes: &[u8], length: usize) -> Self {
        let mut rest = Cursor(bytes);
        let first = rest.take(1)[0];
        let mut header = Self {
            first,
            version: None,
            dcid: Vec::new(),
            scid: Vec::new(),
            token: Vec::new(),
            number: 0,
            end: bytes.len(),
        };
        if first & 0x80 == 0 {
            header.dcid = rest.take(length).to_vec();
            header.number = bytes.len() - rest.0.len();
            return header;
        }
        header.version = Some(u32::from_be_bytes(rest.take(4).try_into().unwrap()));
        header.dcid = rest.short();
        header.scid = rest.short();
        // Retry and Version Negotiation end with what is not looked at here.
        if header.version == Some(0) || first & 0x30 == 0x30 {
            header.token = rest.0.to_vec();
            header.number = bytes.len() - rest.0.len();
            return header;
        }
        if first & 0x30 == 0 {
            header.token = rest.sized();
        }
        let length = usize::try_from(rest.varint()).unwrap();
        header.number = bytes.len() - rest.0.len();
        header.end = header.number + length;
        header
    }
}

/// Reads from the front, and panics where nothing is left: the library wrote it.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        head
    }

    fn varint(&mut self) -> u64 {
        let length = 1 << (self.0[0] >> 6);
        let bytes = self.take(length);
        let first = u64::from(bytes[0] & 0x3f);
        bytes[1..]
            .iter()
            .fold(first, |value, byte| value << 8 | u64::from(*byte))
    }

    fn sized(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.varint()).unwrap();
        self.take(length).to_vec()
    }

    fn short(&mut self) -> Vec<u8> {
        let length = usize::from(self.take(1)[0]);
        self.take(length).to_vec()
    }
}

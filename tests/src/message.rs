//! Handshake messages for tests: taken apart, changed at will and put together again, independent of the library's own
//! encoders and decoders.
//!
//! Nothing here checks that what it writes is legal. Parsers panic: they read what the library itself sent.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

/// Codes of handshake messages.
#[allow(missing_docs)]
pub mod kind {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const NEW_SESSION_TICKET: u8 = 4;
    pub const END_OF_EARLY_DATA: u8 = 5;
    pub const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub const CERTIFICATE: u8 = 11;
    pub const CERTIFICATE_REQUEST: u8 = 13;
    pub const CERTIFICATE_VERIFY: u8 = 15;
    pub const FINISHED: u8 = 20;
    pub const KEY_UPDATE: u8 = 24;
    /// RFC 8879
    pub const COMPRESSED_CERTIFICATE: u8 = 25;
    pub const MESSAGE_HASH: u8 = 254;
}

/// The random value that makes a HelloRetryRequest of a ServerHello (RFC 9846 section 4.2.3).
pub const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A message of this type.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &vec24(body)[..]].concat()
}

/// The messages that stand one behind the other in `bytes`.
pub fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(rest[1]) << 16 | usize::from(rest[2]) << 8 | usize::from(rest[3]);
        let (whole, behind) = rest.split_at(4 + length);
        found.push(whole.to_vec());
        rest = behind;
    }
    found
}

/// Whether these bytes are a HelloRetryRequest.
pub fn is_retry(message: &[u8]) -> bool {
    message.first() == Some(&kind::SERVER_HELLO) && message.get(6..38) == Some(&RETRY_RANDOM[..])
}

/// A vector with a length of one byte.
pub fn vec8(body: &[u8]) -> Vec<u8> {
    [&[u8::try_from(body.len()).unwrap()], body].concat()
}

/// A vector with a length of two bytes.
pub fn vec16(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// A vector with a length of three bytes.
pub fn vec24(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    assert_eq!(length[0], 0);
    [&length[1..], body].concat()
}

/// The body of a client's `pre_shared_key`: identities, all of age 0, and binders.
pub fn offered_psks(identities: &[&[u8]], binders: &[[u8; 32]]) -> Vec<u8> {
    let identity = |identity: &&[u8]| [&vec16(identity)[..], &[0; 4]].concat();
    let identities: Vec<u8> = identities.iter().flat_map(identity).collect();
    let binders: Vec<u8> = binders.iter().flat_map(|binder| vec8(binder)).collect();
    [vec16(&identities), vec16(&binders)].concat()
}

/// A list of codes, without a length in front.
pub fn codes(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// A block of extensions in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions(pub Vec<(u16, Vec<u8>)>);

impl Extensions {
    /// Reads a block, its length included.
    pub fn parse(block: &[u8]) -> Self {
        let mut rest = Cursor(block);
        let mut inner = Cursor(rest.vec16());
        assert!(rest.0.is_empty(), "bytes behind the extensions");
        let mut found = Vec::new();
        while !inner.0.is_empty() {
            found.push((inner.u16(), inner.vec16().to_vec()));
        }
        Self(found)
    }

    /// The block, its length included.
    pub fn encode(&self) -> Vec<u8> {
        let each = |(code, body): &(u16, Vec<u8>)| [codes(&[*code]), vec16(body)].concat();
        vec16(&self.0.iter().flat_map(each).collect::<Vec<_>>())
    }

    /// The body of an extension that must be there.
    pub fn body(&self, code: u16) -> &[u8] {
        &self.0.iter().find(|(found, _)| *found == code).unwrap().1
    }

    /// Whether an extension is there.
    pub fn has(&self, code: u16) -> bool {
        self.0.iter().any(|(found, _)| *found == code)
    }

    /// The codes in their order.
    pub fn codes(&self) -> Vec<u16> {
        self.0.iter().map(|(code, _)| *code).collect()
    }

    /// Gives an extension a new body, at its place or at the end.
    pub fn set(&mut self, code: u16, body: impl Into<Vec<u8>>) {
        match self.0.iter_mut().find(|(found, _)| *found == code) {
            Some((_, old)) => *old = body.into(),
            None => self.push(code, body),
        }
    }

    /// Adds an extension at the end, even where there is one.
    pub fn push(&mut self, code: u16, body: impl Into<Vec<u8>>) {
        self.0.push((code, body.into()));
    }

    /// Takes an extension away.
    pub fn remove(&mut self, code: u16) {
        let before = self.0.len();
        self.0.retain(|(found, _)| *found != code);
        assert!(self.0.len() < before, "there is no extension {code}");
    }
}

/// A ClientHello, a ServerHello or a HelloRetryRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The message's type, 1 or 2.
    pub kind: u8,
    /// `legacy_version`
    pub version: u16,
    /// The random value.
    pub random: [u8; 32],
    /// `legacy_session_id`
    pub session_id: Vec<u8>,
    /// The suites; exactly one of a server.
    pub suites: Vec<u16>,
    /// The compression methods; exactly one of a server.
    pub compression: Vec<u8>,
    /// The extensions.
    pub extensions: Extensions,
}

impl Hello {
    /// Takes a hello apart.
    pub fn parse(message: &[u8]) -> Self {
        let mut rest = Cursor(&message[4..]);
        let kind = message[0];
        let client = match kind {
            kind::CLIENT_HELLO => true,
            kind::SERVER_HELLO => false,
            other => panic!("message {other} is no hello"),
        };
        Self {
            kind,
            version: rest.u16(),
            random: rest.take(32).try_into().unwrap(),
            session_id: rest.vec8().to_vec(),
            suites: if client {
                rest.vec16().chunks(2).map(code).collect()
            } else {
                vec![rest.u16()]
            },
            compression: if client { rest.vec8() } else { rest.take(1) }.to_vec(),
            extensions: Extensions::parse(rest.0),
        }
    }

    /// Everything in front of the extensions.
    pub fn head(&self) -> Vec<u8> {
        let mut body = [
            &codes(&[self.version]),
            &self.random[..],
            &vec8(&self.session_id),
        ]
        .concat();
        if self.kind == kind::CLIENT_HELLO {
            body.extend(vec16(&codes(&self.suites)));
            body.extend(vec8(&self.compression));
        } else {
            body.extend(codes(&self.suites));
            body.extend(&self.compression);
        }
        body
    }

    /// Puts the hello together.
    pub fn encode(&self) -> Vec<u8> {
        message(self.kind, &[self.head(), self.extensions.encode()].concat())
    }

    /// The client's key shares: group and value.
    pub fn shares(&self) -> Vec<(u16, Vec<u8>)> {
        let mut list = Cursor(Cursor(self.extensions.body(51)).vec16());
        let mut found = Vec::new();
        while !list.0.is_empty() {
            found.push((list.u16(), list.vec16().to_vec()));
        }
        found
    }

    /// Gives a client other key shares.
    pub fn set_shares(&mut self, shares: &[(u16, Vec<u8>)]) {
        let each = |(group, value): &(u16, Vec<u8>)| share(*group, value);
        let list: Vec<u8> = shares.iter().flat_map(each).collect();
        self.extensions.set(51, vec16(&list));
    }

    /// A list of codes in an extension with a length of two bytes in front, such as the groups.
    pub fn list(&self, extension: u16) -> Vec<u16> {
        let body = self.extensions.body(extension);
        Cursor(body).vec16().chunks(2).map(code).collect()
    }
}

/// A KeyShareEntry.
pub fn share(group: u16, value: &[u8]) -> Vec<u8> {
    [codes(&[group]), vec16(value)].concat()
}

/// A Certificate message. Each entry is a certificate and its extensions.
pub fn certificate(context: &[u8], entries: &[(Vec<u8>, Extensions)]) -> Vec<u8> {
    let each =
        |(der, extensions): &(Vec<u8>, Extensions)| [vec24(der), extensions.encode()].concat();
    let list: Vec<u8> = entries.iter().flat_map(each).collect();
    message(kind::CERTIFICATE, &[vec8(context), vec24(&list)].concat())
}

/// A CertificateRequest message.
pub fn certificate_request(context: &[u8], extensions: &Extensions) -> Vec<u8> {
    let body = [vec8(context), extensions.encode()].concat();
    message(kind::CERTIFICATE_REQUEST, &body)
}

/// A CertificateVerify message.
pub fn certificate_verify(scheme: u16, signature: &[u8]) -> Vec<u8> {
    let body = [codes(&[scheme]), vec16(signature)].concat();
    message(kind::CERTIFICATE_VERIFY, &body)
}

/// An EncryptedExtensions message.
pub fn encrypted_extensions(extensions: &Extensions) -> Vec<u8> {
    message(kind::ENCRYPTED_EXTENSIONS, &extensions.encode())
}

/// A NewSessionTicket message.
pub fn ticket(extensions: &Extensions) -> Vec<u8> {
    let head = [
        &[0, 0, 14, 16, 9, 9, 9, 9][..],
        &vec8(b"n"),
        &vec16(b"ticket"),
    ]
    .concat();
    message(
        kind::NEW_SESSION_TICKET,
        &[head, extensions.encode()].concat(),
    )
}

fn code(bytes: &[u8]) -> u16 {
    u16::from_be_bytes(bytes.try_into().unwrap())
}

/// Reads from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        head
    }

    fn u16(&mut self) -> u16 {
        code(self.take(2))
    }

    fn vec8(&mut self) -> &'a [u8] {
        let length = self.take(1)[0];
        self.take(usize::from(length))
    }

    fn vec16(&mut self) -> &'a [u8] {
        let length = self.u16();
        self.take(usize::from(length))
    }
}

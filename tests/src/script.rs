//! Scripted peers: a server and a client whose every message a test writes, with a key schedule of their own.
//!
//! They do what a library never would, and still have a Finished that fits, so that a test can tell a message that was refused
//! from a handshake that was altered. They have no records; the test carries their bytes to an engine by levels. The schedule
//! follows RFC 9846 section 7.1 and shares only the primitives with the library.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use pith_crypto::hkdf::{derive_secret, expand_label, extract};
use pith_crypto::mac::hmac;
use pith_crypto::{Hash, Secret, SignatureScheme, SigningKey};
use pith_pq::{Group, Offer, Share};

use crate::message::{
    Extensions, Hello, RETRY_RANDOM, certificate, certificate_verify, codes, kind, message, share,
    vec8, vec16,
};
use crate::pair::NAME;
use crate::pki::Identity;

/// The transcript and the secrets of one handshake.
pub struct Schedule {
    hash: Hash,
    transcript: Vec<u8>,
    psk: Option<Vec<u8>>,
    handshake: Option<Secret>,
    main: Option<Secret>,
    exporter: Option<Secret>,
    /// The traffic secrets of the client and the server, of the handshake and then of the application.
    traffic: Vec<[Secret; 2]>,
}

impl Schedule {
    /// Of a handshake with this suite and without a pre-shared key.
    pub fn new(suite: u16) -> Self {
        Self {
            hash: if suite == 0x1302 {
                Hash::Sha384
            } else {
                Hash::Sha256
            },
            transcript: Vec::new(),
            psk: None,
            handshake: None,
            main: None,
            exporter: None,
            traffic: Vec::new(),
        }
    }

    /// Adds a message and hands it back.
    pub fn add(&mut self, message: Vec<u8>) -> Vec<u8> {
        self.transcript.extend_from_slice(&message);
        message
    }

    /// Puts the digest of a first hello in its place.
    fn retry(&mut self) {
        let digest = self.digest();
        self.transcript = message(kind::MESSAGE_HASH, &digest);
    }

    fn digest(&self) -> Vec<u8> {
        self.hash.digest(&self.transcript).as_ref().to_vec()
    }

    fn early(&self) -> Secret {
        let zeros = vec![0; self.hash.len()];
        extract(self.hash, &zeros, self.psk.as_deref().unwrap_or(&zeros)).unwrap()
    }

    /// The traffic secret of early data, after a ClientHello.
    pub fn early_traffic(&self) -> Secret {
        self.derive(&self.early(), "c e traffic", &self.digest())
    }

    /// The binder of a resumption over a ClientHello without its binders, behind what there is so far.
    fn binder(&self, truncated: &[u8]) -> Secret {
        let empty = self.hash.digest(&[]);
        let key = self.derive(&self.early(), "res binder", empty.as_ref());
        let key = self.derive(&key, "finished", &[]);
        let digest = self.hash.digest(&[&self.transcript, truncated].concat());
        hmac(self.hash, key.expose(), digest.as_ref()).unwrap()
    }

    /// The key that goes with a ticket of this nonce, once the client's Finished is in the transcript.
    pub fn resumption(&self, nonce: &[u8]) -> Vec<u8> {
        let main = self.main.as_ref().unwrap();
        let secret = self.derive(main, "res master", &self.digest());
        let mut key = vec![0; self.hash.len()];
        expand_label(self.hash, &secret, "resumption", nonce, &mut key).unwrap();
        key
    }

    /// After the ServerHello.
    fn shared(&mut self, shared: &[u8]) {
        let handshake = self.next(&self.early(), shared);
        self.add_traffic(&handshake, ["c hs traffic", "s hs traffic"]);
        self.handshake = Some(handshake);
    }

    /// After the server's Finished. Nothing before there are secrets.
    fn application(&mut self) {
        if self.handshake.is_none() {
            return;
        }
        let main = self.next(self.handshake.as_ref().unwrap(), &vec![0; self.hash.len()]);
        self.add_traffic(&main, ["c ap traffic", "s ap traffic"]);
        self.exporter = Some(self.derive(&main, "exp master", &self.digest()));
        self.main = Some(main);
    }

    /// The secret of the next stage.
    fn next(&self, from: &Secret, input: &[u8]) -> Secret {
        let salt = self.derive(from, "derived", self.hash.digest(&[]).as_ref());
        extract(self.hash, salt.expose(), input).unwrap()
    }

    fn add_traffic(&mut self, from: &Secret, labels: [&str; 2]) {
        let digest = self.digest();
        let secrets = labels.map(|label| self.derive(from, label, &digest));
        self.traffic.push(secrets);
    }

    fn derive(&self, from: &Secret, label: &str, digest: &[u8]) -> Secret {
        derive_secret(self.hash, from, label, digest).unwrap()
    }

    /// The Finished of one side over what there is so far; zeros before there are secrets.
    pub fn finished(&self, server: bool) -> Vec<u8> {
        if self.traffic.is_empty() {
            return message(kind::FINISHED, &vec![0; self.hash.len()]);
        }
        let traffic = &self.traffic[0][usize::from(server)];
        let key = self.derive(traffic, "finished", &[]);
        let mac = hmac(self.hash, key.expose(), &self.digest()).unwrap();
        message(kind::FINISHED, mac.expose())
    }

    /// The traffic secrets so far: of each stage, handshake and application, the client's and the server's.
    pub fn traffic(&self) -> Vec<[&[u8]; 2]> {
        let stages = self.traffic.iter();
        stages
            .map(|secrets| secrets.each_ref().map(Secret::expose))
            .collect()
    }

    /// Exported keying material (RFC 9846 section 7.5).
    pub fn export(&self, label: &str, context: &[u8], length: usize) -> Vec<u8> {
        let empty = self.hash.digest(&[]);
        let secret = self.derive(self.exporter.as_ref().unwrap(), label, empty.as_ref());
        let context = self.hash.digest(context);
        let mut out = vec![0; length];
        expand_label(self.hash, &secret, "exporter", context.as_ref(), &mut out).unwrap();
        out
    }

    /// What a CertificateVerify of a server signs.
    pub fn content(&self) -> Vec<u8> {
        self.signed(b"TLS 1.3, server CertificateVerify\0")
    }

    /// What a CertificateVerify of a client signs.
    pub fn client_content(&self) -> Vec<u8> {
        self.signed(b"TLS 1.3, client CertificateVerify\0")
    }

    fn signed(&self, context: &[u8]) -> Vec<u8> {
        [&[b' '; 64], context, &self.digest()].concat()
    }

    /// Goes on with this pre-shared key, or none.
    pub fn set_psk(&mut self, key: Option<&[u8]>) {
        self.psk = key.map(<[u8]>::to_vec);
    }
}

/// A server that does as it is told.
pub struct ScriptedServer {
    /// The client's hello, the newest.
    pub client: Hello,
    /// The transcript and secrets.
    pub schedule: Schedule,
    suite: u16,
    shared: Vec<u8>,
}

impl ScriptedServer {
    /// Takes a ClientHello.
    pub fn new(client_hello: &[u8], suite: u16) -> Self {
        let mut schedule = Schedule::new(suite);
        schedule.add(client_hello.to_vec());
        Self {
            client: Hello::parse(client_hello),
            schedule,
            suite,
            shared: Vec::new(),
        }
    }

    /// A ServerHello for the client's first share, not sent yet.
    pub fn hello(&mut self) -> Hello {
        let (code, value) = self.client.shares()[0].clone();
        let group = Group::from_code(code).unwrap();
        let (reply, shared) = pith_pq::answer(group, &value).unwrap();
        self.shared = shared.expose().to_vec();
        let mut extensions = Extensions::default();
        extensions.push(43, [3, 4]);
        extensions.push(51, share(code, &reply));
        self.blank([0x5e; 32], extensions)
    }

    /// A HelloRetryRequest with these extensions behind `supported_versions`, not sent yet.
    pub fn retry(&self, rest: &[(u16, Vec<u8>)]) -> Hello {
        let versions = (43, vec![3, 4]);
        let extensions = Extensions([&[versions], rest].concat());
        self.blank(RETRY_RANDOM, extensions)
    }

    fn blank(&self, random: [u8; 32], extensions: Extensions) -> Hello {
        Hello {
            kind: kind::SERVER_HELLO,
            version: 0x0303,
            random,
            session_id: self.client.session_id.clone(),
            suites: vec![self.suite],
            compression: vec![0],
            extensions,
        }
    }

    /// Sends a hello: a ServerHello makes the secrets, a HelloRetryRequest begins the transcript anew.
    pub fn send_hello(&mut self, hello: &Hello) -> Vec<u8> {
        if hello.random == RETRY_RANDOM {
            self.schedule.retry();
        }
        let bytes = self.schedule.add(hello.encode());
        if hello.random != RETRY_RANDOM {
            self.schedule.shared(&self.shared);
        }
        bytes
    }

    /// Takes the second ClientHello.
    pub fn second(&mut self, client_hello: &[u8]) {
        self.client = Hello::parse(client_hello);
        self.schedule.add(client_hello.to_vec());
    }

    /// Sends any message.
    pub fn send(&mut self, message: Vec<u8>) -> Vec<u8> {
        self.schedule.add(message)
    }

    /// Sends the chain of an identity.
    pub fn certificate(&mut self, identity: &Identity) -> Vec<u8> {
        self.send(certificate(&[], &entries(identity)))
    }

    /// Sends a CertificateVerify with the first scheme of the identity's key.
    pub fn verify(&mut self, identity: &Identity) -> Vec<u8> {
        let key = SigningKey::from_der(&identity.key).unwrap();
        let scheme = key.schemes()[0];
        let signature = key.sign(scheme, &self.schedule.content()).unwrap();
        self.send(certificate_verify(scheme.0, &signature))
    }

    /// Sends the Finished.
    pub fn finished(&mut self) -> Vec<u8> {
        let finished = self.schedule.finished(true);
        let finished = self.send(finished);
        self.schedule.application();
        finished
    }

    /// Whether these messages of the client end its side of the handshake.
    pub fn accepts(&mut self, flight: &[Vec<u8>]) -> bool {
        let (finished, before) = flight.split_last().unwrap();
        for message in before {
            self.schedule.add(message.clone());
        }
        *finished == self.schedule.finished(false)
    }
}

/// The entries of a Certificate message for a chain.
pub fn entries(identity: &Identity) -> Vec<(Vec<u8>, Extensions)> {
    let each = |der: &pki_types::CertificateDer<'_>| (der.to_vec(), Extensions::default());
    identity.chain.iter().map(each).collect()
}

/// A client that does as it is told. It believes every certificate.
pub struct ScriptedClient {
    /// What it offers; a test changes it before it is sent.
    pub hello: Hello,
    /// The transcript and secrets, once they exist.
    pub schedule: Option<Schedule>,
    sent: Vec<u8>,
    offer: Option<Offer>,
}

impl ScriptedClient {
    /// A client with shares of these groups, which are also the groups that it names.
    pub fn new(groups: &[Group]) -> Self {
        let (offer, shares) = pith_pq::offer(groups).unwrap();
        let named: Vec<u16> = groups.iter().map(|group| group.code()).collect();
        let schemes = [
            SignatureScheme::ECDSA_SECP256R1_SHA256.0,
            SignatureScheme::ED25519.0,
        ];
        let mut hello = Hello {
            kind: kind::CLIENT_HELLO,
            version: 0x0303,
            random: [0xc1; 32],
            session_id: vec![7; 32],
            suites: vec![0x1301, 0x1302, 0x1303],
            compression: vec![0],
            extensions: Extensions::default(),
        };
        let extensions = &mut hello.extensions;
        extensions.push(0, vec16(&[&[0], &vec16(NAME.as_bytes())[..]].concat()));
        extensions.push(43, vec8(&[3, 4]));
        extensions.push(10, vec16(&codes(&named)));
        extensions.push(13, vec16(&codes(&schemes)));
        hello.set_shares(&values(&shares));
        Self {
            hello,
            schedule: None,
            sent: Vec::new(),
            offer: Some(offer),
        }
    }

    /// The ClientHello.
    pub fn send(&mut self) -> Vec<u8> {
        self.sent = self.hello.encode();
        if let Some(schedule) = &mut self.schedule {
            schedule.add(self.sent.clone());
        }
        self.sent.clone()
    }

    /// Takes a HelloRetryRequest and prepares a share of the group that it names. The hello can be changed again.
    pub fn retry(&mut self, message: &[u8]) {
        let retry = Hello::parse(message);
        let mut schedule = Schedule::new(retry.suites[0]);
        schedule.add(self.sent.clone());
        schedule.retry();
        schedule.add(message.to_vec());
        self.schedule = Some(schedule);
        let code = u16::from_be_bytes(retry.extensions.body(51).try_into().unwrap());
        let (offer, shares) = pith_pq::offer(&[Group::from_code(code).unwrap()]).unwrap();
        self.offer = Some(offer);
        self.hello.set_shares(&values(&shares));
    }

    /// Offers a ticket, of which it knows the key; the hello is not to be changed behind it.
    pub fn send_ticket(&mut self, ticket: &[u8], age: u32, key: &[u8]) -> Vec<u8> {
        let suite = self.hello.suites[0];
        let schedule = self.schedule.get_or_insert_with(|| Schedule::new(suite));
        schedule.set_psk(Some(key));
        let length = schedule.hash.len();
        let identity = vec16(&[&vec16(ticket)[..], &age.to_be_bytes()].concat());
        let binder = |binder: &[u8]| [identity.clone(), vec16(&vec8(binder))].concat();
        self.hello.extensions.set(45, vec8(&[1]));
        self.hello.extensions.0.retain(|(code, _)| *code != 41);
        self.hello.extensions.push(41, binder(&vec![0; length]));
        let blank = self.hello.encode();
        let bound = schedule.binder(&blank[..blank.len() - length - 3]);
        self.hello.extensions.set(41, binder(bound.expose()));
        self.sent = schedule.add(self.hello.encode());
        self.sent.clone()
    }

    /// The same with early data. Gives the hello and the traffic secret of early data.
    pub fn send_early(&mut self, ticket: &[u8], age: u32, key: &[u8]) -> (Vec<u8>, Secret) {
        self.hello.extensions.set(42, []);
        let hello = self.send_ticket(ticket, age, key);
        let traffic = self.schedule.as_ref().unwrap().early_traffic();
        (hello, traffic)
    }

    /// What stood in for its hello on the way.
    pub fn replace(&mut self, hello: &[u8]) {
        self.sent = hello.to_vec();
    }

    /// Takes the server's whole flight and answers it with the Finished. The server's own Finished must fit.
    pub fn finish(&mut self, flight: &[Vec<u8>]) -> Vec<u8> {
        self.begin(&flight[0]);
        self.end(&flight[1..])
    }

    /// Takes a ServerHello.
    pub fn begin(&mut self, hello: &[u8]) {
        let message = hello.to_vec();
        let hello = Hello::parse(hello);
        let mut schedule = self.schedule.take().unwrap_or_else(|| {
            let mut schedule = Schedule::new(hello.suites[0]);
            schedule.add(self.sent.clone());
            schedule
        });
        schedule.add(message);
        if !hello.extensions.has(41) {
            schedule.psk = None;
        }
        let entry = hello.extensions.body(51);
        let group = Group::from_code(u16::from_be_bytes([entry[0], entry[1]])).unwrap();
        let shared = self
            .offer
            .take()
            .unwrap()
            .finish(group, &entry[4..])
            .unwrap();
        schedule.shared(shared.expose());
        self.schedule = Some(schedule);
    }

    /// Takes the rest of the server's flight and answers it.
    pub fn end(&mut self, flight: &[Vec<u8>]) -> Vec<u8> {
        let mut schedule = self.schedule.take().unwrap();
        let (finished, middle) = flight.split_last().unwrap();
        for message in middle {
            schedule.add(message.clone());
        }
        assert_eq!(*finished, schedule.finished(true), "the server's Finished");
        schedule.add(finished.clone());
        schedule.application();
        let own = schedule.finished(false);
        self.schedule = Some(schedule);
        own
    }
}

fn values(shares: &[Share]) -> Vec<(u16, Vec<u8>)> {
    let each = |share: &Share| (share.group.code(), share.bytes.clone());
    shares.iter().map(each).collect()
}

//! Raw public keys in place of certificates (RFC 7250), in both roles: what is offered, chosen, shown and refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::sync::{Arc, Mutex};

use pith_crypto::SigningKey;
use pith_tests::engine::{Duo, Engine, Outcome};
use pith_tests::message::{
    Extensions, Hello, certificate, certificate_request, certificate_verify, codes,
    encrypted_extensions, kind, vec16,
};
use pith_tests::pair::{NAME, NOW, Pair, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki, self_signed};
use pith_tests::script::{ScriptedClient, ScriptedServer, entries};
use pith_tls::{
    AlertDescription, Answer, Carrier, CertificateDer, CertificateError, ChainVerifier, ClientAuth,
    ClientConfig, ClientConfigBuilder, ConfigError, Credential, Error, Fault, Group, Level,
    PeerChain, PeerText, RawKeys, Reason, ServerConfig, ServerConfigBuilder, SessionStore,
    Signature, SignatureScheme, Signer, SubjectPublicKeyInfoDer, Topic, Trust, Verdict, Which,
    key_pin, raw_key_pin,
};

const CLIENT_TYPES: u16 = 19;
const SERVER_TYPES: u16 = 20;
const X509: u8 = 0;
const RAW: u8 = 2;

fn raw(identity: &Identity) -> Credential {
    Credential::raw_key_from_pem(identity.key_pem.as_bytes()).unwrap()
}

fn pins(identities: &[&Identity]) -> Trust {
    let pins = identities.iter();
    Trust::pinned_keys(pins.map(|identity| key_pin(&identity.chain[0]).unwrap())).unwrap()
}

/// The SubjectPublicKeyInfo of an Ed25519 key, by RFC 8410 section 4.
fn info(identity: &Identity) -> Vec<u8> {
    let key = SigningKey::from_der(&identity.key).unwrap();
    let head = [0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0];
    [&head, key.public_key()].concat()
}

fn device(name: &str) -> Identity {
    self_signed(Kind::Ed25519, name)
}

/// rfc7250#3-1, rfc7250#4.2-1, rfc7250#4.2-2, rfc7250#4.2-3, rfc7250#4.2-5: the key that is shown is the one that a
/// certificate of another author holds.
#[test]
fn both_roles_prove_themselves_by_a_raw_key_of_every_kind() {
    for kind in Kind::ALL {
        let (server, client) = (self_signed(kind, NAME), self_signed(kind, "device"));
        let config = ServerConfig::new(raw(&server))
            .client_auth(ClientAuth::Required(pins(&[&client])))
            .keep_peer_chain(true);
        let mine = ClientConfig::new(pins(&[&server]))
            .raw_keys(RawKeys::Preferred)
            .credential(raw(&client))
            .keep_peer_chain(true);
        let mut pair = Pair::connected(&mine.build().unwrap(), &config.build().unwrap());
        for (side, peer) in [(&pair.client, &server), (&pair.server, &client)] {
            let summary = side.tls.summary().unwrap();
            let pin = key_pin(&peer.chain[0]).unwrap();
            assert_eq!(summary.peer_key, Some(pin), "{kind:?}");
            assert_eq!(raw(peer).key_pin(), pin, "{kind:?}");
            assert_eq!(credential(peer).key_pin(), pin, "{kind:?}");
            let key = summary.peer_raw_key.as_ref().unwrap();
            assert_eq!(raw_key_pin(key), Ok(pin), "{kind:?}");
            assert_eq!(raw(peer).raw_key(), Some(&key[..]), "{kind:?}");
            assert_eq!(summary.peer_chain.as_deref(), Some(&[][..]), "{kind:?}");
        }
        let records = pair.client.seal(b"hello").unwrap();
        pair.server.input(&records).unwrap();
        assert_eq!(pair.server.data, b"hello", "{kind:?}");
    }
}

/// What a side showed: a raw key, or a chain; nothing of a client that has nothing.
fn shown(side: &pith_tests::pair::Side) -> &'static str {
    let summary = side.tls.summary().unwrap();
    let raw = summary.peer_raw_key.is_some();
    match (raw, summary.peer_chain.as_ref().map(Vec::len)) {
        (true, Some(0)) => "raw",
        (false, Some(1..)) => "chain",
        (false, None) if summary.peer_key.is_none() => "nothing",
        other => panic!("{other:?}"),
    }
}

/// RFC 7250 section 4.2: three outcomes.
#[test]
fn a_server_shows_what_the_client_takes() {
    let server = device(NAME);
    let (chain, key) = (|| credential(&server), || raw(&server));
    let refused = Err(Fault::NoCommonCertificateType);
    let (preferred, only) = (Some(RawKeys::Preferred), Some(RawKeys::Only));
    type Row = (
        &'static str,
        Vec<Credential>,
        Option<RawKeys>,
        Result<&'static str, Fault>,
    );
    let rows: [Row; 12] = [
        ("a chain", vec![chain()], None, Ok("chain")),
        (
            "a chain, raw preferred",
            vec![chain()],
            preferred,
            Ok("chain"),
        ),
        ("a chain, only raw", vec![chain()], only, refused),
        ("raw", vec![key()], None, refused),
        ("raw, preferred", vec![key()], preferred, Ok("raw")),
        ("raw, only that", vec![key()], only, Ok("raw")),
        ("chain, raw", vec![chain(), key()], None, Ok("chain")),
        (
            "chain, raw, preferred",
            vec![chain(), key()],
            preferred,
            Ok("chain"),
        ),
        (
            "chain, raw, only that",
            vec![chain(), key()],
            only,
            Ok("raw"),
        ),
        ("raw, chain", vec![key(), chain()], None, Ok("chain")),
        (
            "raw, chain, preferred",
            vec![key(), chain()],
            preferred,
            Ok("raw"),
        ),
        (
            "raw, chain, only raw",
            vec![key(), chain()],
            only,
            Ok("raw"),
        ),
    ];
    for (name, credentials, taken, want) in rows {
        let mut credentials = credentials.into_iter();
        let config = ServerConfig::new(credentials.next().unwrap());
        let config = credentials.fold(config, ServerConfigBuilder::credential);
        let mut client = ClientConfig::new(pins(&[&server])).keep_peer_chain(true);
        if let Some(raw_keys) = taken {
            client = client.raw_keys(raw_keys);
        }
        let mut pair = Pair::new(&client.build().unwrap(), &config.build().unwrap());
        let result = pair.run().map(|()| shown(&pair.client));
        assert_eq!(result, want.map_err(Error::Fault), "{name}");
        if want.is_err() {
            let alert = Error::Alert(AlertDescription::UNSUPPORTED_CERTIFICATE);
            assert_eq!(pair.client.tls.eof(), Err(alert), "{name}");
        }
    }
}

/// rfc7250#4.2-2, rfc7250#4.2-4: what a server asks for is what its client has and its trust can judge.
#[test]
fn a_client_shows_what_the_server_takes() {
    let (servers, client) = (Pki::new(), device("device"));
    let issued = Pki::with(Kind::Ed25519, 0);
    let leaf = issued.leaf_with(Kind::Ed25519, &["device"], |_| ());
    let (chain, key, cert) = (
        || credential(&client),
        || raw(&client),
        || credential(&leaf),
    );
    let pinned = || pins(&[&client, &leaf]);
    let roots = || trust(&issued);
    let (required, optional) = (ClientAuth::Required, ClientAuth::Optional);
    let refused = Err(Fault::NoCommonCertificateType);
    type Row = (
        &'static str,
        Vec<Credential>,
        ClientAuth,
        Result<&'static str, Fault>,
    );
    let rows: [Row; 12] = [
        ("raw, pinned", vec![key()], required(pinned()), Ok("raw")),
        (
            "raw, pinned, optional",
            vec![key()],
            optional(pinned()),
            Ok("raw"),
        ),
        (
            "a chain, pinned",
            vec![chain()],
            required(pinned()),
            Ok("chain"),
        ),
        (
            "a chain before raw",
            vec![chain(), key()],
            required(pinned()),
            Ok("chain"),
        ),
        (
            "raw before a chain",
            vec![key(), chain()],
            required(pinned()),
            Ok("raw"),
        ),
        (
            "nothing",
            vec![],
            required(pinned()),
            Err(Fault::NoClientCertificate),
        ),
        (
            "nothing, optional",
            vec![],
            optional(pinned()),
            Ok("nothing"),
        ),
        ("raw, by roots", vec![key()], required(roots()), refused),
        (
            "raw, by roots, optional",
            vec![key()],
            optional(roots()),
            Ok("nothing"),
        ),
        (
            "raw first, by roots",
            vec![key(), cert()],
            required(roots()),
            Ok("chain"),
        ),
        (
            "raw last, by roots",
            vec![cert(), key()],
            required(roots()),
            Ok("chain"),
        ),
        (
            "raw, not asked",
            vec![key()],
            ClientAuth::None,
            Ok("nothing"),
        ),
    ];
    for (name, credentials, auth, want) in rows {
        let config = ServerConfig::new(credential(&servers.leaf(NAME)))
            .client_auth(auth)
            .keep_peer_chain(true);
        let client = ClientConfig::new(trust(&servers));
        let client = credentials
            .into_iter()
            .fold(client, ClientConfigBuilder::credential);
        let mut pair = Pair::new(&client.build().unwrap(), &config.build().unwrap());
        let result = pair.run().map(|()| shown(&pair.server));
        assert_eq!(result, want.map_err(Error::Fault), "{name}");
        if let Err(fault) = want {
            let alert = Error::Alert(fault.alert());
            assert_eq!(pair.client.tls.eof(), Err(alert), "{name}");
        }
    }
}

/// rfc7250#4.1-1 to rfc7250#4.1-4.
#[test]
fn a_hello_names_what_the_client_has_and_takes() {
    let (client, server) = (device("device"), device(NAME));
    let (chain, key) = (|| credential(&client), || raw(&client));
    let (none, raw_alone) = (None, Some(&[1, RAW][..]));
    let (preferred, only) = (Some(RawKeys::Preferred), Some(RawKeys::Only));
    let raw_first = Some(&[2, RAW, X509][..]);
    type Row<'a> = (
        &'a str,
        Vec<Credential>,
        Option<RawKeys>,
        Option<&'a [u8]>,
        Option<&'a [u8]>,
    );
    let rows: [Row<'_>; 7] = [
        ("by default", vec![], None, none, none),
        ("a chain", vec![chain(), chain()], None, none, none),
        ("a raw key", vec![key()], None, raw_alone, none),
        (
            "both",
            vec![chain(), key(), key()],
            None,
            Some(&[2, X509, RAW]),
            none,
        ),
        ("raw first", vec![key(), chain()], None, raw_first, none),
        ("prefers raw keys", vec![], preferred, none, raw_first),
        ("takes raw keys alone", vec![], only, none, raw_alone),
    ];
    for (name, credentials, taken, client_types, server_types) in rows {
        let mut config = ClientConfig::new(pins(&[&server]));
        if let Some(raw_keys) = taken {
            config = config.raw_keys(raw_keys);
        }
        let config = credentials
            .into_iter()
            .fold(config, ClientConfigBuilder::credential);
        let mut engine = Engine::client(&config.build().unwrap(), Carrier::Records);
        let Extensions(extensions) = Hello::parse(&engine.take()[0].bytes).extensions;
        for (code, want) in [(CLIENT_TYPES, client_types), (SERVER_TYPES, server_types)] {
            let found = extensions.iter().find(|(found, _)| *found == code);
            assert_eq!(found.map(|(_, body)| &body[..]), want, "{name}: {code}");
        }
    }
}

/// A client's verdict on a scripted server's flight, with these certificate types in EncryptedExtensions.
fn judge_server(
    client: &Arc<ClientConfig>,
    types: &[(u16, u8)],
    shown: &[Vec<u8>],
    signer: &Identity,
) -> Result<(), Error> {
    let mut engine = Engine::client(client, Carrier::Records);
    let mut script = ScriptedServer::new(&engine.take()[0].bytes, 0x1301);
    let hello = script.hello();
    let hello = script.send_hello(&hello);
    engine.read(Level::Initial, &hello).unwrap();
    let types = types.iter().map(|(code, one)| (*code, vec![*one]));
    let shown = shown.iter();
    let shown: Vec<_> = shown
        .map(|entry| (entry.clone(), Extensions::default()))
        .collect();
    let flight = [
        script.send(encrypted_extensions(&Extensions(types.collect()))),
        script.send(certificate(&[], &shown)),
        script.verify(signer),
        script.finished(),
    ];
    engine.read(Level::Handshake, &flight.concat())?;
    let answer: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
    assert!(script.accepts(&answer), "the client's Finished");
    Ok(())
}

fn fault(fault: Fault) -> Option<(Option<Fault>, u8)> {
    Some((Some(fault), fault.alert().0))
}

/// A refused certificate, by the number of its alert: bad_certificate (42) or certificate_unknown (46).
fn refused(alert: u8) -> Option<(Option<Fault>, u8)> {
    Some((None, alert))
}

fn outcome(result: Result<(), Error>) -> Option<(Option<Fault>, u8)> {
    let error = result.err()?;
    let alert = error.alert().unwrap().0;
    match error {
        Error::Fault(fault) => Some((Some(fault), alert)),
        Error::Certificate(_) => Some((None, alert)),
        other => panic!("{other}"),
    }
}

/// Known attack T09: whatever is wrong with a raw key ends the handshake. rfc9846#4.5.1-10, rfc9846#4.5.1-11, rfc7250#4.2-2.
#[test]
fn a_client_refuses_what_was_not_agreed_upon_or_is_not_pinned() {
    let (server, stranger, own) = (device(NAME), device(NAME), device("device"));
    let p256 = self_signed(Kind::P256, NAME);
    let issued = Pki::with(Kind::Ed25519, 1).leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let trust = || pins(&[&server, &issued]);
    let plain = ClientConfig::new(trust()).build().unwrap();
    let takes = ClientConfig::new(trust()).raw_keys(RawKeys::Preferred);
    let takes = takes.credential(raw(&own)).build().unwrap();
    let only = ClientConfig::new(trust()).raw_keys(RawKeys::Only);
    let only = only.build().unwrap();
    let no_type = fault(Fault::NoCommonCertificateType);
    let (key, other) = (info(&server), info(&stranger));
    let chain: Vec<Vec<u8>> = issued.chain.iter().map(|one| one.to_vec()).collect();
    let leaf = &chain[..1];
    let agreed: &[(u16, u8)] = &[(SERVER_TYPES, RAW)];
    let x509: &[(u16, u8)] = &[(SERVER_TYPES, X509)];
    let not_offered = fault(Fault::CertificateTypeNotOffered);
    let unsolicited = fault(Fault::UnsolicitedExtension {
        extension: pith_tls::ExtensionType(SERVER_TYPES),
        message: pith_tls::MessageKind::EncryptedExtensions,
    });
    let longer = [&key[..], &[0]].concat();
    type Row<'a> = (
        &'static str,
        &'a Arc<ClientConfig>,
        &'a [(u16, u8)],
        &'a [Vec<u8>],
        &'a Identity,
        Option<(Option<Fault>, u8)>,
    );
    let one = |bytes: &[u8]| vec![bytes.to_vec()];
    let rows: [Row<'_>; 23] = [
        ("a pinned key", &takes, agreed, &one(&key), &server, None),
        ("a pinned leaf", &takes, x509, leaf, &issued, None),
        (
            "a pinned leaf, nothing said",
            &takes,
            &[],
            &chain,
            &issued,
            None,
        ),
        (
            "X.509, nothing said, only raw",
            &only,
            &[],
            leaf,
            &issued,
            no_type,
        ),
        ("X.509, only raw", &only, x509, leaf, &issued, not_offered),
        (
            "another key",
            &takes,
            agreed,
            &one(&other),
            &stranger,
            refused(46),
        ),
        (
            "a chain for a key",
            &takes,
            agreed,
            &chain,
            &issued,
            fault(Fault::RawKeyList),
        ),
        (
            "a leaf for a key",
            &takes,
            agreed,
            leaf,
            &issued,
            refused(42),
        ),
        (
            "a key for a chain",
            &takes,
            x509,
            &one(&key),
            &server,
            refused(42),
        ),
        (
            "a key, nothing said",
            &takes,
            &[],
            &one(&key),
            &server,
            refused(42),
        ),
        (
            "a key, to one that takes none",
            &plain,
            &[],
            &one(&key),
            &server,
            refused(42),
        ),
        (
            "a key, not offered",
            &plain,
            agreed,
            &one(&key),
            &server,
            unsolicited,
        ),
        (
            "a key twice",
            &takes,
            agreed,
            &[key.clone(), key.clone()],
            &server,
            fault(Fault::RawKeyList),
        ),
        (
            "no key",
            &takes,
            agreed,
            &[],
            &server,
            fault(Fault::EmptyCertificate),
        ),
        (
            "a byte behind the key",
            &takes,
            agreed,
            &one(&longer),
            &server,
            refused(42),
        ),
        (
            "the key cut off",
            &takes,
            agreed,
            &one(&key[..43]),
            &server,
            refused(42),
        ),
        (
            "the bare key",
            &takes,
            agreed,
            &one(&key[12..]),
            &server,
            refused(42),
        ),
        (
            "signed by another",
            &takes,
            agreed,
            &one(&key),
            &stranger,
            fault(Fault::CertificateVerifySignature),
        ),
        (
            "signed by another kind",
            &takes,
            agreed,
            &one(&key),
            &p256,
            fault(Fault::CertificateKeyMismatch),
        ),
        (
            "OpenPGP",
            &takes,
            &[(SERVER_TYPES, 1)],
            &chain,
            &issued,
            not_offered,
        ),
        (
            "an unknown type",
            &takes,
            &[(SERVER_TYPES, 3)],
            &chain,
            &issued,
            not_offered,
        ),
        (
            "a client's chain, not offered",
            &takes,
            &[(CLIENT_TYPES, X509)],
            &chain,
            &issued,
            not_offered,
        ),
        (
            "a client's raw key, offered",
            &takes,
            &[(CLIENT_TYPES, RAW)],
            &chain,
            &issued,
            None,
        ),
    ];
    for (name, client, types, shown, signer, want) in rows {
        let got = outcome(judge_server(client, types, shown, signer));
        assert_eq!(got, want, "{name}");
    }
}

/// What a server answers in EncryptedExtensions, and how many messages follow it, where a client names these types.
fn answer_to(
    server: &Arc<ServerConfig>,
    types: &[(u16, &[u8])],
) -> Result<(Vec<(u16, Vec<u8>)>, Vec<u8>), Error> {
    let mut client = ScriptedClient::new(&[Group::X25519]);
    for (code, body) in types {
        client.hello.extensions.push(*code, *body);
    }
    let mut engine = Engine::server(server, Carrier::Records);
    engine.read(Level::Initial, &client.send())?;
    let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
    client.finish(&flight);
    let Extensions(found) = Extensions::parse(&flight[1][4..]);
    let types = [CLIENT_TYPES, SERVER_TYPES];
    let found = found.into_iter().filter(|(code, _)| types.contains(code));
    Ok((found.collect(), flight.iter().map(|one| one[0]).collect()))
}

/// rfc7250#4.2-1, rfc7250#4.2-3, rfc7250#4.2-4.
#[test]
fn a_server_answers_what_it_chose_of_each_list() {
    use ClientAuth::{None as Nobody, Optional, Required};
    let (server, own) = (device(NAME), device("device"));
    let pinned = || pins(&[&own]);
    let both = |auth: ClientAuth| {
        let config = ServerConfig::new(credential(&server)).credential(raw(&server));
        config.client_auth(auth).build().unwrap()
    };
    let chain = ServerConfig::new(credential(&server)).build().unwrap();
    let roots = || Optional(trust(&Pki::new()));
    let (server_raw, client_raw) = ((SERVER_TYPES, vec![RAW]), (CLIENT_TYPES, vec![RAW]));
    let no_type = Err(Error::Fault(Fault::NoCommonCertificateType));
    let malformed = Err(Error::Fault(Fault::Malformed {
        message: pith_tls::MessageKind::ClientHello,
    }));
    type Answer = Result<(Vec<(u16, Vec<u8>)>, bool), Error>;
    type Row<'a> = (
        &'static str,
        Arc<ServerConfig>,
        &'a [(u16, &'a [u8])],
        Answer,
    );
    let rows: [Row<'_>; 16] = [
        ("nothing", both(Nobody), &[], Ok((vec![], false))),
        (
            "raw",
            both(Nobody),
            &[(SERVER_TYPES, &[1, RAW])],
            Ok((vec![server_raw.clone()], false)),
        ),
        (
            "both, of which the server has X.509 first",
            both(Nobody),
            &[(SERVER_TYPES, &[2, RAW, X509])],
            Ok((vec![(SERVER_TYPES, vec![X509])], false)),
        ),
        (
            "raw, behind unknown ones",
            both(Nobody),
            &[(SERVER_TYPES, &[3, 1, 99, RAW])],
            Ok((vec![server_raw.clone()], false)),
        ),
        (
            "OpenPGP alone",
            both(Nobody),
            &[(SERVER_TYPES, &[1, 1])],
            no_type.clone(),
        ),
        (
            "raw, of which there is none",
            chain.clone(),
            &[(SERVER_TYPES, &[1, RAW])],
            no_type.clone(),
        ),
        (
            "raw, of which there is none, or X.509",
            chain.clone(),
            &[(SERVER_TYPES, &[2, RAW, X509])],
            Ok((vec![(SERVER_TYPES, vec![X509])], false)),
        ),
        (
            "no type",
            both(Nobody),
            &[(SERVER_TYPES, &[0])],
            malformed.clone(),
        ),
        (
            "a byte too many",
            both(Nobody),
            &[(SERVER_TYPES, &[1, RAW, 0])],
            malformed.clone(),
        ),
        (
            "no client type",
            both(Nobody),
            &[(CLIENT_TYPES, &[0])],
            malformed,
        ),
        (
            "a client that is not asked",
            both(Nobody),
            &[(CLIENT_TYPES, &[1, RAW])],
            Ok((vec![], false)),
        ),
        (
            "a client that is asked",
            both(Required(pinned())),
            &[],
            Ok((vec![], true)),
        ),
        (
            "a client with a raw key",
            both(Required(pinned())),
            &[(CLIENT_TYPES, &[2, RAW, X509])],
            Ok((vec![client_raw.clone()], true)),
        ),
        (
            "both ways",
            both(Optional(pinned())),
            &[(SERVER_TYPES, &[1, RAW]), (CLIENT_TYPES, &[1, RAW])],
            Ok((vec![client_raw, server_raw], true)),
        ),
        (
            "a raw key before roots",
            both(roots()),
            &[(CLIENT_TYPES, &[1, RAW])],
            Ok((vec![], false)),
        ),
        (
            "OpenPGP of a client",
            both(Required(pinned())),
            &[(CLIENT_TYPES, &[1, 1])],
            no_type,
        ),
    ];
    for (name, config, types, want) in rows {
        let got = answer_to(&config, types);
        let got = got.map(|(found, kinds)| (found, kinds.contains(&kind::CERTIFICATE_REQUEST)));
        assert_eq!(got, want, "{name}");
    }
}

/// A server's verdict on what a scripted client shows after it named these types.
fn judge_client(auth: ClientAuth, types: &[u8], messages: &[Vec<u8>]) -> Result<(), Error> {
    let config = ServerConfig::new(credential(&device(NAME))).client_auth(auth);
    let mut client = ScriptedClient::new(&[Group::X25519]);
    if !types.is_empty() {
        client.hello.extensions.push(CLIENT_TYPES, types);
    }
    let mut engine = Engine::server(&config.build().unwrap(), Carrier::Records);
    engine.read(Level::Initial, &client.send()).unwrap();
    let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
    client.finish(&flight);
    let mut messages = messages.iter();
    messages.try_for_each(|message| engine.read(Level::Handshake, message))
}

/// Known attack T09, and rfc9846#4.5.1-10 in the other role.
#[test]
fn a_server_refuses_what_was_not_agreed_upon_or_is_not_pinned() {
    let (own, stranger) = (device("device"), device("device"));
    let issued = Pki::with(Kind::Ed25519, 1).leaf_with(Kind::Ed25519, &["device"], |_| ());
    let (key, other) = (info(&own), info(&stranger));
    let show = |entries: &[&[u8]]| {
        let entries = entries.iter();
        let entries: Vec<_> = entries
            .map(|entry| (entry.to_vec(), Extensions::default()))
            .collect();
        vec![certificate(&[], &entries)]
    };
    let chain = vec![certificate(&[], &entries(&issued))];
    let leaf = show(&[&issued.chain[0]]);
    let verify = certificate_verify(SignatureScheme::ED25519.0, &[7; 64]);
    let forged = [show(&[&key]), vec![verify]].concat();
    let raw: &[u8] = &[1, RAW];
    let rows: [(&str, &[u8], Vec<Vec<u8>>, Option<(Option<Fault>, u8)>); 10] = [
        ("a pinned key, so far", raw, show(&[&key]), None),
        ("another key", raw, show(&[&other]), refused(46)),
        (
            "a key twice",
            raw,
            show(&[&key, &key]),
            fault(Fault::RawKeyList),
        ),
        ("a chain for a key", raw, chain, fault(Fault::RawKeyList)),
        ("a leaf for a key", raw, leaf.clone(), refused(42)),
        ("a key for a chain", &[1, X509], show(&[&key]), refused(42)),
        ("a key, nothing said", &[], show(&[&key]), refused(42)),
        ("a leaf, nothing said, so far", &[], leaf, None),
        ("the key cut off", raw, show(&[&key[..40]]), refused(42)),
        (
            "a forged signature",
            raw,
            forged,
            fault(Fault::CertificateVerifySignature),
        ),
    ];
    for (name, types, messages, want) in rows {
        for auth in [ClientAuth::Required, ClientAuth::Optional] {
            let auth = auth(pins(&[&own, &issued]));
            let got = outcome(judge_client(auth, types, &messages));
            assert_eq!(got, want, "{name}");
        }
    }
    let none = vec![certificate(&[], &[])];
    let required = ClientAuth::Required(pins(&[&own]));
    let got = outcome(judge_client(required, raw, &none));
    assert_eq!(got, fault(Fault::NoClientCertificate));
}

/// A client that has a raw key alone, before a server that asks for a chain, or that says nothing of types, has nothing to show.
#[test]
fn a_raw_key_is_never_shown_where_a_chain_is_asked_for() {
    let (server, own) = (device(NAME), device("device"));
    let p256 = SignatureScheme::ECDSA_SECP256R1_SHA256.0;
    let ed25519 = SignatureScheme::ED25519.0;
    let none = certificate(&[], &[]);
    let key = certificate(&[], &[(info(&own), Extensions::default())]);
    for (name, types, scheme, want) in [
        ("nothing said", vec![], ed25519, &none),
        ("raw", vec![(CLIENT_TYPES, vec![RAW])], ed25519, &key),
        (
            "raw, of another kind",
            vec![(CLIENT_TYPES, vec![RAW])],
            p256,
            &none,
        ),
    ] {
        let config = ClientConfig::new(pins(&[&server])).credential(raw(&own));
        let mut engine = Engine::client(&config.build().unwrap(), Carrier::Records);
        let mut script = ScriptedServer::new(&engine.take()[0].bytes, 0x1301);
        let hello = script.hello();
        let hello = script.send_hello(&hello);
        engine.read(Level::Initial, &hello).unwrap();
        let request = Extensions(vec![(13, vec16(&codes(&[scheme])))]);
        let flight = [
            script.send(encrypted_extensions(&Extensions(types))),
            script.send(certificate_request(&[], &request)),
            script.certificate(&server),
            script.verify(&server),
            script.finished(),
        ];
        engine.read(Level::Handshake, &flight.concat()).unwrap();
        let answer: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        assert!(script.accepts(&answer), "{name}");
        assert_eq!(&answer[0], want, "{name}");
    }
}

#[test]
fn raw_keys_stay_agreed_upon_after_a_retry() {
    let (server, own) = (device(NAME), device("device"));
    let config = ServerConfig::new(raw(&server))
        .groups(&[Group::SecP384r1MlKem1024])
        .client_auth(ClientAuth::Required(pins(&[&own])))
        .keep_peer_chain(true);
    let client = ClientConfig::new(pins(&[&server]))
        .raw_keys(RawKeys::Preferred)
        .credential(raw(&own))
        .keep_peer_chain(true);
    let pair = Pair::connected(&client.build().unwrap(), &config.build().unwrap());
    assert!(pair.client.tls.summary().unwrap().retried);
    assert_eq!((shown(&pair.client), shown(&pair.server)), ("raw", "raw"));
}

/// Looks at what came and answers as it is told.
struct Gate(Mutex<Option<Verdict>>);

impl ChainVerifier for Gate {
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict {
        assert!(peer.certificates.is_empty() && peer.raw_key.is_some());
        self.0.lock().unwrap().take().unwrap()
    }
}

#[test]
fn the_application_has_the_last_word_about_a_raw_key() {
    let server = device(NAME);
    let why = || Reason::Rejected(PeerText::new("not today"));
    let no = || Err(CertificateError::new(Which::RawKey, why()));
    let refused = Some(AlertDescription::CERTIFICATE_UNKNOWN);
    for (name, verdict, late, want) in [
        ("yes", Verdict::Now(Ok(())), None, None),
        ("no", Verdict::Now(no()), None, refused),
        ("a late yes", Verdict::Later, Some(Ok(())), None),
        ("a late no", Verdict::Later, Some(no()), refused),
    ] {
        let config = ServerConfig::new(raw(&server)).build().unwrap();
        let client = ClientConfig::new(pins(&[&server]))
            .raw_keys(RawKeys::Preferred)
            .verifier(Arc::new(Gate(Mutex::new(Some(verdict)))));
        let mut pair = Pair::new(&client.build().unwrap(), &config);
        let mut result = pair.run();
        if let Some(verdict) = late {
            let question = pair.client.tls.question().unwrap();
            let Topic::VerifyChain { chain, raw_key, .. } = &question.topic else {
                panic!("{name}: {question:?}");
            };
            assert!(chain.is_empty(), "{name}");
            assert_eq!(raw_key.as_deref(), Some(&info(&server)[..]), "{name}");
            let answer = Answer::verdict(question, verdict);
            let answered = pair.client.tls.answer(answer, NOW);
            result = answered.and_then(|()| pair.run());
        }
        let got = result.err().and_then(|error| error.alert());
        assert_eq!(got, want, "{name}");
    }
}

/// A key that is elsewhere, and signs with this scheme, as it says.
struct Elsewhere(SigningKey, [SignatureScheme; 1]);

impl Signer for Elsewhere {
    fn schemes(&self) -> &[SignatureScheme] {
        &self.1
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Signature {
        Signature::Now(Ok(self.0.sign(scheme, message).unwrap()))
    }
}

#[test]
fn a_raw_key_may_be_signed_with_elsewhere() {
    let server = device(NAME);
    let signer = |scheme| {
        let key = SigningKey::from_der(&server.key).unwrap();
        Arc::new(Elsewhere(key, [scheme]))
    };
    let info = SubjectPublicKeyInfoDer::from(info(&server));
    let elsewhere = signer(SignatureScheme::ED25519);
    let own = Credential::raw_key_with_signer(info.clone(), elsewhere).unwrap();
    assert_eq!(own.key_pin(), key_pin(&server.chain[0]).unwrap());
    let config = ServerConfig::new(own).build().unwrap();
    let client = ClientConfig::new(pins(&[&server])).raw_keys(RawKeys::Preferred);
    Pair::connected(&client.build().unwrap(), &config);
    let other = signer(SignatureScheme::MLDSA65);
    let got = Credential::raw_key_with_signer(info, other).map(drop);
    assert_eq!(got, Err(ConfigError::KeyMismatch { belongs_to: None }));
}

#[test]
fn what_cannot_work_is_refused_by_constructors() {
    let (pki, own) = (Pki::new(), device("device"));
    let roots = ClientConfig::new(trust(&pki))
        .raw_keys(RawKeys::Preferred)
        .build();
    assert!(matches!(roots.err(), Some(ConfigError::Unsupported { .. })));
    let from = |pem: &str| Credential::raw_key_from_pem(pem.as_bytes()).map(drop);
    for (name, got) in [
        ("a chain for a key", from(&own.chain_pem)),
        ("nothing", from("")),
        (
            "not a key",
            from("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ),
    ] {
        let missing = matches!(got, Err(ConfigError::Missing { .. }));
        let unsupported = got == Err(ConfigError::KeyUnsupported);
        assert!(missing || unsupported, "{name}: {got:?}");
    }
    let certificate: &CertificateDer<'_> = &own.chain[0];
    let got = raw_key_pin(&SubjectPublicKeyInfoDer::from(&certificate[..]));
    assert!(
        matches!(got, Err(ConfigError::Certificate { .. })),
        "{got:?}"
    );
}

/// A client that takes raw keys alone, as those of rustls and BoringSSL, refuses a server that resumes without saying so.
#[test]
fn a_resumed_connection_says_again_what_the_server_would_show() {
    let (server, own) = (device(NAME), device("device"));
    let config = ServerConfig::new(raw(&server)).client_auth(ClientAuth::Required(pins(&[&own])));
    let config = config.build().unwrap();
    let client = ClientConfig::new(pins(&[&server]))
        .raw_keys(RawKeys::Only)
        .credential(raw(&own))
        .sessions(SessionStore::new());
    let client = client.build().unwrap();
    for resumes in [false, true] {
        let mut duo = Duo::records(&client, &config);
        let mut answers = Extensions::default();
        let outcome = duo.run_with(|flight| {
            for piece in &flight.pieces {
                if piece.bytes[0] == kind::ENCRYPTED_EXTENSIONS {
                    answers = Extensions::parse(&piece.bytes[4..]);
                }
            }
            flight.pieces
        });
        assert_eq!(outcome, Outcome::Complete);
        assert_eq!(answers.body(SERVER_TYPES), [RAW], "resumed: {resumes}");
        assert_eq!(
            answers.has(CLIENT_TYPES),
            !resumes,
            "nothing is asked for then"
        );
        for (side, peer) in [(&duo.client, &server), (&duo.server, &own)] {
            let summary = side.summary.as_ref().unwrap();
            assert_eq!(summary.resumed(), resumes);
            let pin = key_pin(&peer.chain[0]).unwrap();
            assert_eq!(summary.peer_key, Some(pin), "resumed: {resumes}");
        }
    }
}

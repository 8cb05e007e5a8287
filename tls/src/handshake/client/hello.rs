//! A client's hellos: START and WAIT_SH.

use std::sync::Arc;

use bytes::Bytes;
use pith_crypto::{Secret, random};
use pith_pq::{Group, Offer, Share, offer};
use pki_types::{DnsName, ServerName};

use super::State;
use super::flight::{Early, WaitEncryptedExtensions};
use super::psk::{InUse, Offers, Selected, ticket_request};
use crate::auth::Trust;
use crate::config::ClientConfig;
use crate::error::{Error, Fault, Local};
use crate::handshake::Context;
use crate::handshake::joiner::Message;
use crate::handshake::output::{Direction, Level, Output};
use crate::keylog::ConnectionLog;
use crate::record::shape::RecordShape;
use crate::schedule::secrets::{HandshakeSecret, MainSecret, Traffic};
use crate::schedule::transcript::Transcript;
use crate::suite::CipherSuite;
use crate::wire::ExtensionType;
use crate::wire::client_hello::ClientOffer;
use crate::wire::grease::Grease;
use crate::wire::pre_shared_key::TicketRequest;
use crate::wire::server_hello::{HelloRetryRequest, ServerHello};

/// What stays the same in both hellos of a handshake (rfc9846#4.2.2-2).
struct Hello {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    random: [u8; 32],
    /// For middleboxes alone.
    session_id: Option<[u8; 32]>,
    transport_parameters: Option<Bytes>,
    record_size_limit: Option<u16>,
    grease: Option<Grease>,
    ticket_request: Option<TicketRequest>,
    /// Of these, a second hello may hold fewer.
    psks: Offers,
    /// What was agreed on before, where early data goes with the hello.
    early: Option<EarlyOffer>,
}

/// Under what early data was sent.
pub(super) struct EarlyOffer {
    suite: CipherSuite,
    protocol: Option<Box<[u8]>>,
    most: u32,
}

impl Hello {
    /// The message, the extensions that a server may answer, and, with pre-shared keys, the transcript up to here. `transcript` is what
    /// goes before a second hello.
    fn encode(
        &self,
        shares: &[Share],
        cookie: Option<&[u8]>,
        transcript: Option<&Transcript>,
    ) -> Result<(Vec<u8>, Vec<ExtensionType>, Option<Transcript>), Error> {
        let server_name = match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref()),
            // RFC 6066 section 3: an address is not sent.
            _ => None,
        };
        let offer = ClientOffer {
            random: &self.random,
            session_id: self.session_id(),
            server_name,
            suites: &self.config.suites,
            groups: &self.config.groups,
            schemes: &self.config.schemes,
            protocols: &self.config.protocols,
            transport_parameters: self.transport_parameters.as_deref(),
            request_ocsp: self.config.request_ocsp,
            record_size_limit: self.record_size_limit,
            client_certificate_types: &self.config.client_types,
            server_certificate_types: self.config.server_types,
            compression: self.config.compression,
            grease: self.grease,
            takes_psks: self.config.sessions.is_some() || !self.psks.is_empty(),
            ticket_request: self.ticket_request,
            early_data: self.early.is_some() && transcript.is_none(),
        };
        let (mut message, extensions) = offer.encode(shares, cookie, &self.psks.list())?;
        let transcript = self.psks.bind(&mut message, transcript)?;
        Ok((message, extensions, transcript))
    }

    /// The suite that the server chose, which must have been offered (rfc9846#4.2.3-6, rfc9846#4.2.4-7).
    fn suite(&self, code: u16) -> Result<CipherSuite, Fault> {
        CipherSuite::from_code(code)
            .filter(|suite| self.config.suites.contains(suite))
            .ok_or(Fault::SuiteNotOffered)
    }

    /// The group that the server chose, which must have been named (rfc9846#4.3.8-7).
    fn group(&self, code: u16) -> Result<Group, Fault> {
        Group::from_code(code)
            .filter(|group| self.config.groups.contains(group))
            .ok_or(Fault::GroupNotOffered)
    }

    fn session_id(&self) -> &[u8] {
        self.session_id.as_ref().map_or(&[], <[u8; 32]>::as_slice)
    }

    fn check_echo(&self, session_id: &[u8]) -> Result<(), Fault> {
        // rfc9846#4.2.3-5
        if session_id == self.session_id() {
            Ok(())
        } else {
            Err(Fault::SessionIdEcho)
        }
    }
}

/// The one form in which a name is sent, compared and shown: lower case, and without a dot at its end (RFC 6066 section 3).
pub(crate) fn normal(name: ServerName<'static>) -> ServerName<'static> {
    let ServerName::DnsName(dns) = &name else {
        return name;
    };
    let text = dns.as_ref();
    if !text.ends_with('.') && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return name;
    }
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    DnsName::try_from(text).map_or(name, ServerName::DnsName)
}

/// A client that waits for the first answer to its hello.
pub(crate) struct WaitServerHello {
    hello: Hello,
    offer: Offer,
    shares: Vec<Share>,
    /// The encoded hello, until its hash is known.
    sent: Bytes,
    /// With it, by the hash of the first pre-shared key.
    transcript: Option<Transcript>,
    offered: Vec<ExtensionType>,
}

/// A client that waits for the answer to its second hello.
pub(crate) struct WaitSecondServerHello {
    hello: Hello,
    offer: Offer,
    offered: Vec<ExtensionType>,
    transcript: Transcript,
    suite: CipherSuite,
}

/// Random bytes of a hello: its random value, the session id, and what GREASE is made of.
type Fresh = [[u8; 32]; 3];

/// Begins a handshake: its hello is queued.
pub(in crate::handshake) fn start(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    transport_parameters: Option<Bytes>,
    cx: &mut Context<'_>,
) -> Result<State, Error> {
    // One call, since each costs as much as many bytes do.
    let mut fresh = Fresh::default();
    random::fill(fresh.as_flattened_mut())?;
    let [own_random, session_id, choices] = fresh;
    // rfc9846#4.2.2-8, rfc9846#4.2.2-9
    let session_id = cx.rules.has_compatibility_mode().then_some(session_id);
    let grease = choices.first_chunk().filter(|_| config.grease);
    let grease = grease.map(|choices| Grease::new(*choices));
    let records = config.records;
    cx.shape_records(RecordShape::new(records.block));
    let name = normal(name);
    let psks = Offers::take(&config, &name, cx)?;
    let early = psks.early(&config).map(|(session, _)| EarlyOffer {
        suite: session.suite,
        protocol: session.protocol.clone(),
        most: session.max_early_data,
    });
    let hello = Hello {
        ticket_request: ticket_request(&config),
        psks,
        early,
        record_size_limit: records.limit.filter(|_| cx.rules.has_records()),
        grease,
        config,
        name,
        random: own_random,
        session_id,
        transport_parameters,
    };
    let (offer, shares) = offer(&hello.config.shares).map_err(own_share)?;
    // rfc9846#4.3.2-2: no cookie is kept for another connection.
    let (sent, offered, mut transcript) = hello.encode(&shares, None, None)?;
    let sent = Bytes::from(sent);
    // rfc9846#4.2.2-1
    cx.outputs.send(Level::Initial, sent.clone());
    if let (Some(psk), Some(transcript)) = (hello.psks.first(), &mut transcript) {
        let log = ConnectionLog::new(hello.config.key_log.as_ref(), hello.random);
        let digest = transcript.digest();
        cx.keep_early_exporter(psk, digest.as_ref(), log.as_ref())?;
        offer_early_data(&hello, digest.as_ref(), log.as_ref(), cx)?;
    }
    Ok(State::WaitServerHello(Box::new(WaitServerHello {
        hello,
        offer,
        shares,
        sent,
        transcript,
        offered,
    })))
}

/// Opens the way for early data behind the hello with this digest, where the first session allows some.
fn offer_early_data(
    hello: &Hello,
    digest: &[u8],
    log: Option<&ConnectionLog>,
    cx: &mut Context<'_>,
) -> Result<(), Error> {
    let Some((session, psk)) = hello.psks.early(&hello.config) else {
        return Ok(());
    };
    // RFC 9846 appendix E.4: right behind the hello, where early data follows it.
    if cx.rules.has_compatibility_mode() {
        cx.outputs.push(Output::ChangeCipherSpec);
    }
    let secret = psk.traffic(session.suite, digest)?;
    if let Some(log) = log {
        log.secret("CLIENT_EARLY_TRAFFIC_SECRET", secret.expose());
    }
    cx.outputs.push(Output::OfferEarlyData {
        most: session.max_early_data,
        application: Bytes::copy_from_slice(&session.application),
        carrier: Bytes::copy_from_slice(&session.carrier_data),
    });
    cx.outputs.keys(Level::EarlyData, Direction::Write, secret);
    Ok(())
}

impl WaitServerHello {
    pub(super) fn on_retry(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self {
            mut hello,
            mut offer,
            mut shares,
            sent,
            offered,
            transcript: _,
        } = *self;
        let retry = HelloRetryRequest::decode(message.body, &offered)?;
        // rfc9846#4.2.4-3
        hello.check_echo(retry.session_id)?;
        let suite = hello.suite(retry.suite)?;
        match retry.group {
            Some(code) => {
                let group = hello.group(code)?;
                // rfc9846#4.3.8-7, rfc9846#4.3.8-8
                if shares.iter().any(|share| share.group == group) {
                    return Err(Fault::RetryOfferedGroup.into());
                }
                // rfc9846#4.3.8-9: nothing of the first offer is used again.
                (offer, shares) = pith_pq::offer(&[group]).map_err(own_share)?;
                // rfc9846#4.2.2-2: the one share that was asked for.
                hello.grease = hello.grease.map(Grease::without_share);
            }
            // rfc9846#4.2.4-4
            None if retry.cookie.is_none() => return Err(Fault::RetryWithoutChange.into()),
            None => {}
        }
        let mut transcript = Transcript::new(suite.hash(), &sent).retried(message.whole);
        hello.psks.retry(suite.hash(), cx.now);
        *cx.early = None;
        // rfc9846#4.2.4-6, rfc9846#4.3.2-1
        let (second, offered, _) = hello.encode(&shares, retry.cookie, Some(&transcript))?;
        transcript.add(&second);
        match &hello.early {
            // Its ChangeCipherSpec went out before the early data.
            Some(_) => cx.outputs.push(Output::EarlyData { accepted: None }),
            None if cx.rules.has_compatibility_mode() => {
                cx.outputs.push(Output::ChangeCipherSpec);
            }
            None => {}
        }
        cx.outputs.send(Level::Initial, second);
        let next = WaitSecondServerHello {
            hello,
            offer,
            offered,
            transcript,
            suite,
        };
        Ok(State::WaitSecondServerHello(Box::new(next)))
    }

    pub(super) fn on_server_hello(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self {
            hello,
            offer,
            sent,
            transcript,
            offered,
            shares: _,
        } = *self;
        let server = ServerHello::decode(message.body, &offered)?;
        let suite = hello.suite(server.suite)?;
        let transcript = transcript
            .filter(|transcript| transcript.hash() == suite.hash())
            .unwrap_or_else(|| Transcript::new(suite.hash(), &sent));
        let accepted = Accepted {
            hello,
            offer,
            offered,
            transcript,
            suite,
            retried: false,
        };
        accepted.finish(&server, message, cx)
    }
}

impl WaitSecondServerHello {
    pub(super) fn on_server_hello(
        self: Box<Self>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        let Self {
            hello,
            offer,
            offered,
            transcript,
            suite,
        } = *self;
        let server = ServerHello::decode(message.body, &offered).map_err(|fault| {
            // rfc9846#4.2.4-10: after a retry by TLS 1.3, an older version is a change and not an older server.
            if matches!(fault, Fault::NoTls13 { .. } | Fault::Downgrade) {
                Fault::SelectedVersion
            } else {
                fault
            }
        })?;
        // rfc9846#4.2.4-9
        if server.suite != suite.code() {
            return Err(Fault::SuiteChanged.into());
        }
        let accepted = Accepted {
            hello,
            offer,
            offered,
            transcript,
            suite,
            retried: true,
        };
        accepted.finish(&server, message, cx)
    }
}

/// A ServerHello whose suite is accepted.
struct Accepted {
    hello: Hello,
    /// The keys behind the shares of the hello that is answered.
    offer: Offer,
    offered: Vec<ExtensionType>,
    transcript: Transcript,
    suite: CipherSuite,
    retried: bool,
}

impl Accepted {
    fn finish(
        mut self,
        server: &ServerHello<'_>,
        message: Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<State, Error> {
        self.hello.check_echo(server.session_id)?;
        let group = self.hello.group(server.group)?;
        // rfc9846#4.3.8-10, rfc9846#4.3.8-12, rfc9846#4.3.8-13
        if !self.offer.has(group) {
            return Err(if self.retried {
                Fault::GroupChanged
            } else {
                Fault::GroupNotOffered
            }
            .into());
        }
        let shared = self
            .offer
            .finish(group, server.share)
            .map_err(|error| peer_share(error, group))?;
        if server.selected_psk != Some(0) {
            *cx.early = None;
        }
        self.transcript.add(message.whole);
        let log = ConnectionLog::new(self.hello.config.key_log.as_ref(), self.hello.random);
        let (psk, secret) = match self
            .hello
            .psks
            .select(server.selected_psk, self.suite, group)?
        {
            Some(Selected { key, secret }) => {
                let (secret, proof) = secret.handshake(self.suite, &shared)?;
                (Some(InUse { key, proof }), secret)
            }
            None if matches!(self.hello.config.trust, Trust::PreSharedKeys) => {
                return Err(Fault::PskNotSelected.into());
            }
            None => (None, HandshakeSecret::without_psk(self.suite, &shared)?),
        };
        let traffic = handshake_keys(&secret, &mut self.transcript, log.as_ref())?;
        let (client_finished, server_finished) =
            (traffic.client.finished()?, traffic.server.finished()?);
        let early = self.hello.early.map(|offer| Early {
            suite: offer.suite,
            protocol: offer.protocol,
            most: offer.most,
            first: server.selected_psk == Some(0),
            open: !self.retried,
            held: None,
        });
        // Until the early data has ended, or is known to be rejected, this client's keys do not change (RFC 9846 section 4.6).
        let waits = early.as_ref().is_some_and(|early| early.open);
        let early = match (early, waits && cx.rules.has_end_of_early_data()) {
            (Some(early), true) => Some(Early {
                held: Some(traffic.client),
                ..early
            }),
            (early, _) => {
                cx.outputs
                    .keys(Level::Handshake, Direction::Write, traffic.client);
                early
            }
        };
        cx.outputs
            .keys(Level::Handshake, Direction::Read, traffic.server);
        Ok(State::WaitEncryptedExtensions(Box::new(
            WaitEncryptedExtensions {
                config: self.hello.config,
                name: self.hello.name,
                offered: self.offered,
                suite: self.suite,
                group,
                retried: self.retried,
                transcript: self.transcript,
                secret,
                client_finished,
                server_finished,
                psk,
                log,
                early,
            },
        )))
    }
}

/// The traffic secrets after a ServerHello, which the transcript holds already.
pub(in crate::handshake) fn handshake_keys(
    secret: &HandshakeSecret,
    transcript: &mut Transcript,
    log: Option<&ConnectionLog>,
) -> Result<Traffic, Error> {
    let traffic = secret.traffic(transcript.digest().as_ref())?;
    if let Some(log) = log {
        log.secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", traffic.client.expose());
        log.secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", traffic.server.expose());
    }
    Ok(traffic)
}

/// A failure with the peer's share. A value that the group does not have is the peer's fault, and the alert is the one of
/// the hybrid draft; a KEM that fails otherwise is `internal_error`.
pub(in crate::handshake) fn peer_share(error: pith_pq::Error, group: Group) -> Error {
    match error {
        pith_pq::Error::Length { expected, got } => Fault::KeyShareLength {
            group,
            expected,
            got,
        }
        .into(),
        pith_pq::Error::Encoding | pith_pq::Error::Share => Fault::KeyShareInvalid { group }.into(),
        pith_pq::Error::Crypto(error) => error.into(),
        _ => Local::Internal("a key exchange for a group that was not offered").into(),
    }
}

fn own_share(error: pith_pq::Error) -> Error {
    match error {
        pith_pq::Error::Crypto(error) => error.into(),
        _ => Local::Internal("an offer of key shares").into(),
    }
}

/// What follows from a server's Finished.
pub(in crate::handshake) struct ApplicationKeys {
    pub(in crate::handshake) traffic: Traffic,
    pub(in crate::handshake) main: MainSecret,
    pub(in crate::handshake) exporter: Secret,
}

/// The secrets after a server's Finished, which the transcript holds already, and the exporter's.
pub(in crate::handshake) fn application_keys(
    secret: HandshakeSecret,
    transcript: &mut Transcript,
    log: Option<&ConnectionLog>,
) -> Result<ApplicationKeys, Error> {
    let digest = transcript.digest();
    let main = secret.main()?;
    let traffic = main.traffic(digest.as_ref())?;
    let exporter = main.exporter(digest.as_ref())?;
    if let Some(log) = log {
        log.secret("CLIENT_TRAFFIC_SECRET_0", traffic.client.expose());
        log.secret("SERVER_TRAFFIC_SECRET_0", traffic.server.expose());
        log.secret("EXPORTER_SECRET", exporter.expose());
    }
    Ok(ApplicationKeys {
        traffic,
        main,
        exporter,
    })
}

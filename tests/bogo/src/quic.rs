//! The runner's stand-in for QUIC: the handshake of [`pith_tls::Handshake`] by levels, in frames that show the traffic secrets of
//! their level in place of protection, so that each side sees whether the other has the same.
//!
//! A frame is a content type, a level, the code of a suite, a length of four bytes, the secret and the content. There is neither
//! loss nor a close: the end of the stream is the end.

use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{
    Answer, Carrier, ClientConfig, Direction, EarlyData, Error, Handshake, Level, Local, Now,
    Output, Question, Received, Sent, ServerConfig, ServerName, Summary, Topic, TrafficSecret,
};

use crate::link::Link;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const HEADER: usize = 8;
const LEVELS: [Level; 4] = [
    Level::Initial,
    Level::EarlyData,
    Level::Handshake,
    Level::Application,
];

/// What the test says of this side.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parameters {
    pub(crate) own: Vec<u8>,
    /// What a server's tickets remember: early data is taken only where it is the same.
    pub(crate) early_data_context: Vec<u8>,
}

/// A handshake over the stand-in.
pub(crate) struct Quic {
    handshake: Handshake,
    parameters: Parameters,
    /// Of each level the suite and the secret, none of the first.
    read: [Option<Secret>; 4],
    write: [Option<Secret>; 4],
    /// The highest level with a secret to write under.
    write_level: Level,
    output: Vec<u8>,
    summary: Option<Arc<Summary>>,
    question: Option<Question>,
    early_data: EarlyData,
    peer_parameters: Option<Vec<u8>>,
    failed: Option<Error>,
}

#[derive(Clone)]
struct Secret {
    suite: u16,
    bytes: Vec<u8>,
}

impl Secret {
    fn of(secret: &TrafficSecret) -> Self {
        Self {
            suite: secret.suite().code(),
            bytes: secret.expose().to_vec(),
        }
    }
}

/// One whole frame of the runner.
struct Frame {
    kind: u8,
    level: Level,
    /// Where in the input its content is.
    content: std::ops::Range<usize>,
}

impl Quic {
    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        parameters: Parameters,
        now: Now,
    ) -> Result<Self, Error> {
        let transport_parameters = Some(Bytes::copy_from_slice(&parameters.own));
        let carrier = Carrier::Quic {
            version: 1,
            transport_parameters,
        };
        let handshake = Handshake::client(config, name, carrier, now)?;
        let mut quic = Self::new(handshake, parameters);
        quic.drain(now)?;
        Ok(quic)
    }

    pub(crate) fn server(config: Arc<ServerConfig>, parameters: Parameters) -> Self {
        let carrier = Carrier::Quic {
            version: 1,
            transport_parameters: None,
        };
        Self::new(Handshake::server(config, carrier), parameters)
    }

    fn new(handshake: Handshake, parameters: Parameters) -> Self {
        Self {
            handshake,
            parameters,
            read: [const { None }; 4],
            write: [const { None }; 4],
            write_level: Level::Initial,
            output: Vec::new(),
            summary: None,
            question: None,
            early_data: EarlyData::NotOffered,
            peer_parameters: None,
            failed: None,
        }
    }

    /// Obeys what the handshake wants.
    fn drain(&mut self, now: Now) -> Result<(), Error> {
        while let Some(output) = self.handshake.next() {
            match output {
                Output::Send { level, bytes } => self.frame(HANDSHAKE, level, &bytes),
                Output::Keys {
                    level,
                    direction,
                    secret,
                } => {
                    let secrets = match direction {
                        Direction::Read => &mut self.read,
                        Direction::Write => &mut self.write,
                    };
                    secrets[place(level)] = Some(Secret::of(&secret));
                    if direction == Direction::Write {
                        self.write_level = level;
                    }
                }
                Output::PeerTransportParameters(bytes) => {
                    self.peer_parameters = Some(bytes.to_vec());
                }
                Output::Ask(question) => self.ask(question, now)?,
                Output::OfferEarlyData { .. } => self.early_data = EarlyData::Offered,
                Output::EarlyData { accepted } => {
                    self.early_data = match accepted {
                        Some(_) => EarlyData::Accepted,
                        None => EarlyData::Rejected,
                    };
                }
                Output::SkipEarlyData { .. } => self.early_data = EarlyData::Rejected,
                Output::Complete(summary) => self.summary = Some(summary),
                // Of records.
                _ => {
                    return Err(Error::Local(Local::Internal(
                        "an output that is not QUIC's",
                    )));
                }
            }
        }
        Ok(())
    }

    /// Answers for the transport at once, and leaves the rest to the test.
    fn ask(&mut self, question: Question, now: Now) -> Result<(), Error> {
        let Topic::TransportParameters { remembered } = &question.topic else {
            self.question = Some(question);
            return Ok(());
        };
        let context = &self.parameters.early_data_context;
        let fits = remembered.as_deref() == Some(context.as_slice());
        let answer = Answer::remembered_parameters(
            &question,
            Bytes::copy_from_slice(&self.parameters.own),
            Bytes::copy_from_slice(context),
            fits,
        );
        self.handshake.answer(answer, now)
    }

    fn frame(&mut self, kind: u8, level: Level, content: &[u8]) {
        let bytes = encode(kind, level, self.write[place(level)].as_ref(), content);
        self.output.extend_from_slice(&bytes);
    }

    /// Reads the frame at the front, if it is whole; `Ok(Err(n))` asks for so many bytes in all.
    fn decode(&self, input: &[u8]) -> Result<Result<Frame, usize>, Error> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER>() else {
            return Ok(Err(HEADER));
        };
        let [kind, level, high, low, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        if rest.len() < length {
            return Ok(Err(HEADER + length));
        }
        let level = *LEVELS
            .get(usize::from(level))
            .ok_or(broken("a frame of no level"))?;
        let (suite, secret) = match &self.read[place(level)] {
            Some(secret) => (secret.suite, secret.bytes.as_slice()),
            None if level == Level::Initial => (0, &[][..]),
            // Of early data that is rejected, which is all skipped.
            None if level == Level::EarlyData => {
                let content = HEADER + length..HEADER + length;
                let kind = HANDSHAKE;
                return Ok(Ok(Frame {
                    kind,
                    level,
                    content,
                }));
            }
            None => return Err(broken("a frame of a level that is not open")),
        };
        if suite != u16::from_be_bytes([high, low]) || !rest[..length].starts_with(secret) {
            return Err(broken("a frame under another suite or secret"));
        }
        Ok(Ok(Frame {
            kind,
            level,
            content: HEADER + secret.len()..HEADER + length,
        }))
    }

    fn fail(&mut self, error: Error) -> Error {
        if let Some(alert) = error.alert() {
            self.frame(ALERT, self.write_level, &[2, alert.0]);
        }
        self.handshake.abandon(&error);
        self.failed = Some(error.clone());
        error
    }

    fn take<'a>(&mut self, now: Now, input: &'a mut [u8]) -> Result<Received<'a>, Error> {
        let frame = match self.decode(input)? {
            Ok(frame) => frame,
            Err(at_least) => return Ok(Received::NeedMore { at_least }),
        };
        let consumed = frame.content.end;
        let bytes = &input[frame.content];
        match frame.kind {
            HANDSHAKE if bytes.is_empty() => Ok(Received::Handled { consumed }),
            HANDSHAKE => {
                let read = self.handshake.read(frame.level, bytes, now);
                self.drain(now).and(read)?;
                Ok(Received::Handled { consumed })
            }
            DATA if frame.level == Level::EarlyData => Ok(Received::EarlyData { consumed, bytes }),
            DATA if frame.level == Level::Application && self.handshake.is_complete() => {
                self.handshake.saw_application_data();
                Ok(Received::Data { consumed, bytes })
            }
            _ => Err(broken("a frame that has no place here")),
        }
    }
}

impl Link for Quic {
    fn receive<'a>(&mut self, now: Now, input: &'a mut [u8]) -> Result<Received<'a>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.question.is_some() {
            return Ok(Received::Blocked);
        }
        self.take(now, input).map_err(|error| self.fail(error))
    }

    fn send(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let waiting = self.transmit(output);
        let secret = self.write[place(Level::Application)].as_ref();
        let frame = encode(DATA, Level::Application, secret, plaintext);
        output[waiting..][..frame.len()].copy_from_slice(&frame);
        Ok(Sent {
            consumed: plaintext.len(),
            written: waiting + frame.len(),
        })
    }

    fn send_early(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        let secret = self.write[place(Level::EarlyData)].as_ref();
        let frame = encode(DATA, Level::EarlyData, secret, plaintext);
        output[..frame.len()].copy_from_slice(&frame);
        Ok(Sent {
            consumed: plaintext.len(),
            written: frame.len(),
        })
    }

    fn sealed_len(&self, plaintext: usize) -> usize {
        self.output.len() + HEADER + 48 + plaintext
    }

    fn transmit(&mut self, output: &mut [u8]) -> usize {
        let length = self.output.len().min(output.len());
        let bytes: Vec<_> = self.output.drain(..length).collect();
        output[..length].copy_from_slice(&bytes);
        length
    }

    fn close(&mut self) {}

    fn update_keys(&mut self) -> Result<(), Error> {
        self.handshake.update_keys(false)
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.handshake.export(label, context, out)
    }

    fn summary(&self) -> Option<&Summary> {
        self.summary.as_deref()
    }

    fn early_data(&self) -> EarlyData {
        self.early_data
    }

    fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    fn answer(&mut self, answer: Answer, now: Now) -> Result<(), Error> {
        self.question = None;
        let answered = self.handshake.answer(answer, now);
        let result = self.drain(now).and(answered);
        result.map_err(|error| self.fail(error))
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        self.peer_parameters.as_deref()
    }
}

fn encode(kind: u8, level: Level, secret: Option<&Secret>, content: &[u8]) -> Vec<u8> {
    let (suite, secret) = match secret {
        Some(secret) => (secret.suite, secret.bytes.as_slice()),
        None => (0, &[][..]),
    };
    let length = (secret.len() + content.len()) as u32;
    let [high, low] = suite.to_be_bytes();
    let front = [kind, place(level) as u8, high, low];
    [&front, &length.to_be_bytes()[..], secret, content].concat()
}

fn place(level: Level) -> usize {
    match level {
        Level::Initial => 0,
        Level::EarlyData => 1,
        Level::Handshake => 2,
        Level::Application => 3,
    }
}

fn broken(what: &'static str) -> Error {
    Error::Local(Local::Internal(what))
}

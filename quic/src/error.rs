//! Error codes, and every way in which a connection can end.
//!
//! A [`Fault`] is something that the peer did wrong: one variant for each rule, with the error code that the RFC names for it. One table holds them
//! all, so a fault without a code cannot be written. A [`TransportError`] is what goes into a CONNECTION_CLOSE frame: a fault, an alert of TLS, or
//! a failure on this side. A [`ConnectionError`] is what an application sees. Nothing here holds bytes of the peer but the reason that it
//! gave for closing, which is never formatted.

use core::fmt;

use bytes::Bytes;
use pith_tls::AlertDescription;

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// This side's application closed it.
    LocallyClosed,
    /// The peer's transport closed it.
    PeerClosed {
        /// The code that the peer gave.
        code: Code,
        /// The type of the frame that the peer found wrong, if it named one.
        frame: Option<u64>,
        /// The reason that the peer gave: any bytes at all.
        reason: Bytes,
    },
    /// The peer's application closed it.
    ApplicationClosed {
        /// The code that the peer's application gave.
        code: u64,
        /// The reason that it gave: any bytes at all.
        reason: Bytes,
    },
    /// Nothing came for as long as the sides agreed to wait (RFC 9000 section 10.1).
    IdleTimeout,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer has lost its state and said so by a Stateless Reset (RFC 9000 section 10.3).
    Reset,
    /// The server speaks no version that this client does (RFC 9000 section 6.2).
    NoCommonVersion,
    /// Nobody could tell whose datagrams are whose: a connection with [empty ids](crate::ClientConfigBuilder::empty_ids) needs the endpoint's only
    /// connection of that kind to the server's address, and an endpoint of one worker.
    Ambiguous,
    /// This side closed it: the peer broke the protocol, or something failed here.
    Transport(TransportError),
    /// This side closed it, since the TLS handshake failed.
    Tls(pith_tls::Error),
}

/// An error with which this side closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportError {
    /// The code in the CONNECTION_CLOSE frame.
    pub code: Code,
    /// The type of the frame that caused it, if one did.
    pub frame: Option<u64>,
    /// What happened, in words. Goes to the peer too: it says nothing that the peer does not know.
    pub reason: &'static str,
}

/// A transport error code (RFC 9000 section 20.1). Unknown ones are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u64);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)+) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($code);)+

            /// The name in the RFC; `None` for an unknown code and for the range of CRYPTO_ERROR.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Closed without an error.
    NO_ERROR = 0x00;
    /// Something failed on the sender's side.
    INTERNAL_ERROR = 0x01;
    /// The server does not accept a new connection.
    CONNECTION_REFUSED = 0x02;
    /// More data came than the advertised limits allow.
    FLOW_CONTROL_ERROR = 0x03;
    /// A frame for a stream past the advertised limit came.
    STREAM_LIMIT_ERROR = 0x04;
    /// A frame came for a stream that is in no state for it.
    STREAM_STATE_ERROR = 0x05;
    /// The final size of a stream changed, or data went past it.
    FINAL_SIZE_ERROR = 0x06;
    /// A frame is malformed.
    FRAME_ENCODING_ERROR = 0x07;
    /// Transport parameters are malformed, missing, forbidden or out of range.
    TRANSPORT_PARAMETER_ERROR = 0x08;
    /// More connection ids came than the advertised limit allows.
    CONNECTION_ID_LIMIT_ERROR = 0x09;
    /// Any other breach of the protocol.
    PROTOCOL_VIOLATION = 0x0a;
    /// A client's Initial packet holds a bad token.
    INVALID_TOKEN = 0x0b;
    /// The application closed the connection during the handshake.
    APPLICATION_ERROR = 0x0c;
    /// More CRYPTO data came than can be held.
    CRYPTO_BUFFER_EXCEEDED = 0x0d;
    /// A key update was wrong.
    KEY_UPDATE_ERROR = 0x0e;
    /// Keys have been used as often as their AEAD allows.
    AEAD_LIMIT_REACHED = 0x0f;
    /// The path does not carry QUIC's smallest datagram.
    NO_VIABLE_PATH = 0x10;
    /// Version information does not fit the version that was negotiated (RFC 9368).
    VERSION_NEGOTIATION_ERROR = 0x11;
}

impl Code {
    /// The code for a TLS alert, from CRYPTO_ERROR's range (rfc9001#4.8-1).
    #[must_use]
    pub fn crypto(alert: AlertDescription) -> Self {
        Self(CRYPTO_ERROR | u64::from(alert.0))
    }

    /// The TLS alert that the code stands for, if it is of CRYPTO_ERROR's range.
    #[must_use]
    pub fn alert(self) -> Option<AlertDescription> {
        let alert = self.0.checked_sub(CRYPTO_ERROR)?;
        u8::try_from(alert).ok().map(AlertDescription)
    }
}

/// The first code of CRYPTO_ERROR's range.
const CRYPTO_ERROR: u64 = 0x100;

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.alert()) {
            (Some(name), _) => f.write_str(name),
            (None, Some(alert)) => write!(f, "CRYPTO_ERROR ({alert})"),
            (None, None) => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TransportError {
    /// A failure on this side that is no fault of the peer.
    pub(crate) fn internal(what: &'static str) -> Self {
        Self {
            code: Code::INTERNAL_ERROR,
            frame: None,
            reason: what,
        }
    }

    /// The same error, caused by a frame of this type.
    pub(crate) fn in_frame(self, frame: u64) -> Self {
        Self {
            frame: Some(frame),
            ..self
        }
    }
}

impl From<Fault> for TransportError {
    fn from(fault: Fault) -> Self {
        let (code, _, reason) = fault.row();
        Self {
            code,
            frame: None,
            reason,
        }
    }
}

/// TLS says by its alert what goes to the peer; its own words stay here, since they may name what only this side knows.
impl From<&pith_tls::Error> for TransportError {
    fn from(error: &pith_tls::Error) -> Self {
        match error.alert() {
            Some(alert) => Self {
                code: Code::crypto(alert),
                frame: None,
                reason: alert.name().unwrap_or("alert"),
            },
            None => Self::internal("TLS"),
        }
    }
}

impl From<pith_crypto::Error> for TransportError {
    fn from(error: pith_crypto::Error) -> Self {
        match error {
            pith_crypto::Error::Exhausted => Self {
                code: Code::AEAD_LIMIT_REACHED,
                frame: None,
                reason: "the sending key is used up and could not be replaced",
            },
            _ => Self::internal("a primitive failed"),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.reason, self.code)?;
        match self.frame {
            Some(frame) => write!(f, ", frame type {frame:#x})"),
            None => f.write_str(")"),
        }
    }
}

impl core::error::Error for TransportError {}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocallyClosed => f.write_str("this side closed the connection"),
            Self::PeerClosed { code, .. } => write!(f, "the peer closed the connection: {code}"),
            Self::ApplicationClosed { code, .. } => {
                write!(
                    f,
                    "the peer's application closed the connection: code {code}"
                )
            }
            Self::IdleTimeout => f.write_str("the connection was idle for too long"),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::Reset => f.write_str("the peer has lost the connection's state and reset it"),
            Self::NoCommonVersion => {
                f.write_str("the server speaks no version of QUIC that this client does")
            }
            Self::Ambiguous => f.write_str(
                "with empty connection ids an endpoint of one worker can have one connection to an address; use another endpoint",
            ),
            Self::Transport(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for ConnectionError {}

impl From<TransportError> for ConnectionError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// The table of faults: error code, section and what happened in words.
macro_rules! faults {
    ($($name:ident => $code:ident, $section:literal, $text:literal;)+) => {
        /// What a peer did wrong: a variant for each rule, with its error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = concat!($text, " (section ", $section, ").")] $name,)+
        }

        impl Fault {
            /// Every fault, for tests that walk over all of them.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];

            fn row(self) -> (Code, &'static str, &'static str) {
                match self {
                    $(Self::$name => (Code::$code, $section, $text),)+
                }
            }
        }
    };
}

faults! {
    // Packets.
    ReservedBits => PROTOCOL_VIOLATION, "17.2", "a packet has reserved bits set";
    NoFrames => PROTOCOL_VIOLATION, "12.4", "a packet holds no frames";
    ServerToken => PROTOCOL_VIOLATION, "17.2.2", "a server's Initial packet holds a token";
    OldKeysAfterNew => KEY_UPDATE_ERROR, "RFC 9001 6.4", "a packet uses older keys than one with a lower number";
    AckWithOldKeys => KEY_UPDATE_ERROR, "RFC 9001 6.2", "a packet with old keys acknowledges one with newer keys";
    IntegrityLimit => AEAD_LIMIT_REACHED, "RFC 9001 6.6", "too many packets did not open";

    // CRYPTO and levels.
    CryptoAfterLevel => PROTOCOL_VIOLATION, "RFC 9001 4.1.3", "CRYPTO data came at a level that TLS has left";
    CryptoUnread => PROTOCOL_VIOLATION, "RFC 9001 4.1.3", "CRYPTO data was left over at a level when keys of a higher one came";
    EarlyDataLimit => PROTOCOL_VIOLATION, "RFC 9001 4.6.1", "a ticket has a limit of early data other than QUIC's own";
    LateClientAuth => PROTOCOL_VIOLATION, "RFC 9001 4.4", "a server asked for a certificate after the handshake";
    CompatibilityMode => PROTOCOL_VIOLATION, "RFC 9001 8.4", "a client asks for the compatibility mode of TLS over TCP";

    // Connection ids.
    TooManyIds => CONNECTION_ID_LIMIT_ERROR, "5.1.1", "more connection ids came than the advertised limit allows";
    TooManyRetirements => CONNECTION_ID_LIMIT_ERROR, "5.1.2", "more connection ids are to be retired than the peer has acknowledged";
    IdReused => PROTOCOL_VIOLATION, "19.15", "a connection id or its sequence number means two things";
    IdBesideEmptyId => PROTOCOL_VIOLATION, "19.15", "a connection id came from a peer whose id is empty";
    RetireUnknownId => PROTOCOL_VIOLATION, "19.16", "a connection id is retired that was not issued";
    RetireOwnId => PROTOCOL_VIOLATION, "19.16", "a connection id is retired in a packet that was sent to it";
    RetireEmptyId => PROTOCOL_VIOLATION, "19.16", "an empty connection id is retired";

    // Floods.
    Glitches => PROTOCOL_VIOLATION, "21.9", "too many frames changed nothing";

    // Frames in general.
    UnknownFrame => FRAME_ENCODING_ERROR, "12.4", "a frame has an unknown type";
    LongFrameType => PROTOCOL_VIOLATION, "12.4", "a frame type is not encoded as short as it can be";
    TruncatedFrame => FRAME_ENCODING_ERROR, "12.4", "a frame ends past its packet";
    MisplacedFrame => PROTOCOL_VIOLATION, "12.4", "a frame stands in a packet of a type where it is not allowed";
    ServerFrame => PROTOCOL_VIOLATION, "19.7 and 19.20", "a client sent a frame that only servers send";

    // What a frame holds.
    AckRange => FRAME_ENCODING_ERROR, "19.3.1", "an ACK frame acknowledges numbers below zero";
    CryptoOffset => FRAME_ENCODING_ERROR, "19.6", "a CRYPTO frame ends past the largest offset";
    EmptyToken => FRAME_ENCODING_ERROR, "19.7", "a NEW_TOKEN frame has an empty token";
    StreamOffset => FRAME_ENCODING_ERROR, "19.8", "a STREAM frame ends past the largest offset";
    StreamCount => FRAME_ENCODING_ERROR, "19.11 and 19.14", "a frame speaks of more streams than can be numbered";
    NewConnectionIdLength => FRAME_ENCODING_ERROR, "19.15", "a NEW_CONNECTION_ID frame has an id of no legal length";
    RetirePriorTo => FRAME_ENCODING_ERROR, "19.15", "a NEW_CONNECTION_ID frame retires itself";

    // Streams.
    ConnectionFlow => FLOW_CONTROL_ERROR, "4.1", "more data came than the connection's limit allows";
    StreamFlow => FLOW_CONTROL_ERROR, "4.1", "more data came than a stream's limit allows";
    StreamLimit => STREAM_LIMIT_ERROR, "4.6", "a frame is for a stream past the limit";
    StreamNotOpened => STREAM_STATE_ERROR, "19.8", "a frame is for a stream that its receiver has not opened";
    SendOnlyStream => STREAM_STATE_ERROR, "19.8", "a frame of a sender came for a stream on which it cannot send";
    ReceiveOnlyStream => STREAM_STATE_ERROR, "19.10", "a frame of a receiver came for a stream on which it cannot receive";
    FinalSizeChanged => FINAL_SIZE_ERROR, "4.5", "the final size of a stream changed";
    FinalSizeTooSmall => FINAL_SIZE_ERROR, "4.5", "the final size of a stream is below what came already";
    PastFinalSize => FINAL_SIZE_ERROR, "4.5", "data came past the final size of a stream";
    Fragments => PROTOCOL_VIOLATION, "21.7", "data came in more pieces with gaps between than are worth holding";
    CryptoBuffer => CRYPTO_BUFFER_EXCEEDED, "7.5", "more CRYPTO data came than is held";
    ReducedLimit => PROTOCOL_VIOLATION, "7.4.1", "a server took early data and lowered the limits that it was sent under";
    DatagramNotOffered => PROTOCOL_VIOLATION, "RFC 9221 3", "a DATAGRAM frame came that was never asked for";
    DatagramSize => PROTOCOL_VIOLATION, "RFC 9221 3", "a DATAGRAM frame is larger than was asked for";

    // Transport parameters.
    ParameterSyntax => TRANSPORT_PARAMETER_ERROR, "18", "transport parameters do not follow their syntax";
    ParameterTwice => TRANSPORT_PARAMETER_ERROR, "7.4", "a transport parameter came twice";
    TooManyParameters => TRANSPORT_PARAMETER_ERROR, "7.4", "there are too many transport parameters";
    ParameterRange => TRANSPORT_PARAMETER_ERROR, "18.2", "a transport parameter is out of range";
    ServerParameter => TRANSPORT_PARAMETER_ERROR, "18.2", "a client sent a transport parameter of servers";
    PreferredAddress => TRANSPORT_PARAMETER_ERROR, "18.2", "a preferred address has no connection id of its own to go with it";
    VersionInformation => TRANSPORT_PARAMETER_ERROR, "RFC 9368 4", "version information is malformed";
    ChosenVersion => VERSION_NEGOTIATION_ERROR, "RFC 9368 4", "the version of the connection is not the one that the peer says it chose";
    NoCommonVersion => VERSION_NEGOTIATION_ERROR, "RFC 9368 2.3", "a client lists no version that this server goes on in";
    NoVersionInformation => VERSION_NEGOTIATION_ERROR, "RFC 9368 4", "a server says nothing of its versions after they were negotiated";
    VersionDowngrade => VERSION_NEGOTIATION_ERROR, "RFC 9368 4", "a Version Negotiation packet was not the server's: it speaks other versions";
    MissingId => TRANSPORT_PARAMETER_ERROR, "7.3", "a transport parameter with a connection id is missing";
    WrongId => TRANSPORT_PARAMETER_ERROR, "7.3", "a connection id was not the one that the peer used: it was changed on the way";

    // Acknowledgments.
    UnsentAcked => PROTOCOL_VIOLATION, "13.1", "an ACK frame acknowledges a packet that was not sent";
    RejectedAcked => PROTOCOL_VIOLATION, "RFC 9001 4.6.2", "an ACK frame acknowledges early data that was rejected";
    SkippedAcked => PROTOCOL_VIOLATION, "21.4", "an ACK frame acknowledges a packet number that was left out";
}

impl Fault {
    /// The code that the RFCs name for this fault.
    #[must_use]
    pub fn code(self) -> Code {
        self.row().0
    }

    /// The section of the RFC that the peer broke; RFC 9000 where no other is named.
    #[must_use]
    pub fn section(self) -> &'static str {
        self.row().1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_become_crypto_errors_and_back() {
        for alert in 0..=u8::MAX {
            let code = Code::crypto(AlertDescription(alert));
            assert_eq!(code, Code(0x100 + u64::from(alert)));
            assert_eq!(code.alert(), Some(AlertDescription(alert)));
        }
        for code in [0, 0x10, 0xff, 0x200, u64::MAX] {
            assert_eq!(Code(code).alert(), None, "{code:#x}");
        }
    }

    #[test]
    fn errors_of_tls_carry_their_alert() {
        let rows = [
            (
                pith_tls::Error::Fault(pith_tls::Fault::NoCommonProtocol),
                Code(0x178),
                "no_application_protocol",
            ),
            (
                pith_tls::Error::Fault(pith_tls::Fault::UnexpectedLevel),
                Code(0x10a),
                "unexpected_message",
            ),
            (pith_tls::Error::Misuse("x"), Code::INTERNAL_ERROR, "TLS"),
        ];
        for (error, code, reason) in rows {
            let got = TransportError::from(&error);
            assert_eq!((got.code, got.frame, got.reason), (code, None, reason));
        }
    }

    #[test]
    fn errors_say_what_happened_and_with_which_code() {
        let error = TransportError::from(Fault::MisplacedFrame).in_frame(6);
        assert_eq!(
            error.to_string(),
            "a frame stands in a packet of a type where it is not allowed (PROTOCOL_VIOLATION, frame type 0x6)"
        );
        let closed = ConnectionError::PeerClosed {
            code: Code(0x178),
            frame: None,
            reason: Bytes::from_static(b"\x1b[2J"),
        };
        assert_eq!(
            closed.to_string(),
            "the peer closed the connection: CRYPTO_ERROR (no_application_protocol)"
        );
        assert_eq!(Code(0x4242).to_string(), "0x4242");
    }

    /// By number, from a reading of the sections that is apart from the table: all other tests would follow a wrong code there.
    #[test]
    fn every_fault_has_the_number_that_its_section_names() {
        use Fault as F;
        let numbers: &[(u64, &[F])] = &[
            // RFC 9000 section 4.1.
            (0x03, &[F::ConnectionFlow, F::StreamFlow]),
            // 4.6.
            (0x04, &[F::StreamLimit]),
            // 19.4, 19.5, 19.8, 19.10, 19.13.
            (
                0x05,
                &[F::StreamNotOpened, F::SendOnlyStream, F::ReceiveOnlyStream],
            ),
            // 4.5.
            (
                0x06,
                &[F::FinalSizeChanged, F::FinalSizeTooSmall, F::PastFinalSize],
            ),
            // 12.4, and 19.3.1, 19.6, 19.7, 19.8, 19.11, 19.14, 19.15.
            (
                0x07,
                &[
                    F::UnknownFrame,
                    F::TruncatedFrame,
                    F::AckRange,
                    F::CryptoOffset,
                    F::EmptyToken,
                    F::StreamOffset,
                    F::StreamCount,
                    F::NewConnectionIdLength,
                    F::RetirePriorTo,
                ],
            ),
            // 7.3, 7.4, 18, 18.2, and RFC 9368 section 4.
            (
                0x08,
                &[
                    F::ParameterSyntax,
                    F::ParameterTwice,
                    F::TooManyParameters,
                    F::ParameterRange,
                    F::ServerParameter,
                    F::PreferredAddress,
                    F::VersionInformation,
                    F::MissingId,
                    F::WrongId,
                ],
            ),
            // 5.1.1 and 5.1.2.
            (0x09, &[F::TooManyIds, F::TooManyRetirements]),
            // 7.4.1, 12.4, 13.1, 17.2, 17.2.2, 19.7, 19.15, 19.16, 19.20, 21.4, 21.7, 21.9; RFC 9001 sections 4.1.3, 4.4, 4.6.1 and 4.6.2;
            // RFC 9221 section 3.
            (
                0x0a,
                &[
                    F::ReservedBits,
                    F::NoFrames,
                    F::ServerToken,
                    F::LongFrameType,
                    F::MisplacedFrame,
                    F::ServerFrame,
                    F::ReducedLimit,
                    F::UnsentAcked,
                    F::SkippedAcked,
                    F::RejectedAcked,
                    F::IdReused,
                    F::IdBesideEmptyId,
                    F::RetireUnknownId,
                    F::RetireOwnId,
                    F::RetireEmptyId,
                    F::Fragments,
                    F::Glitches,
                    F::CryptoAfterLevel,
                    F::CryptoUnread,
                    F::EarlyDataLimit,
                    F::LateClientAuth,
                    F::CompatibilityMode,
                    F::DatagramNotOffered,
                    F::DatagramSize,
                ],
            ),
            // 7.5.
            (0x0d, &[F::CryptoBuffer]),
            // RFC 9001 sections 6.2 and 6.4.
            (0x0e, &[F::OldKeysAfterNew, F::AckWithOldKeys]),
            // RFC 9001 section 6.6.
            (0x0f, &[F::IntegrityLimit]),
            // RFC 9368 section 4.
            (
                0x11,
                &[
                    F::ChosenVersion,
                    F::NoCommonVersion,
                    F::NoVersionInformation,
                    F::VersionDowngrade,
                ],
            ),
        ];
        let mut named = Vec::new();
        for (number, faults) in numbers {
            for fault in *faults {
                assert_eq!(fault.code().0, *number, "{fault:?}");
                assert!(!named.contains(fault), "{fault:?} twice");
                named.push(*fault);
            }
        }
        for fault in Fault::ALL {
            assert!(named.contains(fault), "{fault:?} has no number here");
        }
    }

    #[test]
    fn every_fault_has_a_code_a_section_and_words_that_fit_a_packet() {
        for fault in Fault::ALL {
            assert!(fault.code().name().is_some(), "{fault:?}");
            assert!(!fault.section().is_empty(), "{fault:?}");
            assert!(fault.to_string().len() < 100, "{fault:?}");
        }
    }
}

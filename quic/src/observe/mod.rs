//! What happens on connections and endpoints, told to an observer: for qlog, metrics and logs.
//!
//! A configuration may say for each connection that begins who observes it ([`observers`](crate::ClientConfigBuilder::observers)), and an endpoint may
//! have an observer of its own. It is called on the thread that drives the connection, from inside the call that makes the event happen, and can
//! change nothing. Events hold numbers, names and connection ids: no key or secret, no reset token, no token, no data of an
//! application, and no bytes that the peer chose but connection ids, which anybody on the way can read. Without an observer an
//! event costs the look at an `Option`.
//!
//! What stands between one event and the next is compared and not hooked into: keys, metrics, timers and paths are told of after
//! each packet and each call ([`Connection`](crate::Connection)), in that order, if they have changed.

mod frames;
mod show;
mod watch;

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use pith_tls::{EarlyData, Now, Role};

use crate::error::{Code, ConnectionError};
use crate::path::Route;
use crate::recovery::Ecn;
use crate::wire::ConnectionId;

pub use crate::wire::{PacketType, Space};
pub use frames::{AckRanges, Frame, Frames};
pub(crate) use watch::{Keys, KnownPath, Standing, Watch};

/// Is told of every event of one connection or endpoint. A call that takes long holds it up.
pub trait Observer: Send {
    /// Takes note of an event, at a time on the clock of [`Now::monotonic`] that never goes back.
    fn seen(&mut self, at: Duration, seen: &Seen<'_>);
}

/// What a connection begins with.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Subject {
    /// This side.
    pub role: Role,
    /// The destination of the client's first Initial packet: names the connection on both sides.
    pub original: ConnectionId,
    /// This side's own id of the handshake.
    pub own: ConnectionId,
    /// Where the peer is, and where this side is, if that is known.
    pub route: Route,
    /// The version of QUIC.
    pub version: u32,
    /// When the connection began.
    pub began: Now,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// This side.
    Local,
    /// The peer.
    Remote,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// A connection began.
    Started(Subject),
    /// Transport parameters of one side are known.
    Parameters(Party, Parameters),
    /// The server's transport parameters of an earlier connection, by which a client sends early data. Those that are not remembered have their defaults.
    Restored(Parameters),
    /// The number of the version in which the connection goes on, if that is not the one that it began in.
    Version(u32),
    /// What became of early data (0-RTT).
    EarlyData(EarlyData),
    /// The application protocol that both sides agreed on, as this side's configuration names it.
    Protocol(&'a [u8]),
    /// The connection goes on to another state.
    State(State),
    /// A packet is sent.
    Sent(Packet, Frames<'a>),
    /// A packet of the peer came and opened.
    Received(Packet, Frames<'a>),
    /// A packet came whose keys may still come, and waits for them.
    #[non_exhaustive]
    Held {
        /// Its type.
        packet: PacketType,
        /// Its bytes.
        size: usize,
    },
    /// Something came and was dropped.
    #[non_exhaustive]
    Dropped {
        /// The type of the packet, as far as anybody can tell.
        packet: Option<PacketType>,
        /// Its bytes, or those of its datagram.
        size: usize,
        /// Why.
        why: DropReason,
    },
    /// A packet is taken for lost.
    Lost(Lost),
    /// Some of these have changed.
    Metrics(Metrics),
    /// The congestion controller goes on to another state.
    #[non_exhaustive]
    Congestion {
        /// The new state.
        state: Congestion,
        /// What led to it, if it was more than bytes that arrived.
        cause: Option<CongestionCause>,
    },
    /// What is known of ECN on the path.
    Ecn(EcnState),
    /// Keys came, or went.
    #[non_exhaustive]
    Key {
        /// For packets of this type.
        packet: PacketType,
        /// For those that this side sends, or those of its peer.
        of: Party,
        /// What became of them.
        change: KeyChange,
    },
    /// The timer of loss detection.
    LossTimer(LossTimer),
    /// Packets go out on another path from now on.
    Path(Route),
    /// This side asks whether the peer is at an address, or has stopped asking (RFC 9000 section 8.2).
    #[non_exhaustive]
    Validation {
        /// The path that is asked on.
        route: Route,
        /// Once it has stopped: whether the peer has answered.
        answered: Option<bool>,
    },
    /// Datagrams have at most so many bytes from now on.
    Mtu(u16),
    /// The connection is closed; this is told once.
    Closed(End),
    /// An endpoint has decided about a datagram without a connection.
    #[non_exhaustive]
    Admission {
        /// Where it came from; nothing where time alone decided.
        remote: Option<SocketAddr>,
        /// What was decided.
        decision: Decision,
    },
}

/// A packet that was sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// Its type; [`PacketType::space`] is the space that its number is of.
    pub packet: PacketType,
    /// Its number.
    pub number: u64,
    /// Its bytes in the datagram, header and tag included.
    pub size: usize,
    /// How many key updates came before it; zero for all but 1-RTT packets.
    pub generation: u64,
    /// How its datagram is or was marked.
    pub ecn: Ecn,
}

/// The transport parameters of one side (RFC 9000 section 18.2), but for tokens and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameters {
    /// On a server, the destination of the client's first Initial packet.
    pub original_destination: Option<ConnectionId>,
    /// The source of the side's first Initial packet.
    pub initial_source: Option<ConnectionId>,
    /// On a server, the source of its Retry packet.
    pub retry_source: Option<ConnectionId>,
    /// After how long a silence the side gives up; `None` for never.
    pub idle_timeout: Option<Duration>,
    /// Bytes of the largest datagram that it takes.
    pub udp_payload: u64,
    /// Bytes of all streams that it takes at first.
    pub data: u64,
    /// Bytes of a bidirectional stream that it opens itself.
    pub stream_data_bidi_local: u64,
    /// Bytes of a bidirectional stream that the other side opens.
    pub stream_data_bidi_remote: u64,
    /// Bytes of a unidirectional stream.
    pub stream_data_uni: u64,
    /// Bidirectional streams that it lets the other side open at first.
    pub streams_bidi: u64,
    /// Unidirectional ones.
    pub streams_uni: u64,
    /// The exponent of the delays in its ACK frames.
    pub ack_delay_exponent: u64,
    /// How long it may take to acknowledge.
    pub max_ack_delay: Duration,
    /// How many connection ids of the other side it holds.
    pub active_ids: u64,
    /// Bytes of the largest DATAGRAM frame that it takes; zero for none.
    pub datagram_frame: u64,
    /// Whether the other side must not migrate.
    pub no_migration: bool,
    /// Whether the fixed bit of packets to it may be anything.
    pub grease_quic_bit: bool,
}

/// Where a connection stands, after its handshake began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The handshake is complete on this side.
    Complete,
    /// And on the other.
    Confirmed,
    /// This side has closed.
    Closing,
    /// The peer has closed.
    Draining,
    /// All state is gone.
    Over,
}

/// Why something was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// It came from somewhere else than the peer is.
    Path,
    /// It is no packet of QUIC.
    Malformed,
    /// It is to or from somebody else, as its header says, or of another version.
    Foreign,
    /// It came before.
    Duplicate,
    /// Its keys are gone or never come.
    NoKeys,
    /// Its keys may come, and as many packets wait as may.
    HeldEnough,
    /// It does not open: it is not the peer's, or was changed on the way.
    Forged,
    /// A Retry or Version Negotiation packet for which there is no use.
    Unexpected,
}

/// A packet that is taken for lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// The space that its number is of.
    pub space: Space,
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub size: u16,
    /// Whether packets that were sent after it had arrived for so long; else there were too many of them.
    pub by_time: bool,
}

/// What recovery has measured on the path in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The smoothed round trip; before the first sample, what stands in for it.
    pub smoothed_rtt: Duration,
    /// The last sample.
    pub latest_rtt: Duration,
    /// The smallest.
    pub min_rtt: Duration,
    /// The mean deviation.
    pub rtt_variation: Duration,
    /// Probe timeouts in a row.
    pub probe_timeouts: u32,
    /// The congestion window in bytes.
    pub window: u64,
    /// Bytes in flight.
    pub in_flight: u64,
    /// The slow start threshold in bytes, once there is one.
    pub threshold: Option<u64>,
}

/// States of a congestion controller (RFC 9002 section 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Congestion {
    /// The window grows by what arrives.
    SlowStart,
    /// It was made smaller, and what was sent before that is not settled.
    Recovery,
    /// It grows slowly.
    Avoidance,
}

/// What changes the state of a congestion controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CongestionCause {
    /// Packets were lost.
    Loss,
    /// The peer counts more ECN-CE marks.
    Marks,
    /// Nothing got through for a long time.
    Persistent,
    /// What was taken for lost had arrived.
    Spurious,
}

/// What is known of ECN on a path (RFC 9000 section A.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EcnState {
    /// The first packets are marked.
    Testing,
    /// Enough are, and none is until the peer has counted right.
    Unknown,
    /// Packets are marked.
    Capable,
    /// None is.
    Failed,
}

/// What becomes of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// They came.
    Installed,
    /// They were updated, for the so manieth time, and this side began with it, or the peer.
    Updated(u64, Party),
    /// They are gone.
    Dropped,
    /// Those of this generation are gone, from before an update.
    OldDropped(u64),
}

/// What becomes of the timer of loss detection (RFC 9002 section A.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossTimer {
    /// It is set, to go off after so long.
    Set(Duration),
    /// It went off: packets are lost, or else probes are owed in this space.
    Expired(Option<Space>),
    /// There is nothing to wait for.
    Cancelled,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Who ended it; nobody, where time did.
    pub by: Option<Party>,
    /// How.
    pub cause: Cause,
    /// What this side says of it, where the fault is one that it found.
    pub reason: &'static str,
}

/// In which way a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// An application closed it, with this code.
    Application(u64),
    /// A transport did, with this code, for a frame of this type.
    Transport(Code, Option<u64>),
    /// Nothing came for too long.
    IdleTimeout,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer has lost its state.
    Reset,
    /// The server speaks no version that this client does.
    NoCommonVersion,
}

/// What an endpoint decides about datagrams that belong to no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// A client's whole hello is there, and the application is asked; the client has shown that it receives at its address, or has not.
    #[non_exhaustive]
    Asked {
        /// Whether it has.
        validated: bool,
    },
    /// It is let in.
    Accepted,
    /// It is told that it is not.
    Refused,
    /// It is told that its token is wrong.
    InvalidToken,
    /// It is sent a Retry.
    Retry,
    /// It is forgotten.
    Ignored,
    /// There are as many unfinished handshakes as may be, so its datagram is dropped, which is told of too.
    Full,
    /// So many clients are forgotten, whose hello did not come in time.
    Expired(u64),
    /// A packet of another version is answered by those that are spoken here.
    VersionNegotiation,
    /// A packet of a connection that is not known is answered by a Stateless Reset.
    Reset,
    /// A datagram is another worker's.
    Forwarded(u16),
    /// A datagram belongs nowhere.
    Dropped,
}

/// Chooses who observes a connection.
#[derive(Clone)]
pub(crate) struct Observers(Arc<Choose>);

type Choose = dyn Fn(&Subject) -> Option<Box<dyn Observer>> + Send + Sync;

impl Observers {
    pub(crate) fn new(
        choose: impl Fn(&Subject) -> Option<Box<dyn Observer>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(choose))
    }

    pub(crate) fn choose(&self, subject: &Subject) -> Option<Box<dyn Observer>> {
        (self.0)(subject)
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observers")
    }
}

impl From<&crate::wire::Parameters> for Parameters {
    fn from(parameters: &crate::wire::Parameters) -> Self {
        let idle = parameters.max_idle_timeout.get();
        Self {
            original_destination: parameters.original_destination_connection_id,
            initial_source: parameters.initial_source_connection_id,
            retry_source: parameters.retry_source_connection_id,
            idle_timeout: Some(Duration::from_millis(idle)).filter(|_| idle > 0),
            udp_payload: parameters.max_udp_payload_size.get(),
            data: parameters.initial_max_data.get(),
            stream_data_bidi_local: parameters.initial_max_stream_data_bidi_local.get(),
            stream_data_bidi_remote: parameters.initial_max_stream_data_bidi_remote.get(),
            stream_data_uni: parameters.initial_max_stream_data_uni.get(),
            streams_bidi: parameters.initial_max_streams_bidi.get(),
            streams_uni: parameters.initial_max_streams_uni.get(),
            ack_delay_exponent: parameters.ack_delay_exponent.get(),
            max_ack_delay: Duration::from_millis(parameters.max_ack_delay.get()),
            active_ids: parameters.active_connection_id_limit.get(),
            datagram_frame: parameters.max_datagram_frame_size.get(),
            no_migration: parameters.disable_active_migration,
            grease_quic_bit: parameters.grease_quic_bit,
        }
    }
}

impl End {
    /// What an error says. `code` is what this side's application closed with.
    pub(crate) fn of(error: &ConnectionError, code: u64) -> Self {
        let (by, cause, reason) = match error {
            ConnectionError::LocallyClosed | ConnectionError::Ambiguous => {
                (Some(Party::Local), Cause::Application(code), "")
            }
            ConnectionError::PeerClosed { code, frame, .. } => {
                (Some(Party::Remote), Cause::Transport(*code, *frame), "")
            }
            ConnectionError::ApplicationClosed { code, .. } => {
                (Some(Party::Remote), Cause::Application(*code), "")
            }
            ConnectionError::IdleTimeout => (None, Cause::IdleTimeout, ""),
            ConnectionError::HandshakeTimeout => (None, Cause::HandshakeTimeout, ""),
            ConnectionError::Reset => (Some(Party::Remote), Cause::Reset, ""),
            ConnectionError::NoCommonVersion => (Some(Party::Local), Cause::NoCommonVersion, ""),
            ConnectionError::Transport(error) => (
                Some(Party::Local),
                Cause::Transport(error.code, error.frame),
                error.reason,
            ),
            ConnectionError::Tls(error) => {
                let told = crate::error::TransportError::from(error);
                (
                    Some(Party::Local),
                    Cause::Transport(told.code, told.frame),
                    told.reason,
                )
            }
        };
        Self { by, cause, reason }
    }
}

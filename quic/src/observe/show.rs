//! Events in words, a line each.

use core::fmt;

use pith_tls::EarlyData;

use super::{
    Cause, Congestion, CongestionCause, Decision, DropReason, EcnState, End, Frames, KeyChange,
    LossTimer, Packet, Party, Seen, State,
};
use crate::wire::{PacketType, Space};

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(subject) => write!(
                f,
                "connection {:?} started, to {}",
                subject.original, subject.route.remote
            ),
            Self::Parameters(of, parameters) => {
                write!(f, "parameters of {of}: {parameters:?}")
            }
            Self::Restored(parameters) => {
                write!(f, "parameters of an earlier connection: {parameters:?}")
            }
            Self::Version(version) => write!(f, "goes on in version {version:#x}"),
            Self::EarlyData(status) => f.write_str(match status {
                EarlyData::NotOffered => "no early data",
                EarlyData::Offered => "early data offered",
                EarlyData::Accepted => "early data accepted",
                EarlyData::Rejected => "early data rejected",
            }),
            Self::Protocol(name) => write!(f, "protocol \"{}\"", name.escape_ascii()),
            Self::State(state) => write!(f, "connection {state}"),
            Self::Sent(packet, frames) => write!(f, "sent {packet}: {frames}"),
            Self::Received(packet, frames) => write!(f, "received {packet}: {frames}"),
            Self::Held { packet, size } => {
                write!(f, "{packet} packet of {size} bytes waits for its keys")
            }
            Self::Dropped { packet, size, why } => match packet {
                Some(packet) => write!(f, "dropped {packet} packet of {size} bytes: {why}"),
                None => write!(f, "dropped {size} bytes: {why}"),
            },
            Self::Lost(lost) => {
                let how = if lost.by_time { "time" } else { "reordering" };
                write!(f, "lost packet {} of {}, by {how}", lost.number, lost.space)
            }
            Self::Metrics(metrics) => write!(
                f,
                "rtt {:?}, window {}, in flight {}",
                metrics.smoothed_rtt, metrics.window, metrics.in_flight
            ),
            Self::Congestion { state, cause } => match cause {
                Some(cause) => write!(f, "congestion control in {state}, for {cause}"),
                None => write!(f, "congestion control in {state}"),
            },
            Self::Ecn(state) => write!(f, "ECN {state}"),
            Self::Key { packet, of, change } => write!(f, "{packet} keys of {of} {change}"),
            Self::LossTimer(timer) => write!(f, "loss timer {timer}"),
            Self::Path(route) => write!(f, "path to {}", route.remote),
            Self::Validation { route, answered } => {
                let remote = route.remote;
                match answered {
                    None => write!(f, "asks whether the peer is at {remote}"),
                    Some(true) => write!(f, "the peer is at {remote}"),
                    Some(false) => write!(f, "nobody answers at {remote}"),
                }
            }
            Self::Mtu(bytes) => write!(f, "datagrams of {bytes} bytes"),
            Self::Closed(end) => write!(f, "closed: {end}"),
            Self::Admission { remote, decision } => match remote {
                Some(remote) => write!(f, "{remote}: {decision}"),
                None => write!(f, "{decision}"),
            },
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} bytes", self.packet, self.number, self.size)
    }
}

/// The names of the frames.
impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, frame) in self.iter().enumerate() {
            let between = if at == 0 { "" } else { " " };
            write!(f, "{between}{}", frame.name())?;
        }
        Ok(())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Application(code) => write!(f, "application code {code}")?,
            Cause::Transport(code, frame) => {
                write!(f, "{code}")?;
                if let Some(frame) = frame {
                    write!(f, " in frame type {frame:#x}")?;
                }
            }
            Cause::IdleTimeout => f.write_str("idle for too long")?,
            Cause::HandshakeTimeout => f.write_str("the handshake took too long")?,
            Cause::Reset => f.write_str("reset")?,
            Cause::NoCommonVersion => f.write_str("no common version")?,
        }
        if let Some(by) = self.by {
            write!(f, ", by {by}")?;
        }
        match self.reason {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.write_str("installed"),
            Self::Updated(generation, by) => write!(f, "updated to {generation} by {by}"),
            Self::Dropped => f.write_str("dropped"),
            Self::OldDropped(generation) => write!(f, "{generation} dropped"),
        }
    }
}

impl fmt::Display for LossTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(after) => write!(f, "set to {after:?}"),
            Self::Expired(None) => f.write_str("expired: losses"),
            Self::Expired(Some(space)) => write!(f, "expired: probes in {space}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked { validated: true } => "client asks, validated",
            Self::Asked { validated: false } => "client asks",
            Self::Accepted => "client accepted",
            Self::Refused => "client refused",
            Self::InvalidToken => "client refused: its token is wrong",
            Self::Retry => "Retry sent",
            Self::Ignored => "client ignored",
            Self::Full => "dropped: too many unfinished handshakes",
            Self::Expired(clients) => return write!(f, "{clients} clients expired"),
            Self::VersionNegotiation => "Version Negotiation sent",
            Self::Reset => "Stateless Reset sent",
            Self::Forwarded(worker) => return write!(f, "forwarded to worker {worker}"),
            Self::Dropped => "dropped: belongs nowhere",
        })
    }
}

/// Words for the variants of enums without fields.
macro_rules! words {
    ($($name:ident { $($variant:ident => $word:literal,)+ })+) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        })+
    };
}

words! {
    Party {
        Local => "this side",
        Remote => "the peer",
    }
    PacketType {
        Initial => "Initial",
        ZeroRtt => "0-RTT",
        Handshake => "Handshake",
        OneRtt => "1-RTT",
    }
    Space {
        Initial => "Initial",
        Handshake => "Handshake",
        Application => "Application",
    }
    State {
        Complete => "complete",
        Confirmed => "confirmed",
        Closing => "closing",
        Draining => "draining",
        Over => "over",
    }
    DropReason {
        Path => "from elsewhere",
        Malformed => "malformed",
        Foreign => "not of this connection",
        Duplicate => "came before",
        NoKeys => "no keys",
        HeldEnough => "no keys yet, and too many wait",
        Forged => "does not open",
        Unexpected => "unexpected",
    }
    Congestion {
        SlowStart => "slow start",
        Recovery => "recovery",
        Avoidance => "avoidance",
    }
    CongestionCause {
        Loss => "losses",
        Marks => "ECN marks",
        Persistent => "persistent congestion",
        Spurious => "losses that were none",
    }
    EcnState {
        Testing => "testing",
        Unknown => "unknown",
        Capable => "capable",
        Failed => "failed",
    }
}

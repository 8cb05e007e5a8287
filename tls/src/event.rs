//! What happens on connections, told to an observer: for logs and counters.
//!
//! A configuration may have one [`Observer`] for all its connections. It is called on the thread that drives a connection, from
//! inside the call that makes the event happen; so a span or a task's own data tells whose it is. It cannot change anything.
//! Events hold what was negotiated and what failed: no secrets, no application data, and of the peer's bytes only those that
//! an [`Error`] holds, escaped when shown. Without an observer they cost a comparison.

use core::fmt;

use pith_crypto::SignatureScheme;
use pith_pq::Group;

use crate::auth::CertificateError;
use crate::error::{AlertDescription, Error};
use crate::handshake::joiner::first_message;
use crate::handshake::output::{Direction, Level, Output};
use crate::suite::CipherSuite;
use crate::wire::MessageKind;

/// Is told of every event. A call that takes long holds its connection up.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &Event<'_>);
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that begins.
    Client,
    /// The other.
    Server,
}

/// What happened. `Display` says it in a line, in English.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A handshake started.
    #[non_exhaustive]
    Started {
        /// This side.
        role: Role,
        /// The name of the policy.
        policy: &'static str,
    },
    /// A ClientHello, ServerHello or HelloRetryRequest came or is sent. It is not checked yet.
    #[non_exhaustive]
    Hello {
        /// `Read` when it came.
        direction: Direction,
        /// Which of them.
        message: MessageKind,
    },
    /// The handshake is complete.
    #[non_exhaustive]
    Negotiated {
        /// The cipher suite.
        suite: CipherSuite,
        /// The group of the key exchange.
        group: Group,
        /// Whether it took a HelloRetryRequest.
        retried: bool,
        /// Whether it resumes an earlier connection.
        resumed: bool,
        /// What the server signed with; nothing where a pre-shared key stood for its certificate.
        signature_scheme: Option<SignatureScheme>,
        /// What the client signed with, where it showed a certificate.
        client_signature_scheme: Option<SignatureScheme>,
    },
    /// The peer's chain was not accepted. [`Event::Failed`] follows.
    CertificateRefused(&'a CertificateError),
    /// An alert came or is sent. A `close_notify` that ends a direction is [`Event::Closed`] instead.
    #[non_exhaustive]
    Alert {
        /// `Read` when it came.
        direction: Direction,
        /// The alert.
        description: AlertDescription,
    },
    /// One or more tickets are sent (`Write`), or one came and is stored (`Read`).
    Ticket(Direction),
    /// A ticket came whose key is known, and a full handshake follows; says why.
    TicketRefused(&'static str),
    /// This server rejects the early data of its client; says why. The handshake goes on.
    EarlyDataRejected(&'static str),
    /// The keys of a direction were updated.
    KeysUpdated(Direction),
    /// A direction was closed in order: `Read` by the peer, `Write` by this side.
    Closed(Direction),
    /// The connection failed; this is its last event.
    Failed(&'a Error),
}

impl Event<'_> {
    /// The event of a message that came.
    pub(crate) fn of_message(message: MessageKind) -> Option<Self> {
        let hello = matches!(
            message,
            MessageKind::ClientHello | MessageKind::ServerHello | MessageKind::HelloRetryRequest
        );
        hello.then_some(Self::Hello {
            direction: Direction::Read,
            message,
        })
    }

    /// The event of an order to the carrier.
    pub(crate) fn of_output(output: &Output) -> Option<Self> {
        match output {
            // Only hellos go out at this level.
            Output::Send {
                level: Level::Initial,
                bytes,
            } => Some(Self::Hello {
                direction: Direction::Write,
                message: first_message(bytes, usize::MAX).ok()??.kind,
            }),
            // Besides those, only KeyUpdates go out at this level.
            Output::Send {
                level: Level::Application,
                bytes,
            } if bytes.first() == Some(&MessageKind::NewSessionTicket.code()) => {
                Some(Self::Ticket(Direction::Write))
            }
            Output::UpdateKeys(direction) => Some(Self::KeysUpdated(*direction)),
            Output::Complete(summary) => Some(Self::Negotiated {
                suite: summary.suite,
                group: summary.group,
                retried: summary.retried,
                resumed: summary.resumed(),
                signature_scheme: summary.signature_scheme,
                client_signature_scheme: summary.client_signature_scheme,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |direction| match direction {
            Direction::Read => "received",
            Direction::Write => "sent",
        };
        match self {
            Self::Started { role, policy } => {
                let role = match role {
                    Role::Client => "client",
                    Role::Server => "server",
                };
                write!(f, "handshake started as a {role} under policy {policy}")
            }
            Self::Hello { direction, message } => write!(f, "{message} {}", way(*direction)),
            Self::Negotiated {
                suite,
                group,
                retried,
                resumed,
                signature_scheme,
                client_signature_scheme,
            } => {
                write!(f, "negotiated {suite}, {group}")?;
                match signature_scheme {
                    Some(scheme) => write!(f, ", {scheme}")?,
                    None if *resumed => f.write_str(", resumed")?,
                    None => f.write_str(", by a pre-shared key")?,
                }
                if let Some(scheme) = client_signature_scheme {
                    write!(f, ", {scheme} of the client")?;
                }
                f.write_str(if *retried { ", after a retry" } else { "" })
            }
            Self::CertificateRefused(error) => write!(f, "certificate refused: {error}"),
            Self::Alert {
                direction,
                description,
            } => write!(f, "alert {description} {}", way(*direction)),
            Self::Ticket(direction) => write!(f, "ticket {}", way(*direction)),
            Self::TicketRefused(why) => write!(f, "ticket refused: {why}"),
            Self::EarlyDataRejected(why) => write!(f, "early data rejected: {why}"),
            Self::KeysUpdated(Direction::Read) => f.write_str("receiving keys updated"),
            Self::KeysUpdated(Direction::Write) => f.write_str("sending keys updated"),
            Self::Closed(Direction::Read) => f.write_str("closed by the peer"),
            Self::Closed(Direction::Write) => f.write_str("closed by this side"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

//! What a program says of its connections: one builder for each role, and the options of the transport that both share.

use core::fmt;
use core::net::{SocketAddrV4, SocketAddrV6};
use core::time::Duration;
use std::sync::Arc;

use crate::limits;
use crate::observe::{Observer, Observers, Subject};
use crate::path::{BASE_MTU, Preferred, PreferredAddresses};
use crate::recovery::INITIAL_RTT;
use crate::streams::LocalLimits;
use crate::token_store::TokenStore;
use crate::wire::{Version, Versions};

/// Configures the connections of a client.
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) tls: Arc<pith_tls::ClientConfig>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) tokens: Option<TokenStore>,
    pub(crate) empty_ids: bool,
}

/// Configures the connections of a server.
#[derive(Clone)]
pub struct ServerConfig {
    pub(crate) tls: Arc<pith_tls::ServerConfig>,
    pub(crate) transport: Arc<Transport>,
}

/// Builds a [`ClientConfig`].
#[must_use]
pub struct ClientConfigBuilder {
    tls: Arc<pith_tls::ClientConfig>,
    transport: Transport,
    tokens: Option<TokenStore>,
    empty_ids: bool,
}

/// Builds a [`ServerConfig`].
#[must_use]
pub struct ServerConfigBuilder {
    tls: Arc<pith_tls::ServerConfig>,
    transport: Transport,
}

/// How the window of what is in flight is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Congestion {
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
    /// NewReno, as RFC 9002 describes it.
    NewReno,
}

/// An option that no connection can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigError {
    what: &'static str,
}

/// The options of both roles.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(crate) versions: Versions,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) max_ack_delay: Duration,
    pub(crate) streams: LocalLimits,
    /// The largest DATAGRAM frame that is taken; 0 for none.
    pub(crate) datagrams: u64,
    pub(crate) congestion: Congestion,
    pub(crate) initial_rtt: Duration,
    pub(crate) ecn: bool,
    /// Bytes of the longest datagram that is tried.
    pub(crate) mtu: u16,
    /// Whether a server's clients may move by themselves.
    pub(crate) active_migration: bool,
    /// Where a server would rather be reached.
    pub(crate) preferred: Preferred,
    /// Where a client goes that is asked to.
    pub(crate) follows: PreferredAddresses,
    /// Packets that one key protects before it is updated, where that is less than its AEAD's limit.
    pub(crate) packets_per_key: u64,
    /// Packets that may fail to open over the life of a connection, where that is less than the AEAD's limit.
    pub(crate) forgeries: u64,
    pub(crate) observers: Option<Observers>,
    #[cfg(any(test, pith_test))]
    pub(crate) seed: Option<[u8; 32]>,
    #[cfg(test)]
    pub(crate) lie: Option<Lie>,
}

/// What a test has a side say instead of its transport parameters.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Lie {
    /// Left out.
    pub(crate) without: Option<u64>,
    /// Said behind the others.
    pub(crate) more: Vec<u8>,
    /// Bytes that are left of all of them.
    pub(crate) cut: Option<usize>,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            versions: Versions::default(),
            idle_timeout: Some(limits::IDLE_TIMEOUT),
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            keep_alive: None,
            max_ack_delay: MAX_ACK_DELAY,
            streams: LocalLimits::default(),
            datagrams: 0,
            congestion: Congestion::default(),
            initial_rtt: INITIAL_RTT,
            ecn: true,
            mtu: limits::MTU,
            active_migration: true,
            preferred: Preferred::default(),
            follows: PreferredAddresses::default(),
            packets_per_key: u64::MAX,
            forgeries: u64::MAX,
            observers: None,
            #[cfg(any(test, pith_test))]
            seed: None,
            #[cfg(test)]
            lie: None,
        }
    }
}

impl ClientConfig {
    /// Begins a configuration; `tls` names the application protocols, which QUIC cannot do without. Its key log is one by which Wireshark reads
    /// QUIC, and its observer hears of the handshakes.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a builder is the one way to a configuration"
    )]
    pub fn new(tls: Arc<pith_tls::ClientConfig>) -> ClientConfigBuilder {
        ClientConfigBuilder {
            tls,
            transport: Transport::default(),
            tokens: None,
            empty_ids: false,
        }
    }
}

impl ServerConfig {
    /// Begins a configuration; `tls` names the application protocols, which QUIC cannot do without. Its key log is one by which Wireshark reads
    /// QUIC, and its observer hears of the handshakes.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a builder is the one way to a configuration"
    )]
    pub fn new(tls: Arc<pith_tls::ServerConfig>) -> ServerConfigBuilder {
        ServerConfigBuilder {
            tls,
            transport: Transport::default(),
        }
    }
}

/// The options that both builders have, word for word.
macro_rules! transport_options {
    ($config:ident { $($own:ident),* }) => {
        /// The versions of QUIC that are spoken, most wanted first; by default 1 and 2. A client begins in the first, or in that of a session which it
        /// can resume, and lists the others; a server goes on in its first of those that the client lists. Sessions and tokens are of one version.
        pub fn versions(mut self, versions: &[Version]) -> Self {
            self.transport.versions = Versions::new(versions);
            self
        }

        /// How long nothing may come before a connection is given up, 30 seconds by default; `None` for as long as the peer likes. The peer may ask
        /// for less.
        pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
            self.transport.idle_timeout = timeout;
            self
        }

        /// How long a handshake may take, whatever comes meanwhile; 30 seconds by default.
        pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
            self.transport.handshake_timeout = timeout;
            self
        }

        /// After how long a silence something is sent, so that neither the peer nor a middlebox takes the connection for dead. Off by default.
        pub fn keep_alive(mut self, interval: Option<Duration>) -> Self {
            self.transport.keep_alive = interval;
            self
        }

        /// How many bidirectional and unidirectional streams the peer may have open at once; 100 of each by default.
        pub fn streams(mut self, bidirectional: u64, unidirectional: u64) -> Self {
            self.transport.streams.streams_bidi = bidirectional;
            self.transport.streams.streams_uni = unidirectional;
            self
        }

        /// How many bytes of one stream the peer may send before they are read: at first, and to what that grows where the application reads fast.
        pub fn stream_window(mut self, first: u64, largest: u64) -> Self {
            let streams = &mut self.transport.streams;
            (streams.bidi_local, streams.bidi_remote, streams.uni) = (first, first, first);
            streams.stream_max = largest.max(first);
            self
        }

        /// The same for all streams of a connection together.
        pub fn connection_window(mut self, first: u64, largest: u64) -> Self {
            self.transport.streams.connection = first;
            self.transport.streams.connection_max = largest.max(first);
            self
        }

        /// Takes DATAGRAM frames (RFC 9221) of at most so many bytes, type and length included. None are taken by default.
        pub fn datagrams(mut self, largest: u64) -> Self {
            self.transport.datagrams = largest;
            self
        }

        /// The congestion controller; CUBIC by default.
        pub fn congestion(mut self, congestion: Congestion) -> Self {
            self.transport.congestion = congestion;
            self
        }

        /// What stands in for the round trip before the first is measured; 333 ms by default.
        pub fn initial_rtt(mut self, rtt: Duration) -> Self {
            self.transport.initial_rtt = rtt;
            self
        }

        /// Whether packets are marked for ECN, where the path carries the marks; true by default. Only where the sockets can set and read them.
        pub fn ecn(mut self, ecn: bool) -> Self {
            self.transport.ecn = ecn;
            self
        }

        /// How many bytes of UDP payload a datagram may have at most, from 1,200 to 65,527; by default [`limits::MTU`]. What the path carries is found by
        /// trying (RFC 8899), beginning with 1,200; where that is the most nothing is tried.
        pub fn mtu(mut self, largest: u16) -> Self {
            self.transport.mtu = largest;
            self
        }

        /// Updates keys after so many packets, where their AEAD would allow more.
        pub fn packets_per_key(mut self, packets: u64) -> Self {
            self.transport.packets_per_key = packets;
            self
        }

        /// Says of each connection that begins who observes it, if anybody does. Off by default.
        pub fn observers(
            mut self,
            choose: impl Fn(&Subject) -> Option<Box<dyn Observer>> + Send + Sync + 'static,
        ) -> Self {
            self.transport.observers = Some(Observers::new(choose));
            self
        }

        /// Draws everything that is only to be unpredictable from this seed and the id of the connection, so that a run replays.
        #[cfg(any(test, pith_test))]
        pub fn seed(mut self, seed: [u8; 32]) -> Self {
            self.transport.seed = Some(seed);
            self
        }

        /// How many packets may fail to open over the life of a connection.
        #[cfg(any(test, pith_test))]
        pub fn forgeries(mut self, forgeries: u64) -> Self {
            self.transport.forgeries = forgeries;
            self
        }

        /// Says other transport parameters than the connection goes by.
        #[cfg(test)]
        pub(crate) fn lie(mut self, lie: Lie) -> Self {
            self.transport.lie = Some(lie);
            self
        }

        /// Checks and finishes the configuration.
        ///
        /// # Errors
        /// [`ConfigError`] names the option that no connection can have.
        pub fn build(self) -> Result<$config, ConfigError> {
            self.transport.check()?;
            Ok($config {
                tls: self.tls,
                transport: Arc::new(self.transport),
                $($own: self.$own,)*
            })
        }
    };
}

impl ClientConfigBuilder {
    transport_options!(ClientConfig { tokens, empty_ids });

    /// Keeps the tokens that servers give (NEW_TOKEN) in this store, and shows each once, to the server that gave it. Without one,
    /// [`Event::Token`](crate::Event::Token) tells of them.
    pub fn tokens(mut self, store: TokenStore) -> Self {
        self.tokens = Some(store);
        self
    }

    /// To which preferred addresses of servers connections go (RFC 9000 section 9.6); by default to all but those of this host or its link that a server
    /// elsewhere names. A connection first asks whether its server answers there: [`Event::Migrated`](crate::Event::Migrated) tells that it has gone, and
    /// [`Event::MigrationFailed`](crate::Event::MigrationFailed) that it stays.
    pub fn preferred_addresses(mut self, which: PreferredAddresses) -> Self {
        self.transport.follows = which;
        self
    }

    /// Whether servers address connections by no id at all; false by default. That saves bytes, but an [`Endpoint`](crate::Endpoint) then knows
    /// a connection by its server's address alone: it can have one to each, and no other workers.
    pub fn empty_ids(mut self, empty: bool) -> Self {
        self.empty_ids = empty;
        self
    }
}

impl ServerConfigBuilder {
    transport_options!(ServerConfig {});

    /// Whether clients may move to another address by themselves; true by default. With false they are asked not to, and what comes from another address to
    /// another connection id is dropped. A client whose address a NAT has changed is followed either way.
    pub fn active_migration(mut self, allowed: bool) -> Self {
        self.transport.active_migration = allowed;
        self
    }

    /// Asks clients to go on at another address of this server (RFC 9000 section 9.6) once they are connected: those with an IPv4 socket at `v4`, the others at
    /// `v6`. Connections go on where they are while, or if, nothing comes to the other address. Datagrams to it have to reach the same endpoint with a
    /// [route](crate::Route) that names it, and leave by it. `active_migration(false)` does not forbid clients to go there.
    pub fn preferred_address(mut self, v4: Option<SocketAddrV4>, v6: Option<SocketAddrV6>) -> Self {
        self.transport.preferred = Preferred { v4, v6 };
        self
    }
}

impl Transport {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.versions.is_legal() {
            return Err(ConfigError { what: "versions" });
        }
        if !self.preferred.is_legal() {
            let what = "preferred_address";
            return Err(ConfigError { what });
        }
        let streams = &self.streams;
        let numbers = [
            (
                "streams",
                streams.streams_bidi.max(streams.streams_uni),
                limits::STREAMS,
            ),
            ("stream_window", streams.stream_max, limits::VARINT),
            ("connection_window", streams.connection_max, limits::VARINT),
            ("datagrams", self.datagrams, limits::DATAGRAM_FRAME),
        ];
        let times = [
            ("idle_timeout", self.idle_timeout),
            ("handshake_timeout", Some(self.handshake_timeout)),
            ("keep_alive", self.keep_alive),
            ("initial_rtt", Some(self.initial_rtt)),
        ];
        if self.mtu < BASE_MTU || u64::from(self.mtu) > limits::UDP_PAYLOAD {
            return Err(ConfigError { what: "mtu" });
        }
        let too_large = numbers.iter().find(|(_, value, most)| value > most);
        // Below a millisecond a transport parameter would say that there is none.
        let no_time = |time: Duration| time < MILLISECOND || time > LONGEST;
        let wrong = times.iter().find(|(_, time)| time.is_some_and(no_time));
        match (too_large, wrong) {
            (Some((what, _, _)), _) | (_, Some((what, _))) => Err(ConfigError { what }),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection can have this value of {}", self.what)
    }
}

impl core::error::Error for ConfigError {}

/// RFC 9000 section 18.2: what a receiver may take to acknowledge.
const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

const MILLISECOND: Duration = Duration::from_millis(1);

/// A hundred years: sums of such times overflow nothing.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_at_their_limits() {
        type Change = fn(&mut Transport, u64);
        let milliseconds = Duration::from_millis;
        // (option, set to, the largest that is taken, the smallest)
        let rows: &[(&str, Change, u64, u64)] = &[
            (
                "streams",
                |t, n| t.streams.streams_bidi = n,
                limits::STREAMS,
                0,
            ),
            (
                "streams",
                |t, n| t.streams.streams_uni = n,
                limits::STREAMS,
                0,
            ),
            (
                "stream_window",
                |t, n| t.streams.stream_max = n,
                limits::VARINT,
                0,
            ),
            (
                "connection_window",
                |t, n| t.streams.connection_max = n,
                limits::VARINT,
                0,
            ),
            (
                "datagrams",
                |t, n| t.datagrams = n,
                limits::DATAGRAM_FRAME,
                0,
            ),
            (
                "idle_timeout",
                |t, n| t.idle_timeout = Some(Duration::from_millis(n)),
                3_153_600_000_000,
                1,
            ),
            (
                "handshake_timeout",
                |t, n| t.handshake_timeout = Duration::from_millis(n),
                3_153_600_000_000,
                1,
            ),
            (
                "keep_alive",
                |t, n| t.keep_alive = Some(Duration::from_millis(n)),
                3_153_600_000_000,
                1,
            ),
            (
                "initial_rtt",
                |t, n| t.initial_rtt = Duration::from_millis(n),
                3_153_600_000_000,
                1,
            ),
        ];
        for (what, change, largest, smallest) in rows {
            for (value, good) in [
                (*largest, true),
                (*largest + 1, false),
                (*smallest, true),
                (
                    smallest.wrapping_sub(1),
                    *smallest == 0 && *largest == u64::MAX,
                ),
            ] {
                let mut transport = Transport::default();
                change(&mut transport, value);
                let want = if good {
                    Ok(())
                } else {
                    Err(ConfigError { what })
                };
                assert_eq!(transport.check(), want, "{what} {value}");
            }
        }
        for (versions, good) in [
            (&[][..], false),
            (&[Version::V2][..], true),
            (&[Version::V2, Version::V2][..], false),
        ] {
            let transport = Transport {
                versions: Versions::new(versions),
                ..Transport::default()
            };
            assert_eq!(transport.check().is_ok(), good, "{versions:?}");
        }
        for (mtu, good) in [(1199, false), (1200, true), (65_527, true), (65_528, false)] {
            let transport = Transport {
                mtu,
                ..Transport::default()
            };
            assert_eq!(transport.check().is_ok(), good, "mtu {mtu}");
        }
        let none = Transport {
            idle_timeout: None,
            ..Transport::default()
        };
        assert_eq!(none.check(), Ok(()));
        let defaults = Transport::default();
        assert_eq!(defaults.check(), Ok(()));
        assert_eq!(
            (defaults.idle_timeout, defaults.handshake_timeout),
            (Some(limits::IDLE_TIMEOUT), limits::HANDSHAKE_TIMEOUT)
        );
        let streams = defaults.streams;
        assert_eq!(
            (streams.connection, streams.connection_max),
            (limits::CONNECTION_WINDOW, limits::CONNECTION_WINDOW_MAX)
        );
        assert_eq!(LONGEST, milliseconds(3_153_600_000_000));
        let error = ConfigError { what: "streams" };
        assert_eq!(
            error.to_string(),
            "no connection can have this value of streams"
        );
    }
}

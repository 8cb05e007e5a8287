//! Where a client keeps the tokens of NEW_TOKEN frames (RFC 9000 section 8.1.3): in memory, bounded, by the name and port of the server and the version of QUIC.
//!
//! What is in a token is the server's business alone (rfc9001#9.2-2). It shows a server that this client receives at its address, so that it answers early data in full, and sends no Retry. Taking one removes
//! it: one that two connections show lets an observer link them. The newest comes first; past a bound the oldest goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pith_tls::ServerName;

use crate::limits;
use crate::path::Route;
use crate::wire::Version;

/// A client's tokens for its next connections. Clones share one memory, and so may configurations.
#[derive(Clone)]
pub struct TokenStore {
    shared: Arc<Mutex<VecDeque<Kept>>>,
    of_a_server: usize,
    total: usize,
}

/// A token and whom it is for. The oldest stands first.
struct Kept {
    server: Server,
    version: Version,
    token: Bytes,
}

/// A server as clients know it.
#[derive(Clone, PartialEq, Eq)]
struct Server {
    name: Box<str>,
    port: u16,
}

impl TokenStore {
    /// An empty store for [`limits::TOKENS_OF_A_SERVER`] tokens of a server and [`limits::STORED_TOKENS`] in all.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(limits::TOKENS_OF_A_SERVER, limits::STORED_TOKENS)
    }

    /// An empty store for so many tokens of a server, and in all. Past either, the oldest goes.
    #[must_use]
    pub fn bounded(of_a_server: usize, total: usize) -> Self {
        Self {
            shared: Arc::default(),
            of_a_server,
            total,
        }
    }

    /// Puts in a token of the server of this name and port, of a connection in this version. One that is empty or of over [`limits::TOKEN`] bytes is dropped.
    pub fn insert(&self, name: &ServerName<'_>, port: u16, version: Version, token: Bytes) {
        self.put(Server::new(name, port), version, token);
    }

    /// Takes out the newest token for the server of this name and port, for a connection that begins in this version (rfc9369#5-1).
    #[must_use]
    pub fn take(&self, name: &ServerName<'_>, port: u16, version: Version) -> Option<Bytes> {
        self.take_for(&Server::new(name, port), version)
    }

    /// How many tokens it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&self, server: Server, version: Version, token: Bytes) {
        if token.is_empty() || token.len() > limits::TOKEN {
            return;
        }
        let mut kept = self.lock();
        let of_server = kept.iter().filter(|kept| kept.server == server);
        if of_server.count() >= self.of_a_server {
            let oldest = kept.iter().position(|kept| kept.server == server);
            oldest.map(|at| kept.remove(at));
        }
        kept.push_back(Kept {
            server,
            version,
            token,
        });
        while kept.len() > self.total {
            kept.pop_front();
        }
    }

    /// rfc9000#8.1.3-5
    fn take_for(&self, server: &Server, version: Version) -> Option<Bytes> {
        let mut kept = self.lock();
        let fits = |kept: &Kept| kept.server == *server && kept.version == version;
        let newest = kept.iter().rposition(fits)?;
        kept.remove(newest).map(|kept| kept.token)
    }

    /// A thread that panicked while it held the lock left a list of whole tokens.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one connection's tokens come from and go.
pub(crate) struct Shelf {
    store: TokenStore,
    server: Server,
}

impl Shelf {
    pub(crate) fn new(store: &TokenStore, name: &ServerName<'_>, route: Route) -> Self {
        Self {
            store: store.clone(),
            server: Server::new(name, route.remote.port()),
        }
    }

    /// A token to show, or an empty one.
    pub(crate) fn take(&self, version: Version) -> Bytes {
        let taken = self.store.take_for(&self.server, version);
        taken.unwrap_or_default()
    }

    pub(crate) fn put(&self, version: Version, token: Bytes) {
        self.store.put(self.server.clone(), version, token);
    }
}

impl Default for TokenStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// DNS names have no case, and a final dot says nothing.
    fn new(name: &ServerName<'_>, port: u16) -> Self {
        let name = name.to_str().to_ascii_lowercase();
        Self {
            name: name.trim_end_matches('.').into(),
            port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: Version = Version::V1;

    fn name(name: &str) -> ServerName<'_> {
        ServerName::try_from(name).unwrap()
    }

    fn token(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 10])
    }

    #[test]
    fn a_token_is_for_one_server_and_used_once() {
        let store = TokenStore::new();
        for byte in 1..=2 {
            store.insert(&name("Example.org"), 443, V1, token(byte));
        }
        for (other, port) in [
            ("example.com", 443),
            ("example.org", 444),
            ("192.0.2.1", 443),
        ] {
            assert_eq!(store.take(&name(other), port, V1), None, "{other}:{port}");
        }
        let clone = store.clone();
        assert_eq!(clone.take(&name("example.ORG"), 443, V1), Some(token(2)));
        assert_eq!(store.take(&name("example.org."), 443, Version::V2), None);
        assert_eq!(store.take(&name("example.org."), 443, V1), Some(token(1)));
        assert_eq!(store.take(&name("example.org"), 443, V1), None);
        assert!(store.is_empty() && clone.is_empty());
    }

    #[test]
    fn the_token_store_is_bounded_by_server_in_all_and_in_bytes() {
        let store = TokenStore::bounded(2, 5);
        for byte in 0..3 {
            store.insert(&name("a.test"), 1, V1, token(byte));
        }
        assert_eq!(store.len(), 2);
        for port in 2..6 {
            store.insert(&name("a.test"), port, V1, token(9));
        }
        assert_eq!(store.len(), 5);
        let left = [(); 2].map(|()| store.take(&name("a.test"), 1, V1));
        assert_eq!(left, [Some(token(2)), None], "the oldest went first");
        let fits = Bytes::from(vec![1; limits::TOKEN]);
        for (row, token, kept) in [
            ("empty", Bytes::new(), false),
            ("at the limit", fits, true),
            ("past it", Bytes::from(vec![1; limits::TOKEN + 1]), false),
        ] {
            store.insert(&name("b.test"), 1, V1, token.clone());
            let got = store.take(&name("b.test"), 1, V1);
            assert_eq!(got, Some(token).filter(|_| kept), "{row}");
        }
        let none = TokenStore::bounded(0, 0);
        none.insert(&name("a.test"), 1, V1, token(1));
        assert!(none.is_empty());
    }

    #[test]
    fn a_token_store_has_room_for_the_tokens_of_many_servers() {
        let (of_a_server, total) = (limits::TOKENS_OF_A_SERVER, limits::STORED_TOKENS);
        for (row, servers, tokens, want) in [
            ("as many of one as may be", 1, of_a_server, of_a_server),
            ("one more", 1, of_a_server + 1, of_a_server),
            ("as many in all as may be", total, 1, total),
            ("one more in all", total + 1, 1, total),
        ] {
            let store = TokenStore::new();
            for server in 0..servers {
                for byte in 0..tokens {
                    let server = format!("s{server}.test");
                    store.insert(&name(&server), 1, V1, token(byte as u8));
                }
            }
            assert_eq!(store.len(), want, "{row}");
        }
    }
}

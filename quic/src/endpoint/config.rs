//! What a program says of an endpoint.

use pith_crypto::{Error, Wiped, random};

use crate::limits;
use crate::observe::Observer;

/// Configures an [`Endpoint`](crate::Endpoint). Its keys are random; those that outlive the process, or that several workers share, are given.
#[must_use]
pub struct EndpointConfig {
    pub(super) serves: bool,
    pub(super) reset_key: Wiped<32>,
    pub(super) token_key: Wiped<32>,
    pub(super) id_key: Wiped<32>,
    pub(super) worker: u16,
    pub(super) workers: u16,
    pub(super) resets: bool,
    pub(super) retrying: Retrying,
    pub(super) half_open: usize,
    pub(super) observer: Option<Box<dyn Observer>>,
    #[cfg(any(test, pith_test))]
    pub(super) seed: Option<[u8; 32]>,
}

/// Which clients have to show that they receive at their address before anything is kept for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retrying {
    /// All without a token.
    Always,
    /// Those without a token while so many attempts and handshakes are unfinished.
    From(usize),
}

impl EndpointConfig {
    /// Random keys; no clients are let in.
    ///
    /// # Errors
    /// If the random generator fails.
    pub fn client() -> Result<Self, Error> {
        let key = || Wiped::filled(32, random::fill);
        Ok(Self {
            serves: false,
            reset_key: key()?,
            token_key: key()?,
            id_key: key()?,
            worker: 0,
            workers: 1,
            resets: true,
            retrying: Retrying::From(limits::RETRY_FROM),
            half_open: limits::HALF_OPEN,
            observer: None,
            #[cfg(any(test, pith_test))]
            seed: None,
        })
    }

    /// Random keys; clients are let in. An endpoint that serves can connect as well.
    ///
    /// # Errors
    /// If the random generator fails.
    pub fn server() -> Result<Self, Error> {
        Ok(Self {
            serves: true,
            ..Self::client()?
        })
    }

    /// The key of Stateless Resets, so that a server that was started again can reset connections from before.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn reset_key(mut self, key: &[u8; 32]) -> Result<Self, Error> {
        self.reset_key = Wiped::new(key)?;
        Ok(self)
    }

    /// The key of tokens, for servers at one address.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn token_key(mut self, key: &[u8; 32]) -> Result<Self, Error> {
        self.token_key = Wiped::new(key)?;
        Ok(self)
    }

    /// Which of how many workers this is, and the key with which their number is hidden in connection ids. They also have to share the keys of
    /// resets and of tokens. [`workers`](Self::workers) does that for those of one process.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn worker(mut self, key: &[u8; 32], worker: u16, workers: u16) -> Result<Self, Error> {
        self.id_key = Wiped::new(key)?;
        self.worker = worker;
        self.workers = workers;
        Ok(self)
    }

    /// The configurations of so many workers, at least one, that serve one address together, with these options: a socket each, and datagrams for another are handed
    /// to it. They share the keys, and what may be unfinished ([`retrying`](Self::retrying), [`half_open`](Self::half_open)). An observer stays with the first; the others
    /// can be given theirs. A token of a NEW_TOKEN frame is good once at each worker.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn workers(self, workers: u16) -> Result<Vec<Self>, Error> {
        let workers = workers.max(1);
        let key = |key: &Wiped<32>| Wiped::new(key.expose());
        let mut all = Vec::new();
        for worker in 1..workers {
            all.push(Self {
                reset_key: key(&self.reset_key)?,
                token_key: key(&self.token_key)?,
                id_key: key(&self.id_key)?,
                worker,
                workers,
                observer: None,
                ..self
            });
        }
        let first = Self {
            worker: 0,
            workers,
            ..self
        };
        all.insert(0, first);
        Ok(all)
    }

    /// What one worker has of a bound that they share.
    pub(super) fn share(&self, all: usize) -> usize {
        all.div_ceil(usize::from(self.workers.max(1)))
    }

    /// Whether packets to unknown connection ids are answered by a Stateless Reset; true by default.
    pub fn resets(mut self, resets: bool) -> Self {
        self.resets = resets;
        self
    }

    /// Who is sent a Retry; those without a token while 64 attempts and handshakes are unfinished, by default.
    pub fn retrying(mut self, retrying: Retrying) -> Self {
        self.retrying = retrying;
        self
    }

    /// How many handshakes may be unfinished, with those of clients that the application has yet to decide on; 1,024 by default.
    pub fn half_open(mut self, connections: usize) -> Self {
        self.half_open = connections;
        self
    }

    /// Is told what the endpoint decides about datagrams that belong to no connection: [`Seen::Admission`](crate::observe::Seen::Admission). Connections have
    /// observers of their own.
    pub fn observer(mut self, observer: Box<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Draws connection ids from this seed, so that a run replays.
    #[cfg(any(test, pith_test))]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }
}

pith_crypto::assert_neither_debug_nor_clone!(EndpointConfig);

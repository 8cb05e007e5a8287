//! Files of one server over one connection, at once.

use std::sync::Arc;
use std::time::Instant;

use pith_io::tokio::quic::Connection;
use pith_tls::EarlyData;
use tokio::task::JoinSet;

use super::connect::show;
use super::sink::Target;
use super::{h3, hq};
use crate::failure::{self, Failure};
use crate::say;

/// A file of a server, and where it goes.
pub(crate) type Wanted = Arc<(String, Target)>;

/// By what files are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/3.
    H3,
    /// HTTP/0.9.
    Hq,
}

/// What became of a transfer.
pub(crate) struct Outcome {
    /// The files that did not come.
    pub(crate) failed: Vec<(Wanted, Failure)>,
    /// What keeps HTTP/3 from closing the connection.
    pub(super) http: Option<h3::Requests>,
}

impl Outcome {
    /// The first failure is the one to end with; what else went wrong is said.
    pub(crate) fn done(self) -> Result<(), Failure> {
        let mut done = Ok(());
        for (_, failure) in self.failed {
            match &done {
                Ok(()) => done = Err(failure),
                Err(_) => say(format_args!("pith: {failure}")),
            }
        }
        done
    }
}

/// Gets files before the handshake is complete, and again after it what the server did not take then.
pub(crate) async fn early_transfer(
    connection: &Connection,
    (server, name): (&str, &str),
    protocol: Protocol,
    files: &[Wanted],
    start: Instant,
) -> Result<Outcome, Failure> {
    let shaking = connection.clone();
    let shaking = async move { (shaking.handshake().await, start.elapsed()) };
    let shaking = tokio::spawn(shaking);
    let outcome = transfer(connection, server, protocol, files).await;
    let (early, handshake) = shaking
        .await
        .map_err(|_| Failure::connection("a handshake died"))?;
    let early = early.map_err(|error| failure::quic(server, name, &error))?;
    show(connection, server, handshake, Some(early));
    let Outcome { failed, http } = outcome;
    let began_late = http.as_ref().is_some_and(|http| !http.is_early());
    if early != EarlyData::Rejected || began_late {
        return Ok(Outcome { failed, http });
    }
    // Nothing was asked for where HTTP/3 had not even begun.
    let again: Vec<_> = match (http, protocol) {
        (None, Protocol::H3) => files.to_vec(),
        _ => failed.into_iter().map(|(file, _)| file).collect(),
    };
    Ok(transfer(connection, server, protocol, &again).await)
}

/// Gets files.
pub(crate) async fn transfer(
    connection: &Connection,
    server: &str,
    protocol: Protocol,
    files: &[Wanted],
) -> Outcome {
    let http = match protocol {
        Protocol::Hq => None,
        Protocol::H3 => match h3::begin(connection, server).await {
            Ok(begun) => Some(begun),
            Err(failure) => {
                // For each the same: one is shown.
                let first = files.first().map(Arc::clone);
                let failed = first.map(|file| (file, failure)).into_iter().collect();
                return Outcome { failed, http: None };
            }
        },
    };
    let mut streams = JoinSet::new();
    for file in files {
        let (connection, server) = (connection.clone(), server.to_owned());
        let (file, http) = (Arc::clone(file), http.clone());
        streams.spawn(async move {
            let (path, target) = &*file;
            let got = match http {
                Some(mut http) => http.get(&server, path, target).await,
                None => hq::get(&connection, &server, path, target).await,
            };
            got.map_err(|failure| (Arc::clone(&file), failure))
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = streams.join_next().await {
        match ended {
            Ok(done) => failed.extend(done.err()),
            // It cannot be told which: the first stands for it.
            Err(_) => failed.extend(files.first().map(|file| {
                let failure = Failure::connection("a transfer died");
                (Arc::clone(file), failure)
            })),
        }
    }
    Outcome { failed, http }
}

//! Fails each call of a connection to random bytes, sealing, opening and signing, one after the other (S10): the connection
//! says so, tells the peer, and is over. Runs under `--cfg pith_test`.
#![cfg(pith_test)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use pith_crypto::fault::fail_after;
use pith_tests::pair::{NOW, Side, name};
use pith_tests::scripted::{
    ALERT, Bench, Course, DATA, KEY_UPDATE_REQUEST, RawPeer, Role, Step, configs,
};
use pith_tls::{Connection, EarlyData, Error, Fault, Local};

/// What neither side may ever show.
const SECRET: &[u8] = b"a text that stays between the two";

/// A bench whose connection under test, and nothing else, may run into the failure.
struct Injected {
    bench: Bench,
    /// Calls before the failure; `None` once it has happened.
    left: Option<u32>,
    /// All that went out, and all that `send` left in its output.
    sent: Vec<u8>,
}

impl Injected {
    fn run<T>(&mut self, act: impl FnOnce(&mut Side) -> T) -> T {
        fail_after(self.left);
        let result = act(&mut self.bench.side);
        self.left = fail_after(None);
        result
    }

    fn flush(&mut self) {
        let wire = self.run(Side::output);
        self.sent.extend_from_slice(&wire);
        self.bench.peer.take(&wire);
    }

    fn feed(&mut self, wire: &[u8]) -> Result<(), Error> {
        let result = self.run(|side| side.input(wire));
        self.flush();
        result
    }

    fn seal(&mut self, plaintext: &[u8]) -> Result<(), Error> {
        let mut output = vec![0; self.bench.side.tls.sealed_len(plaintext.len())];
        let sent = self.run(|side| side.tls.send(plaintext, &mut output));
        self.sent.extend_from_slice(&output);
        if let Ok(sent) = &sent {
            assert_eq!(sent.consumed, plaintext.len());
            self.bench.peer.take(&output[..sent.written]);
        }
        self.flush();
        sent.map(drop)
    }

    /// Early data, of the side that is the client.
    fn early(&mut self, role: Role) -> Result<(), Error> {
        match role {
            Role::Client => {
                let mut output = vec![0; self.bench.side.tls.sealed_len(SECRET.len())];
                let sent = self.run(|side| side.tls.send_early(SECRET, &mut output));
                self.sent.extend_from_slice(&output);
                if let Ok(sent) = &sent {
                    assert_eq!(sent.consumed, SECRET.len());
                    self.bench.peer.take(&output[..sent.written]);
                }
                self.flush();
                sent.map(drop)
            }
            Role::Server => {
                let hello = self.bench.peer.honest(1);
                self.feed(&hello)?;
                // The scripted client's flight went out in one, whatever came back.
                let wire = self.bench.peer.record(DATA, SECRET);
                self.feed(&wire)
            }
        }
    }

    /// A whole connection, up to the first error.
    fn connection(&mut self, role: Role, course: Course) -> Result<(), Error> {
        self.flush();
        if course == Course::Early {
            self.early(role)?;
        }
        while !self.bench.peer.steps.is_empty() {
            let message = matches!(self.bench.peer.steps.front(), Some(Step::Message(_)));
            let wire = self.bench.peer.honest(usize::from(message));
            self.feed(&wire)?;
        }
        for _ in 0..2 {
            self.seal(SECRET)?;
            let wire = self.bench.peer.record(DATA, SECRET);
            self.feed(&wire)?;
            let wire = self.bench.peer.key_update(&KEY_UPDATE_REQUEST);
            self.feed(&wire)?;
            let updated = self.run(|side| side.tls.update_keys(true));
            self.flush();
            updated?;
        }
        self.run(|side| side.tls.export(b"label", b"", &mut [0; 32]))?;
        self.run(|side| side.tls.close());
        self.flush();
        let wire = self.bench.peer.record(ALERT, &[1, 0]);
        self.feed(&wire)?;
        self.run(|side| side.tls.eof())
    }
}

/// How a connection went on that did not fail.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    /// The failure lay behind its end.
    Well,
    /// What failed was the opening of a ticket: a full handshake does without.
    Around,
}

/// The error of the `calls`-th failure, or how all went well.
fn fail(role: Role, course: Course, calls: u32) -> Result<Went, Error> {
    let row = format!("{role:?}, {course:?}, call {calls}");
    let (client, server) = configs(course);
    let peer = match role {
        Role::Client => RawPeer::server(server),
        Role::Server => RawPeer::client(client),
    };
    fail_after(Some(calls));
    let tls = match role {
        Role::Client => Connection::client(client.clone(), name(), NOW),
        Role::Server => Ok(Connection::server(server.clone())),
    };
    let left = fail_after(None);
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            assert!(
                matches!(error, Error::Local(Local::Crypto(_))),
                "{row}: {error:?}"
            );
            return Err(error);
        }
    };
    let bench = Bench {
        side: Side::new(tls),
        peer,
    };
    let mut injected = Injected {
        bench,
        left,
        sent: Vec::new(),
    };
    let result = injected.connection(role, course);
    let Injected {
        mut bench,
        left,
        sent,
    } = injected;
    assert!(
        !sent.windows(SECRET.len()).any(|window| window == SECRET),
        "{row}: plaintext on the wire"
    );
    assert_eq!(
        bench.side.data,
        SECRET.repeat(bench.side.data.len() / SECRET.len()),
        "{row}"
    );
    assert!(
        bench
            .peer
            .seen
            .iter()
            .all(|record| (20..=23).contains(&record.outer)),
        "{row}"
    );
    let early = &bench.side.early;
    assert!(early.is_empty() || early == SECRET, "{row}: {early:?}");
    match result {
        Ok(()) if left.is_some() => {
            let summary = bench.side.tls.summary().unwrap();
            let taken = summary.early_data == EarlyData::Accepted;
            assert_eq!(taken, course == Course::Early, "{row}");
            assert_eq!(!early.is_empty(), taken && role == Role::Server, "{row}");
            Ok(Went::Well)
        }
        Ok(()) => {
            let summary = bench.side.tls.summary().unwrap();
            let ticket = [Course::Resumed, Course::Early].contains(&course);
            assert!(
                ticket && role == Role::Server && !summary.resumed(),
                "{row}: the failure went unnoticed"
            );
            assert!(early.is_empty(), "{row}");
            Ok(Went::Around)
        }
        Err(error) => {
            assert_eq!(left, None, "{row}: {error:?} without a failure");
            // A record that does not open is the peer's fault, as far as we can tell.
            let known = matches!(
                error,
                Error::Local(Local::Crypto(_)) | Error::Fault(Fault::BadRecordMac)
            );
            assert!(known, "{row}: {error:?}");
            let alert = [2, error.alert().unwrap().0];
            let alerts = bench.peer.contents(ALERT);
            // After close_notify nothing is sent.
            assert!(alerts == [alert] || alerts == [[1, 0]], "{row}: {alerts:?}");
            bench.is_over(&row, &error);
            Err(error)
        }
    }
}

#[test]
fn every_internal_failure_fails_the_connection_and_is_told() {
    for role in [Role::Client, Role::Server] {
        for course in [
            Course::Straight,
            Course::Retry,
            Course::ClientAuth,
            Course::Resumed,
            Course::Early,
        ] {
            let (mut failures, mut around) = (Vec::new(), 0);
            for calls in 0.. {
                match fail(role, course, calls) {
                    Err(error) => failures.push(error),
                    Ok(Went::Around) => around += 1,
                    Ok(Went::Well) => break,
                }
            }
            let resumed = [Course::Resumed, Course::Early].contains(&course);
            assert_eq!(around, u32::from(resumed && role == Role::Server));
            // Random bytes, sealing and opening, for a server signing too; about 20 calls.
            let local = |error: pith_crypto::Error| Error::Local(Local::Crypto(error));
            let mut kinds = vec![
                local(pith_crypto::Error::Random),
                local(pith_crypto::Error::Internal("AEAD seal")),
                Error::Fault(Fault::BadRecordMac),
            ];
            if (role == Role::Server && !resumed) || course == Course::ClientAuth {
                kinds.push(local(pith_crypto::Error::Sign));
            }
            for kind in kinds {
                assert!(
                    failures.contains(&kind),
                    "{role:?}: no {kind:?} in {failures:?}"
                );
            }
            assert!(
                (15..60).contains(&failures.len()),
                "{role:?}: {}",
                failures.len()
            );
        }
    }
}

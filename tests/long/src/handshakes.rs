//! A million handshakes in one process: each post-quantum, one in four resumed, and a heap at the end like that after the first thousand.

use std::time::Duration;

use pith_pq::Group;
use pith_tests::heap::Counter;
use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, ServerConfig, SessionStore};

use crate::join::{Clocks, Joined, after};

/// One is counted when both sides have read a word of the other.
pub(crate) fn run(count: u64, counter: &Counter) -> Result<String, String> {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server.build().unwrap();
    let fresh = ClientConfig::new(trust(&pki)).build().unwrap();
    let again = ClientConfig::new(trust(&pki)).sessions(SessionStore::new());
    let again = again.build().unwrap();
    let mut wire = vec![0; 64 * 1024];
    let (mut resumed, mut begun) = (0, 0);
    let settled = SETTLED.min(count / 2);
    for at in 0..count {
        if at == settled {
            begun = counter.bytes();
        }
        let clocks = Clocks::both(after(Duration::from_millis(at)));
        let resumes = at % 4 == 3;
        let client = if resumes { &again } else { &fresh };
        let joined = Joined::connect((client, &server), name(), clocks, &mut wire);
        let joined = joined.map_err(|error| format!("handshake {at} failed: {error}"))?;
        for side in [&joined.client, &joined.server] {
            let summary = side.summary().unwrap();
            if summary.group != Group::X25519MlKem768 {
                return Err(format!("handshake {at} is not post-quantum"));
            }
        }
        // The first that could resume has nothing to resume from.
        if joined.resumed() != (resumes && at > 3) {
            return Err(format!("handshake {at} resumed: {}", joined.resumed()));
        }
        resumed += u64::from(resumes && at > 3);
        let closed = joined.close(clocks, &mut wire);
        closed.map_err(|error| format!("connection {at} does not close: {error}"))?;
        if (at + 1).is_multiple_of(REPORT) {
            eprintln!("{} handshakes, {} bytes", at + 1, counter.bytes());
        }
    }
    let ended = counter.bytes();
    let result = format!(
        "{count} handshakes, {resumed} of them resumed: {begun} bytes of heap after {settled}, {ended} at the end"
    );
    match (ended - begun).abs() {
        0..=BOUND => Ok(result),
        _ => Err(result),
    }
}

/// After so many the session store is full, and everything has been used once.
const SETTLED: u64 = 1000;

/// Bytes by which the heap may differ.
const BOUND: i64 = 4096;

/// After so many there is a sign of life.
const REPORT: u64 = 50_000;

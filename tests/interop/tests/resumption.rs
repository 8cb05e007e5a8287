//! Sessions that begin with OpenSSL and go on with it, with early data and without. Both sides say how each connection came about.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    missing_docs
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use pith_interop::{Listener, OpenSsl, Session, connect};
use pith_io::std::Stream;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    ClientConfig, EarlyData, Group, Now, ServerConfig, SessionStore, StrikeRegister, Tickets,
};

const EARLY: &[u8] = b"early data\n";

/// A file for this test alone.
fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.into_os_string().into_string().unwrap()
}

/// A register that began long ago, or one that has not begun yet and therefore knows of nothing.
fn register(new: bool) -> StrikeRegister {
    let unix = if new { Duration::MAX } else { Duration::ZERO };
    StrikeRegister::new(Now {
        monotonic: Duration::ZERO,
        unix,
    })
}

#[test]
fn openssl_resumes_with_a_client_of_pith() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    for group in [Group::X25519MlKem768, Group::X25519] {
        let peer = openssl.server(&pki.leaf(NAME), &["-naccept", "3"]);
        let (port, store) = (peer.port(), SessionStore::new());
        for (count, resumed) in [false, true, true].into_iter().enumerate() {
            let config = ClientConfig::new(trust(&pki)).groups(&[group]);
            let pith = connect(port, config.sessions(store.clone())).unwrap();
            let summary = pith.summary().unwrap();
            assert_eq!((summary.resumed(), summary.group), (resumed, group));
            talk(pith, &peer, count);
        }
        let printed = peer.finish();
        assert_eq!(printed.matches("Reused session-id").count(), 2, "{printed}");
    }
}

/// A line each way, which lets the tickets in, and the end.
fn talk(mut pith: Stream, peer: &pith_interop::Process, count: usize) {
    pith.write_all(b"from Pith\n").unwrap();
    pith.flush().unwrap();
    peer.wait_for("from Pith\n", count + 1);
    peer.type_in("from OpenSSL\n");
    let mut line = [0; 13];
    pith.read_exact(&mut line).unwrap();
    pith.close().unwrap();
    assert_eq!(pith.read(&mut [0; 1]).unwrap(), 0, "close_notify");
}

#[test]
fn openssl_takes_early_data_of_pith() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    for (args, want) in [
        (&["-early_data"][..], EarlyData::Accepted),
        // Its tickets do not allow it, so none is offered.
        (&[], EarlyData::NotOffered),
    ] {
        let args = [&["-naccept", "2"], args].concat();
        let peer = openssl.server(&pki.leaf(NAME), &args);
        let (port, store) = (peer.port(), SessionStore::new());
        let config = || {
            ClientConfig::new(trust(&pki))
                .sessions(store.clone())
                .early_data(true)
        };
        talk(connect(port, config()).unwrap(), &peer, 0);
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut pith = Stream::client(config().build().unwrap(), NAME, tcp).unwrap();
        let sent = pith.write_early(EARLY).unwrap();
        pith.handshake().unwrap();
        let summary = pith.summary().unwrap();
        assert!(summary.resumed(), "{args:?}");
        assert_eq!((summary.early_data, pith.early_data()), (want, want));
        let accepted = want == EarlyData::Accepted;
        assert_eq!(sent, if accepted { EARLY.len() } else { 0 });
        talk(pith, &peer, 1);
        assert_eq!(peer.finish().contains("early data\n"), accepted, "{args:?}");
    }
}

#[test]
fn a_client_of_openssl_resumes_and_sends_early_data() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let (session, early) = (file("openssl-session"), file("openssl-early"));
    fs::write(&early, EARLY).unwrap();
    for (what, register, want) in [
        ("accepted", Some(register(false)), EarlyData::Accepted),
        ("a new register", Some(register(true)), EarlyData::Rejected),
        ("no early data", None, EarlyData::NotOffered),
    ] {
        let tickets = Tickets::rotating();
        let config = || {
            let config = ServerConfig::new(credential(&identity)).tickets(tickets.clone());
            match &register {
                Some(register) => config.early_data(1000, register.clone()),
                None => config,
            }
        };
        let mut first = Session::with_client(
            &openssl,
            config(),
            &pki.root_pem(),
            &["-sess_out", &session],
        );
        assert!(!first.pith.summary().unwrap().resumed(), "{what}");
        first.exchange(0);
        assert!(first.close().contains("New, TLSv1.3"), "{what}");

        let mut args = vec!["-sess_in", &session];
        if register.is_some() {
            args.extend(["-early_data", &early]);
        }
        let listener = Listener::new();
        let peer = openssl.client(listener.port(), &pki.root_pem(), &args);
        let mut pith = listener.accept(config()).unwrap();
        let summary = pith.summary().unwrap();
        assert!(summary.resumed(), "{what}");
        assert_eq!(summary.early_data, want, "{what}");
        let mut came = Vec::new();
        let mut buffer = [0; 100];
        loop {
            match pith.read_early(&mut buffer).unwrap() {
                0 => break,
                count => came.extend_from_slice(buffer.get(..count).unwrap()),
            }
        }
        let accepted = want == EarlyData::Accepted;
        assert_eq!(came, if accepted { EARLY } else { b"" }, "{what}");
        let mut second = Session { pith, peer };
        second.exchange(0);
        let printed = second.close();
        assert!(printed.contains("Reused, TLSv1.3"), "{printed}");
        let told = match want {
            EarlyData::Accepted => "Early data was accepted",
            EarlyData::Rejected => "Early data was rejected",
            _ => "Early data was not sent",
        };
        assert!(printed.contains(told), "{printed}");
    }
}

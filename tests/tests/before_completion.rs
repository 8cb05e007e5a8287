//! Before the handshake is complete nothing of the application goes out, no key material comes out, and the connection says
//! that it is not there yet.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::scripted::{Bench, DATA, Stage};
use pith_tls::{Error, Flow, Status};

#[test]
fn nothing_is_sent_or_exported_before_the_handshake_is_complete() {
    let both = |flow| Status {
        receive: flow,
        send: flow,
    };
    for stage in Stage::ALL.iter().filter(|stage| !stage.is_connected()) {
        let row = format!("{:?} in {}", stage.role, stage.state);
        let mut bench = Bench::at(*stage);
        let (mut output, mut key) = ([0; 500], [0; 32]);
        let tls = &mut bench.side.tls;
        let misused = |result: Result<(), Error>| matches!(result, Err(Error::Misuse(_)));
        assert!(misused(tls.send(b"early", &mut output).map(drop)), "{row}");
        assert!(misused(tls.send(b"", &mut output).map(drop)), "{row}");
        assert!(misused(tls.export(b"label", b"", &mut key)), "{row}");
        assert!(misused(tls.update_keys(true)), "{row}");
        assert_eq!((output, key), ([0; 500], [0; 32]), "{row}");
        assert_eq!(tls.status(), both(Flow::Handshaking), "{row}");
        assert!(tls.summary().is_none(), "{row}");

        bench.flush();
        bench.finish().unwrap();
        assert!(bench.peer.contents(DATA).is_empty(), "{row}");
        assert_eq!(bench.side.tls.status(), both(Flow::Open), "{row}");
        assert!(bench.side.tls.summary().is_some(), "{row}");
        bench.assert_works(&row);
    }
}

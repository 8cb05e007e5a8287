//! Ten thousand connections at once on one server, over real sockets: clients in processes of their own connect, say a word, are held, and close. Twice, so that
//! what is left after the first time has to do for the second.

pub(crate) mod client;
pub(crate) mod server;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use pith_tests::heap::count as with_counter;
use pith_tests::pair::NAME;
use pith_tests::pki::Pki;

/// What the connections are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tls,
    Quic,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tls" => Ok(Self::Tls),
            "quic" => Ok(Self::Quic),
            _ => Err(format!("{text} is neither tls nor quic")),
        }
    }
}

/// So many connections at once.
pub(crate) fn run(kind: &str, count: usize) -> Result<String, String> {
    kind.parse::<Kind>()?;
    let folder = std::env::temp_dir().join(format!("pith-crowd-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    for (name, text) in [
        ("chain.pem", &leaf.chain_pem),
        ("key.pem", &leaf.key_pem),
        ("root.pem", &pki.root_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let result = crowd(kind, count, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
    result
}

fn crowd(kind: &str, count: usize, folder: &Path) -> Result<String, String> {
    let mut command = own(&["crowd-server", kind], folder);
    with_counter(&mut command, &folder.join("counted"));
    let mut server = Talk::to(command);
    let address = server.line()?;
    // What is there once and for all is there afterwards.
    wave(kind, count.min(WARM), folder, &address, &mut server)?;
    let before = server.report("drained")?;
    let mut crowd = || {
        let peak = wave(kind, count, folder, &address, &mut server)?;
        let after = server.report("drained")?;
        match (peak.open, after.open) {
            (open, 0) if open == count => Ok((peak, after)),
            (open, left) => Err(format!("{open} connections, and {left} afterwards")),
        }
    };
    let ((first, between), (second, end)) = (crowd()?, crowd()?);
    let result = format!(
        "{count} {kind} connections at once, twice: {} bytes of heap before, {} and {} at the peaks ({} a connection), {} and {} after; \
         RSS {} kB before, {} and {} at the peaks, {} and {} after",
        before.heap,
        first.heap,
        second.heap,
        (first.heap - before.heap) / count as i64,
        between.heap,
        end.heap,
        before.rss,
        first.rss,
        second.rss,
        between.rss,
        end.rss,
    );
    let flat = between.heap - before.heap <= BOUND && end.heap - between.heap <= BOUND_AGAIN;
    if flat { Ok(result) } else { Err(result) }
}

/// Clients connect, are held, and close. What the server says while they are held is given back.
fn wave(
    kind: &str,
    count: usize,
    folder: &Path,
    address: &str,
    server: &mut Talk,
) -> Result<Report, String> {
    let mut clients = Vec::new();
    let mut left = count;
    while left > 0 {
        let share = left.min(SHARE);
        left -= share;
        let command = own(&["crowd-client", kind, address, &share.to_string()], folder);
        clients.push(Talk::to(command));
    }
    for client in &mut clients {
        let line = client.line()?;
        if line != "held" {
            return Err(line);
        }
    }
    let peak = server.report("report")?;
    for client in &mut clients {
        client.say("close");
    }
    for client in &mut clients {
        let line = client.line()?;
        if line != "closed" {
            return Err(line);
        }
        client.child.wait().unwrap();
    }
    Ok(peak)
}

fn own(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).arg(folder);
    command
}

/// A process that is talked to in lines. It ends with its value.
struct Talk {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Talk {
    fn to(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn say(&mut self, line: &str) {
        // One that has died says so by its silence.
        let _written = writeln!(self.to, "{line}");
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.from
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        match line.is_empty() {
            true => Err("a process ended before its time".to_owned()),
            false => Ok(line.trim().to_owned()),
        }
    }

    fn report(&mut self, what: &str) -> Result<Report, String> {
        self.say(what);
        self.line()?.parse()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

/// How a server is.
struct Report {
    open: usize,
    heap: i64,
    /// In kB.
    rss: u64,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.open, self.heap, self.rss)
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [open, heap, rss] = parts[..] else {
            return Err(line.to_owned());
        };
        Ok(Self {
            open: open.parse().map_err(|_| line.to_owned())?,
            heap: heap.parse().map_err(|_| line.to_owned())?,
            rss: rss.parse().map_err(|_| line.to_owned())?,
        })
    }
}

/// Connections of one client's process.
const SHARE: usize = 2500;

/// Connections before the heap is measured for the first time.
const WARM: usize = 100;

/// Bytes that a crowd may leave behind: tables that have grown and keep some of it.
const BOUND: i64 = 256 * 1024;

/// Bytes that a second crowd may leave behind.
const BOUND_AGAIN: i64 = 64 * 1024;

/// The protocol that both sides name.
const ALPN: &[u8] = b"crowd";

const WORD: &[u8; 5] = b"hello";

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

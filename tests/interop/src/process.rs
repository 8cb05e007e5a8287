//! Other programs: where they are, and a run of one with its input and output.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio, id};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pith_tests::pair::NAME;
use pith_tests::pki::Identity;

use crate::LIMIT;

/// The `openssl` command.
pub struct OpenSsl(PathBuf);

impl OpenSsl {
    /// The command; `None`, after saying so, where there is none.
    ///
    /// # Panics
    /// With CI=true, if there is none and `.ci/skips.txt` does not say that the test may be skipped.
    pub fn find() -> Option<Self> {
        program(
            "PITH_OPENSSL",
            "openssl-4.0.3-2/bin/openssl",
            "peers/openssl/build.sh",
        )
        .map(Self)
    }

    /// Runs another of its commands in this folder, to the end, and returns what it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, folder: &Path, args: &[&str]) -> String {
        let (first, rest) = args.split_first().unwrap();
        let output = self.command(folder, first).args(rest).output().unwrap();
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let errors = printed(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {errors}");
        printed(&output.stdout)
    }

    /// A server for one connection, on a port of its own. Its folder holds `leaf.pem`, `key.pem` and `chain.pem`.
    pub fn server(&self, identity: &Identity, args: &[&str]) -> Process {
        let folder = folder();
        let mut command = self.command(&folder, "s_server");
        command.args(["-accept", "127.0.0.1:0", "-naccept", "1"]);
        show(&mut command, &folder, identity);
        Process::start(command.args(args), folder)
    }

    /// A client of the server at this port of this machine, which trusts one root and insists on it.
    pub fn client(&self, port: u16, root_pem: &str, args: &[&str]) -> Process {
        self.client_as(None, port, root_pem, args)
    }

    /// A client that has a certificate, if it is asked for one.
    pub fn client_as(
        &self,
        identity: Option<&Identity>,
        port: u16,
        root_pem: &str,
        args: &[&str],
    ) -> Process {
        let folder = folder();
        fs::write(folder.join("root.pem"), root_pem).unwrap();
        let mut command = self.command(&folder, "s_client");
        command.args(["-connect", &format!("127.0.0.1:{port}")]);
        command.args(["-CAfile", "root.pem", "-verify_return_error"]);
        command.args(["-verify_hostname", NAME]);
        if let Some(identity) = identity {
            show(&mut command, &folder, identity);
        }
        Process::start(command.args(args), folder)
    }

    fn command(&self, folder: &Path, name: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(name).current_dir(folder);
        // The machine's own settings stay out.
        command.env("OPENSSL_CONF", "/dev/null");
        command
    }
}

/// A run of the command. Dropping it ends it.
pub struct Process {
    child: Child,
    input: Arc<Mutex<ChildStdin>>,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    folder: PathBuf,
}

impl Process {
    /// Starts a program. The folder is deleted after it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: &mut Command, folder: PathBuf) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Output::default());
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self {
            input: Arc::new(Mutex::new(child.stdin.take().unwrap())),
            readers: vec![output.fill_from(stdout), output.fill_from(stderr)],
            output,
            child,
            folder,
        }
    }

    /// The port that a server listens on.
    pub fn port(&self) -> u16 {
        self.port_after("ACCEPT ")
    }

    /// The port of the address that it prints after these words.
    ///
    /// # Panics
    /// If none comes.
    pub fn port_after(&self, words: &str) -> u16 {
        let output = self.wait_until("the port", |output| {
            let (_, rest) = output.split_once(words)?;
            rest.contains('\n').then(|| rest.to_owned())
        });
        let address = output.lines().next().unwrap_or_default();
        let (_, port) = address.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// Types this, as a person at the terminal would: data, or a command such as `K` and a new line.
    pub fn type_in(&self, text: &str) {
        let mut input = self.input.lock().unwrap();
        input.write_all(text.as_bytes()).unwrap();
    }

    /// Types more than a pipe holds, while the test reads what comes of it.
    pub fn type_meanwhile(&self, text: String) {
        let input = self.input.clone();
        // If this fails, the process has ended, and the reader notices.
        thread::spawn(move || input.lock().unwrap().write_all(text.as_bytes()).is_ok());
    }

    /// Waits until `text` was printed `count` times.
    ///
    /// # Panics
    /// If that does not happen.
    pub fn wait_for(&self, text: &str, count: usize) {
        self.wait_until(text, |output| {
            (output.matches(text).count() >= count).then_some(())
        });
    }

    /// Kills it.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself, and returns all that it printed.
    ///
    /// # Panics
    /// If it does not end.
    pub fn finish(self) -> String {
        self.end(LIMIT).1
    }

    /// Waits so long until it ends by itself, and returns whether it says that all went well, and all that it printed.
    ///
    /// # Panics
    /// If it does not end.
    pub fn end(mut self, limit: Duration) -> (bool, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let late = start.elapsed() > limit;
            assert!(!late, "the peer does not end:\n{}", self.output.text());
            thread::sleep(TICK);
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status.success(), self.output.text())
    }

    /// All that it printed until now.
    pub fn printed(&self) -> String {
        self.output.text()
    }

    fn wait_until<T>(&self, what: &str, seen: impl Fn(&str) -> Option<T>) -> T {
        let mut found = None;
        let bytes = self.output.bytes.lock().unwrap();
        let waited = self.output.grew.wait_timeout_while(bytes, LIMIT, |bytes| {
            found = seen(&String::from_utf8_lossy(bytes));
            // After its end nothing more comes.
            found.is_none() && self.output.ended.load(Ordering::Relaxed) < self.readers.len()
        });
        drop(waited.unwrap());
        let text = || self.output.text();
        found.unwrap_or_else(|| panic!("the peer did not print {what:?}:\n{}", text()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // What stays in the folder for temporary files does no harm.
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

/// What a process printed, errors included.
#[derive(Default)]
struct Output {
    bytes: Mutex<Vec<u8>>,
    grew: Condvar,
    /// How many of its outputs are at their end.
    ended: AtomicUsize,
}

impl Output {
    /// In whole lines, so that what a program says at once on its output and as errors does not mix.
    fn fill_from(self: &Arc<Self>, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        thread::spawn(move || {
            let (mut from, mut line) = (BufReader::new(from), Vec::new());
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                output.bytes.lock().unwrap().append(&mut line);
                output.grew.notify_all();
            }
            let bytes = output.bytes.lock().unwrap();
            output.ended.fetch_add(1, Ordering::Relaxed);
            drop(bytes);
            output.grew.notify_all();
        })
    }

    /// Without the bytes of messages that -msg prints, which nobody reads.
    fn text(&self) -> String {
        let is_dump = |line: &str| {
            let bytes = line.strip_prefix("    ").unwrap_or_default().trim_end();
            !bytes.is_empty() && bytes.chars().all(|c| c == ' ' || c.is_ascii_hexdigit())
        };
        String::from_utf8_lossy(&self.bytes.lock().unwrap())
            .split_inclusive('\n')
            .filter(|line| !is_dump(line))
            .collect()
    }
}

/// The program that this variable names, or that lies here in the cache; `None`, after saying so, where there is none.
///
/// # Panics
/// With CI=true, if there is none and `.ci/skips.txt` does not say that the test may be skipped.
pub fn program(variable: &str, in_cache: &str, built_by: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    let cache = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
    };
    let cached = || Some(cache()?.join("pith").join(in_cache));
    let program = named.or_else(cached).filter(|path| path.is_file());
    if program.is_none() {
        let thread = thread::current();
        skip(thread.name().unwrap_or("interop"), built_by);
    }
    program
}

fn skip(test: &str, built_by: &str) {
    println!("SKIPPED: {test}: a peer is not built: run {built_by}");
    let listed = include_str!("../../../.ci/skips.txt")
        .lines()
        .any(|line| line.split_once('\t').is_some_and(|(name, _)| name == test));
    let ci = env::var("CI").is_ok_and(|value| value == "true");
    assert!(!ci || listed, "{test} was skipped, and may not be");
}

/// Lets it show this identity.
fn show(command: &mut Command, folder: &Path, identity: &Identity) {
    let pem = &identity.chain_pem;
    let leaf = pem.find(END).map_or(pem.len(), |at| at + END.len());
    let (leaf, issuers) = pem.split_at(leaf);
    fs::write(folder.join("leaf.pem"), leaf).unwrap();
    fs::write(folder.join("key.pem"), &identity.key_pem).unwrap();
    command.args(["-cert", "leaf.pem", "-key", "key.pem"]);
    if issuers.contains(END) {
        fs::write(folder.join("chain.pem"), issuers).unwrap();
        command.args(["-cert_chain", "chain.pem"]);
    }
}

/// A new folder.
///
/// # Panics
/// If it cannot be made.
pub fn folder() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("pith-interop-{}-{number}", id()));
    fs::create_dir(&folder).unwrap();
    folder
}

const END: &str = "-----END CERTIFICATE-----\n";
const TICK: Duration = Duration::from_millis(5);

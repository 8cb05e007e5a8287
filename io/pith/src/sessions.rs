//! The sessions of a client: those of one run, and those that `--session` keeps in a file, sealed under a key in another.
//!
//! The file is text: a first line that says what it is, then a session in hex on each line. It is replaced as a whole, by one that was complete
//! before it took its name, and only by what read it: a file that cannot be opened stays as it is. A ticket is used once, so it leaves
//! the file before its hello leaves the process.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use pith_crypto::random;
use pith_tls::{Session, SessionError, SessionKey, SessionStore};

use crate::cli::ClientOptions;
use crate::failure::Failure;
use crate::{escape, input};

/// Sessions, and which of them a connection may use.
pub(crate) struct Sessions {
    store: SessionStore,
    file: Option<SessionFile>,
    /// Of the file, what the first connection of a series left, and no later one may use.
    aside: RefCell<Vec<Session>>,
}

/// Where `--session` keeps them.
struct SessionFile {
    path: PathBuf,
    key: SessionKey,
}

impl Sessions {
    /// Those that the options call for.
    pub(crate) fn open(options: &ClientOptions) -> Result<Option<Self>, Failure> {
        let (file, saved) = match (&options.session, &options.session_key) {
            (Some(path), Some(key)) => {
                let (file, saved) = SessionFile::open(path, key)?;
                (Some(file), saved)
            }
            _ if options.resume.is_none() => return Ok(None),
            _ => (None, Vec::new()),
        };
        let store = match file {
            Some(_) => SessionStore::new(),
            // A series uses one ticket of each connection, and so asks for no more.
            None => SessionStore::bounded(1, 1),
        };
        saved
            .into_iter()
            .filter(|session| session.is_current(input::now()))
            .for_each(|session| store.insert(session));
        let sessions = Self {
            store,
            file,
            aside: RefCell::default(),
        };
        // A file that cannot be written is found before anything is sent.
        sessions.save()?;
        Ok(Some(sessions))
    }

    /// Where a configuration is to find them.
    pub(crate) fn store(&self) -> SessionStore {
        self.store.clone()
    }

    /// Whether there is any for the next connection.
    pub(crate) fn any(&self) -> bool {
        !self.store.is_empty()
    }

    /// A connection has begun, or could not: it has the newest ticket, and no later one gets what is left of those that were there for it. Of the
    /// first, those are the file's.
    pub(crate) fn begun(&self, first: bool) {
        let left = self.store.drain();
        if first {
            self.aside.borrow_mut().extend(left);
        }
    }

    /// All connections are over: what may still be used is saved.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        // What was set aside is older, and goes first where the store has no room for all.
        let newer = self.store.drain();
        let all = self.aside.take().into_iter().chain(newer);
        all.for_each(|session| self.store.insert(session));
        self.save()
    }

    /// Writes the file anew, with all that may still be used.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let aside = file.seal(self.aside.take())?;
        let stored = file.seal(self.store.drain())?;
        let written = file.write(aside.iter().chain(&stored));
        // Sealing took them.
        self.aside.borrow_mut().extend(file.unseal(&aside));
        for session in file.unseal(&stored) {
            self.store.insert(session);
        }
        written
    }
}

impl SessionFile {
    /// The file, and the sessions in it.
    fn open(path: &Path, key: &Path) -> Result<(Self, Vec<Session>), Failure> {
        let text = match read(path, FILE_LIMIT) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::input(format!(
                    "--session expects a file of sessions, or none yet, and {} cannot be read ({error}): correct the path or its permissions",
                    path.display()
                )));
            }
        };
        let file = Self {
            path: path.to_owned(),
            key: session_key(key, text.is_some())?,
        };
        let sessions = match text {
            Some(text) => file.parse(&text, key)?,
            None => Vec::new(),
        };
        Ok((file, sessions))
    }

    fn parse(&self, text: &[u8], key: &Path) -> Result<Vec<Session>, Failure> {
        let refused = |why: &str| {
            Failure::input(format!(
                "--session cannot use {}, which is left as it is: {why}",
                self.path.display()
            ))
        };
        let lines = text.strip_prefix(HEADER.as_bytes());
        let Some(lines) = lines.filter(|lines| lines.starts_with(b"\n")) else {
            return Err(refused(
                "it does not begin as a file of sessions does, so it is something else: name another, or one that is not there yet",
            ));
        };
        let Some(lines) = lines.strip_suffix(b"\n") else {
            return Err(refused(
                "it was cut off at its end: move it away, and begin without",
            ));
        };
        let lines = lines.split(|byte| *byte == b'\n').skip(1); // what is left of the first is empty
        let sessions = lines.zip(2_usize..).map(|(line, number)| {
            let sealed = str::from_utf8(line).ok().and_then(input::unhex);
            let Some(sealed) = sealed else {
                return Err(refused(&format!(
                    "line {number} is no session, so it was altered: move it away, and begin without"
                )));
            };
            Session::open(&self.key, &sealed).map_err(|error| match error {
                SessionError::NotAuthentic => refused(&format!(
                    "line {number} was sealed under another key than that in {}, or altered since: give its own key with --session-key, or move it away",
                    key.display()
                )),
                other => refused(&format!("line {number}: {other}, in another file")),
            })
        });
        sessions.collect()
    }

    fn seal(&self, sessions: Vec<Session>) -> Result<Vec<Vec<u8>>, Failure> {
        let sealed = sessions.into_iter().map(|session| session.seal(&self.key));
        let sealed = sealed.collect::<Result<_, _>>();
        sealed.map_err(|error| Failure::connection(format!("sessions cannot be sealed: {error}")))
    }

    fn unseal<'a>(&'a self, sealed: &'a [Vec<u8>]) -> impl Iterator<Item = Session> + 'a {
        let sessions = sealed.iter();
        sessions.filter_map(|sealed| Session::open(&self.key, sealed).ok())
    }

    /// Replaces the file.
    fn write<'a>(&self, sealed: impl Iterator<Item = &'a Vec<u8>>) -> Result<(), Failure> {
        let text = sealed.fold(format!("{HEADER}\n"), |text, sealed| {
            text + &escape::hex(sealed) + "\n"
        });
        replace(&self.path, text.as_bytes()).map_err(|error| {
            Failure::input(format!(
                "sessions cannot be written to {} ({error}): correct --session, or the permissions of its directory",
                self.path.display()
            ))
        })
    }
}

/// The key in this file, or a new one: not if there are sessions, since it would not open them.
fn session_key(path: &Path, has_sessions: bool) -> Result<SessionKey, Failure> {
    let refused = |why: String| {
        Failure::input(format!(
            "--session-key expects a file with 32 random bytes, or none yet, and {} {why}",
            path.display()
        ))
    };
    match read(path, KEY_LIMIT) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(key) => {
                input::warn_if_shared(path, "open the sessions under it");
                Ok(SessionKey::new(&key))
            }
            Err(_) => Err(refused(format!(
                "has {}: give the one that was made for these sessions",
                match bytes.len() {
                    0 => "none".to_owned(),
                    few if few < 32 => few.to_string(),
                    _ => "more".to_owned(),
                }
            ))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && has_sessions => Err(refused(
            "is not there, while the file of --session is, which only its own key opens: give that, or move the sessions away".to_owned(),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; 32];
            random::fill(&mut key)
                .map_err(|error| Failure::connection(format!("no random bytes: {error}")))?;
            create(path, &key).map_err(|error| {
                refused(format!("cannot be made ({error}): correct the path or the permissions of its directory"))
            })?;
            Ok(SessionKey::new(&key))
        }
        Err(error) => Err(refused(format!(
            "cannot be read ({error}): correct the path or its permissions"
        ))),
    }
}

/// Reads all of a file, which must not be larger.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(ErrorKind::FileTooLarge.into()),
    }
}

/// Makes a file that its owner alone can read, and that is whole or not there.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    input::keep_private(&mut options);
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| {
        let _removed = fs::remove_file(path).is_ok();
    })
}

/// Puts a new file in the place of one, at once.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut suffix = [0; 8];
    random::fill(&mut suffix).map_err(io::Error::other)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", escape::hex(&suffix)));
    let new = PathBuf::from(name);
    create(&new, bytes)?;
    fs::rename(&new, path).inspect_err(|_| {
        let _removed = fs::remove_file(&new).is_ok();
    })
}

/// The first line.
const HEADER: &str = "sessions of pith 1";

/// Four times what a full store has, in hex, if its tickets are of 2 KiB.
const FILE_LIMIT: u64 = 32 << 20;
/// Enough to tell that there is more than a key.
const KEY_LIMIT: u64 = 4 << 10;

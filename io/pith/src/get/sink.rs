//! Where a file goes, and what of it is there when it did not come whole: nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::{self, Failure};

/// Where a file goes.
pub(crate) enum Target {
    Output,
    File(PathBuf),
}

/// What a file is written to. One that is not finished leaves nothing behind.
pub(super) enum Sink {
    Output(io::Stdout),
    File {
        file: File,
        part: Part,
        path: Arc<Path>,
    },
}

/// The path of an unfinished file; it is removed when dropped.
pub(super) struct Part(PathBuf);

/// How many files were opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        let Target::File(path) = target else {
            return Ok(Self::Output(io::stdout()));
        };
        // Its own name may be as long as names get.
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let part = path.with_file_name(format!(".pith-{}-{number}.part", std::process::id()));
        let file = File::create(&part).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File {
            file,
            part: Part(part),
            path: Arc::from(path.as_path()),
        })
    }

    pub(super) fn write(&mut self, part: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Output(out) => out.write_all(part).map_err(|error| failure::output(&error)),
            Self::File { file, path, .. } => file
                .write_all(part)
                .map_err(|error| unwritable(path, &error)),
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Output(mut out) => out.flush().map_err(|error| failure::output(&error)),
            Self::File { file, part, path } => {
                drop(file);
                fs::rename(&part.0, &path).map_err(|error| unwritable(&path, &error))
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more if it was finished.
        let _removed = fs::remove_file(&self.0).is_ok();
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!(
        "{} cannot be written ({error}): correct --output, or make room",
        path.display()
    ))
}

//! Counts the heap of a piece of code, AWS-LC's memory included.
//!
//! A Rust allocator does not see AWS-LC's memory, so a test runs itself again with a malloc counter preloaded (`tests/heap/count.c`, built here
//! by `cc`), which leaves its two numbers in a file.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two numbers. Reading them allocates nothing.
pub struct Counter(File);

/// Runs `measure` with a counter, in a process of its own that runs nothing but the test of this name. `folder` is one for
/// temporary files.
pub fn measured(name: &str, folder: &str, measure: impl FnOnce(&Counter)) {
    if let Some(counter) = Counter::of_process() {
        return measure(&counter);
    }
    let own = format!("heap-{}-{}", std::process::id(), name.replace("::", "-"));
    let folder = PathBuf::from(folder).join(own);
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.args(["--exact", name, "--nocapture"]);
    count(&mut run, &folder);
    let run = run.output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    println!("{output}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "measuring failed: {}", run.status);
    assert!(output.contains("bytes"), "nothing was measured");
}

/// Has a program count its heap: builds the counter in `folder`, which is made, and whose removal is the caller's.
pub fn count(program: &mut Command, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let library = folder.join("count.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/heap/count.c");
    let built = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .status()
        .unwrap();
    assert!(built.success(), "cc cannot build {source}");
    program
        .env("LD_PRELOAD", &library)
        .env(COUNTER, folder.join("counter"));
}

impl Counter {
    /// That of this process, if it was started with one.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let file = std::env::var_os(COUNTER)?;
        Some(Self(File::open(file).unwrap()))
    }

    /// Bytes that are allocated now.
    pub fn bytes(&self) -> i64 {
        self.read(0)
    }

    /// Allocations so far.
    pub fn allocations(&self) -> i64 {
        self.read(8)
    }

    fn read(&self, offset: u64) -> i64 {
        let mut number = [0; 8];
        self.0.read_exact_at(&mut number, offset).unwrap();
        i64::from_ne_bytes(number)
    }
}

/// Names the file of the counter, to the counter and to the test.
const COUNTER: &str = "PITH_HEAP_COUNTER";

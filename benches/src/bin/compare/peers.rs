//! Which programs there are: how they are built and started, and what version of which library each has.

use std::path::{Path, PathBuf};
use std::process::Command;

use pith_bench_program::Failure;
use pith_benches::keys;

use crate::Setting;

/// A library that Pith is measured beside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Its name, and that of its program.
    pub(crate) name: &'static str,
    /// The package in the lock file whose version is the library's.
    package: &'static str,
}

/// Those with TLS over a byte stream.
pub(crate) const TLS: [Peer; 4] = [
    Peer {
        name: "rustls",
        package: "rustls",
    },
    Peer {
        name: "s2n-tls",
        package: "s2n-tls",
    },
    Peer {
        name: "boringssl",
        package: "boring",
    },
    Peer {
        name: "openssl",
        package: "openssl-src",
    },
];

/// Those with QUIC over sockets.
pub(crate) const QUIC: [Peer; 3] = [
    Peer {
        name: "quinn",
        package: "quinn",
    },
    Peer {
        name: "s2n-quic",
        package: "s2n-quic",
    },
    Peer {
        name: "quiche",
        package: "quiche",
    },
];

impl Peer {
    /// The version that the lock file pins.
    pub(crate) fn version(self) -> Result<String, Failure> {
        let lock = std::fs::read_to_string(root().join("peers").join(self.lock()))?;
        let start = format!("name = \"{}\"\nversion = \"", self.package);
        let (_, rest) = lock.split_once(&start).ok_or("not in the lock file")?;
        let version = rest.split('"').next().unwrap_or_default();
        // A package of a library's source has the library's own version behind a plus.
        let (own, source) = version.split_once('+').unwrap_or((version, version));
        Ok(if self.package == "openssl-src" {
            source.to_owned()
        } else {
            own.to_owned()
        })
    }

    fn lock(self) -> &'static str {
        if self.package == "openssl-src" {
            "openssl/Cargo.lock"
        } else {
            "compare/Cargo.lock"
        }
    }

    /// How its program starts.
    pub(crate) fn command(self, setting: &Setting) -> Result<Command, Failure> {
        let program = setting.peers.join(format!("pith-compare-{}", self.name));
        if !program.exists() {
            return Err("it is not built".into());
        }
        let mut command = Command::new(program);
        command.arg(keys());
        Ok(command)
    }
}

/// How one of the programs starts that are parts of this one: `pith` or `floor`.
pub(crate) fn own(name: &str) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["program", name]).arg(keys());
    Ok(command)
}

/// Builds the peers, once, and says where they are.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let output = Command::new("bash")
        .arg(root().join("peers/compare/build.sh"))
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the peers cannot be built".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#!/usr/bin/env bash
# peers/rust.sh NAME: builds the peer of that name, boring or s2n, and prints the path of its program.
#
# What it is built from is pinned and checksummed by the Cargo.lock of the peer. Cargo's target folder lies outside the
# checkout, under ${XDG_CACHE_HOME:-~/.cache}/pith, so that another checkout compiles the program itself and nothing else.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$1
target=${XDG_CACHE_HOME:-$HOME/.cache}/pith/peer-$name

mkdir -p "$target"
# No flags of the build that this one runs in: they would make another build of everything.
env -u RUSTFLAGS -u AWS_LC_SYS_NO_JITTER_ENTROPY CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0 \
    cargo build --quiet --locked --manifest-path "$here/$name/Cargo.toml" >&2
echo "$target/debug/pith-peer-$name"

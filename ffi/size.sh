#!/usr/bin/env bash
# Says how large the shared library is, stripped, and how much of that is above one that only calls the same primitives: what Pith itself adds. A report and no gate.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release -p pith-ffi -p pith-baseline
from=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strip --strip-unneeded -o "$work/pith" "$from/libpith.so"
strip --strip-unneeded -o "$work/baseline" "$from/libpith_baseline.so"
pith=$(stat -c %s "$work/pith") baseline=$(stat -c %s "$work/baseline")
echo "libpith.so, stripped: $((pith / 1024)) KiB; its primitives alone: $((baseline / 1024)) KiB; above them: $(((pith - baseline) / 1024)) KiB"

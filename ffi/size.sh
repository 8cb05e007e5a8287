#!/usr/bin/env bash
# Says how large the shared library is, stripped, and how much of that is above one that only calls the same primitives: what Pith itself adds. A report and no gate.
set -euo pipefail
cd "$(dirname "$0")/.."
# The crate types are named as install.sh names them: with an rlib among them cargo leaves link-time optimization out.
cargo rustc --locked --profile dist -p pith-ffi --crate-type cdylib
cargo build --locked --profile dist -p pith-baseline
from=${CARGO_TARGET_DIR:-target}/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strip --strip-unneeded -o "$work/pith" "$from/libpith.so"
strip --strip-unneeded -o "$work/baseline" "$from/libpith_baseline.so"
pith=$(stat -c %s "$work/pith") baseline=$(stat -c %s "$work/baseline")
echo "libpith.so, stripped: $((pith / 1024)) KiB; its primitives alone: $((baseline / 1024)) KiB; above them: $(((pith - baseline) / 1024)) KiB"

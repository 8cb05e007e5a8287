#!/usr/bin/env bash
# Runs BoringSSL's protocol tests against Pith, and judges the results.
#
#   tests/bogo/run.sh               all tests; fails as judge.py says
#   tests/bogo/run.sh 'KeyUpdate*'  the tests that match these patterns (separated by semicolons), with the runner's output
#
# BOGO_LOG=FILE keeps the runner's output.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bogo=$("$here/setup.sh")
# What the shim trusts.
export BOGO_PINS=$bogo/pins

# One process a connection: without this, each would first wait for the CPU's jitter to seed the generator.
export AWS_LC_SYS_NO_JITTER_ENTROPY=1
# That variable makes another build of aws-lc, which must not displace the usual one.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/bogo
# Some tests need algorithms for certificates that no user has.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg pith_test"
cargo build --quiet --manifest-path "$root/Cargo.toml" --package pith-bogo
shim=$CARGO_TARGET_DIR/debug/pith-bogo

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=${BOGO_LOG:-$work/log}
arguments=(-shim-path "$shim" -shim-config "$here/config.json" -allow-unimplemented -pipe -num-workers 2
    -json-output "$work/results.json")

if [ $# -gt 0 ]; then
    TMPDIR=$work "$bogo/runner" "${arguments[@]}" -test "$1" </dev/null | { grep -v '^UNIMPLEMENTED' || true; }
    exit
fi
# Disabled tests run too, so that one which has begun to pass is noticed; the verdict is judge.py's, not the runner's.
export BOGO_REASONS=$work/reasons
TMPDIR=$work "$bogo/runner" "${arguments[@]}" -include-disabled </dev/null >"$log" 2>&1 || true
python3 "$here/judge.py" "$work/results.json" "$BOGO_REASONS" "$here/config.json" "$here/counts.tsv"

#!/usr/bin/env bash
# Says how large stripped clients are (-O3, fat LTO, C library shared), and how much of that is above a program that only calls the same primitives. A report and no gate.
# The last column is how many functions of AWS-LC a program has that the one with the primitives lacks: it is fair where they are few.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../../target}
cargo build --locked --release
from=$CARGO_TARGET_DIR/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
size() {
    strip -o "$work/$1" "$from/$1"
    stat -c %s "$work/$1"
}
functions() { nm "$from/$1" | awk '$2 ~ /[Tt]/ && $3 ~ /^aws_lc/ { print $3 }' | sort -u; }
printf '%-16s %10s %14s %s\n' program bytes 'above, kB' 'functions of AWS-LC besides'
printf '%-16s %10d\n' tcp "$(size tcp)"
for kind in tls quic; do
    floor=$(size ${kind}_primitives)
    functions ${kind}_primitives >"$work/floor"
    printf '%-16s %10d\n' ${kind}_primitives "$floor"
    for by in pith rustls quinn; do
        program=${kind}_$by
        [[ -x $from/$program ]] || continue
        all=$(size "$program")
        printf '%-16s %10d %14d %d\n' "$program" "$all" $(((all - floor) / 1000)) \
            "$(functions "$program" | comm -23 - "$work/floor" | wc -l)"
    done
done

#!/usr/bin/env bash
# peers/compare/build.sh [--check] [PACKAGE…]: builds the programs that Pith is measured beside, all or those of aws, boring, openssl, and prints the folder
# where they are. With --check it only finds out whether they compile, as the gate does.
#
# What they are built from is pinned by the Cargo.lock beside this file; OpenSSL is that of peers/openssl, with its own flags (-O3). Rust gets
# the flags of Pith's release profile, BoringSSL and AWS-LC those of their crates in a release build. Cargo's target folder lies outside the checkout,
# under ${XDG_CACHE_HOME:-~/.cache}/pith. About ten minutes on two quiet cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${XDG_CACHE_HOME:-$HOME/.cache}/pith/compare
mkdir -p "$target"
does=build
[[ ${1-} == --check ]] && { does=check; shift; }
[[ $# -gt 0 ]] || set -- aws boring openssl
for name in "$@"; do
    if [[ $name == openssl ]]; then
        binary=$(bash "$here/../openssl/build.sh")
        OPENSSL_DIR=$(dirname "$(dirname "$binary")")
        export OPENSSL_DIR OPENSSL_STATIC=1
    fi
    # One at a time: features of one are not for the others. s2n-quic has X25519MLKEM768 behind a flag alone.
    env -u AWS_LC_SYS_NO_JITTER_ENTROPY CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0 RUSTFLAGS="--cfg s2n_quic_enable_pq_tls" \
        cargo $does --quiet --locked --release --manifest-path "$here/Cargo.toml" --package "pith-compare-$name" >&2
done
[[ $does == check ]] || echo "$target/release"

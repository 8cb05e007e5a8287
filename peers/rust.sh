#!/usr/bin/env bash
# peers/rust.sh NAME: builds the peer of that name, boring, s2n, quiche or s2n-quic, and prints the path of its program.
#
# What it is built from is pinned and checksummed by the Cargo.lock of the peer. Cargo's target folder lies outside the
# checkout, under ${XDG_CACHE_HOME:-~/.cache}/pith, so that another checkout compiles the program itself and nothing else. Of
# the peers for QUIC the program alone is kept, since their folders are large; it is built anew when one of its sources is another.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/pith/peer-$name
program=pith-peer-$name

build() {
    # No flags of the build that this one runs in: they would make another build of everything.
    env -u RUSTFLAGS -u AWS_LC_SYS_NO_JITTER_ENTROPY -u CARGO_PROFILE_DEV_DEBUG CARGO_TARGET_DIR="$1" CARGO_INCREMENTAL=0 \
        cargo build --quiet --locked --manifest-path "$here/$name/Cargo.toml" >&2
}

mkdir -p "$folder"
case $name in
    quiche | s2n-quic)
        sources=$(cd "$here" && sha256sum "$name"/Cargo.* "$name"/src/* program/Cargo.toml program/src/*)
        exec 9>"$folder/.lock"
        flock 9
        if [ ! -x "$folder/$program" ] || [ "$sources" != "$(cat "$folder/.sources" 2>/dev/null)" ]; then
            target=$(mktemp -d)
            trap 'rm -rf "$target"' EXIT
            build "$target" 9>&-
            strip -o "$folder/$program.new" "$target/debug/$program"
            mv "$folder/$program.new" "$folder/$program"
            echo "$sources" >"$folder/.sources"
        fi
        echo "$folder/$program"
        ;;
    *)
        build "$folder"
        echo "$folder/debug/$program"
        ;;
esac

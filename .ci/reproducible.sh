#!/usr/bin/env bash
# Builds libpith.so twice, as ffi/install.sh does, from copies of this checkout at two paths, and compares: who builds the same source has the same bytes, wherever it lies. No flag
# is needed for that: cargo tells the compiler paths that begin at the root of the workspace.
#
# What is built twice are Pith's own crates and the link. What they depend on, AWS-LC among it, is built once and used by both, and toolchain, registry and
# target directory stay where they are: of a difference that comes from those this says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
one=$work/one two=$work/another/place/two

# What git knows, as it is now.
for source in "$one" "$two"; do
    mkdir -p "$source"
    git ls-files -z | xargs -0 cp --parents -t "$source"
done

build() {
    # Newer than all that was built, so that nothing passes for built already.
    find "$1" -name '*.rs' -exec touch {} +
    (cd "$1" && CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0 cargo rustc --locked --profile dist -p pith-ffi --lib --crate-type cdylib 2>&1) | tee "$work/log"
    for crate in pith-crypto pith-pq pith-tls pith-quic pith-ffi; do
        grep -q "Compiling $crate " "$work/log" || { echo "$crate was not built in $1"; exit 1; }
    done
    cp "$target/dist/libpith.so" "$work/$2.so"
}

build "$one" one
build "$two" two

if grep -qF "$work" "$work/one.so" "$work/two.so"; then
    echo "libpith.so holds the path of its source"
    exit 1
fi
(cd "$work" && sha256sum one.so two.so)
cmp "$work/one.so" "$work/two.so"
echo "libpith.so: twice the same $(stat -c %s "$work/one.so") bytes"

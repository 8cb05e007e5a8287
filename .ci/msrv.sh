#!/usr/bin/env bash
# Checks the core crates with the oldest Rust that they state, 1.85: Debian's, unpacked into the cache so that it never
# meets the Rust of the machine. That pith-io builds with its 1.88 is checked by nobody: Debian has no such version.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.85.0+dfsg3-1~deb12u3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pith/msrv-1.85.0
root=$cache/root

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
if [ ! -e "$cache/.complete" ]; then
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    cd "$download"
    packages=(rustc-web="$version" cargo-web="$version" libstd-rust-web-dev="$version" libstd-rust-web-1.85="$version"
        libllvm19 libhttp-parser2.9 libpcre3)
    # A new machine has no package lists; one that is not root has to have them already.
    apt-get -q download "${packages[@]}" || { apt-get -q update && apt-get -q download "${packages[@]}"; }
    rm -rf "$root"
    for package in *.deb; do dpkg -x "$package" "$root"; done
    cd - >/dev/null
    touch "$cache/.complete"
fi

folder=$(basename "$(dirname "$(find "$root/usr/lib" -name 'librustc_driver-*.so' -print -quit)")")
export LD_LIBRARY_PATH=$root/usr/lib/$folder:$root/lib/$folder
export RUSTC=$root/usr/bin/rustc CARGO_TARGET_DIR=$cache/target
"$RUSTC" --version | grep -F 'rustc 1.85.0'
"$root/usr/bin/cargo" check --locked -p pith-crypto -p pith-pq -p pith-tls -p pith-quic --features pith-quic/qlog
# io promises 1.88, of which there is no toolchain here: what an older one takes, 1.88 takes too.
"$root/usr/bin/cargo" check --locked --ignore-rust-version -p pith-io --features tokio,tracing

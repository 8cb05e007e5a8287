# The foreign crates that the core runs on are exactly these eight; one more is a decision, not an accident.
set -euo pipefail
want="aws-lc-rs aws-lc-sys bytes rustls-pki-types rustls-webpki subtle untrusted zeroize"
have=$(cargo tree --locked -p pith-quic -e normal --prefix none --format '{p}' | awk '!/^pith-/ { print $1 }' | sort -u | tr '\n' ' ')
echo "core runtime crates: $have"
[[ ${have% } == "$want" ]] || { echo "wanted: $want"; exit 1; }

version=0.20.2
root=${XDG_CACHE_HOME:-$HOME/.cache}/pith/cargo-deny-$version
if [[ ! -x $root/bin/cargo-deny ]]; then
    # Optimised for being built, not for running: it runs for a second.
    CARGO_TARGET_DIR=$(mktemp -d)
    trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT
    export CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    cargo install cargo-deny --version "$version" --locked --no-default-features --root "$root"
fi
"$root/bin/cargo-deny" --locked check bans licenses sources

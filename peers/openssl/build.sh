#!/usr/bin/env bash
# Builds the OpenSSL that the interop tests talk to, once, and prints the path of its `openssl` command.
#
# The source is the crate openssl-src, pinned and checksummed by Cargo.lock beside this file. The result lies outside the
# checkout, under ${XDG_CACHE_HOME:-~/.cache}/pith, by version. About eight processor minutes. JOBS sets the parallel jobs.
# zlib and brotli, for compressed certificates, are the system's: their headers have to be there.
set -euo pipefail
# Which way of building this is: one more when the options below change.
build_number=2
here=$(cd "$(dirname "$0")" && pwd)
metadata=$(cargo metadata --locked --format-version 1 --manifest-path "$here/Cargo.toml")
read -r version source < <(python3 -c '
import json, os, sys
package, = (p for p in json.load(sys.stdin)["packages"] if p["name"] == "openssl-src")
print(package["version"].split("+")[1], os.path.join(os.path.dirname(package["manifest_path"]), "openssl"))
' <<<"$metadata")
prefix=${XDG_CACHE_HOME:-$HOME/.cache}/pith/openssl-$version-$build_number
binary=$prefix/bin/openssl

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if [ ! -e "$prefix/.complete" ]; then
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    (
        cd "$build"
        perl "$source/Configure" --prefix="$prefix" --openssldir="$prefix/ssl" --libdir=lib no-shared no-module no-tests no-docs \
            enable-zlib enable-brotli
        make -j "${JOBS:-$(nproc)}" build_sw
        make install_sw
    ) >"$prefix/build.log" 2>&1 9>&- || { tail -n 40 "$prefix/build.log" >&2; exit 1; }
    "$binary" version >&2
    touch "$prefix/.complete"
fi
echo "$binary"

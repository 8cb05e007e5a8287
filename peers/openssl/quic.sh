#!/usr/bin/env bash
# Builds the program that makes OpenSSL's QUIC a peer of the interop tests, beside the OpenSSL that build.sh makes, and prints its path.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
openssl=$(bash "$here/build.sh")
prefix=${openssl%/bin/openssl}
program=$prefix/bin/pith-peer-openssl-quic

exec 9>"$prefix/.lock"
flock 9
sources=$(sha256sum <"$here/quic.c")
if [ ! -x "$program" ] || [ "$sources" != "$(cat "$program.source" 2>/dev/null)" ]; then
    cc -std=gnu11 -O1 -Wall -Wextra -Werror -I"$prefix/include" -o "$program.new" "$here/quic.c" "$prefix/lib/libssl.a" "$prefix/lib/libcrypto.a" \
        -lz -lbrotlienc -lbrotlidec -lbrotlicommon -lm -ldl -pthread
    mv "$program.new" "$program"
    echo "$sources" >"$program.source"
fi
echo "$program"

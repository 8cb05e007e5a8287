#!/usr/bin/env bash
# Builds libpith and puts it where C programs find it: libraries, header, pkg-config and CMake files.
#
#   bash ffi/install.sh [--prefix /usr/local] [--libdir lib] [--destdir ''] [--profile dist] [--from FOLDER]
#
# --libdir is a folder of the prefix, such as lib/x86_64-linux-gnu. --destdir goes before it, for packagers. --from takes libraries that are built already. Of the static library only the pith_ functions
# can be seen, as of the shared one: what else is in it (Rust's library, AWS-LC) would clash with the same in another archive. GNU binutils are needed for that.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=/usr/local libdir=lib destdir='' profile=dist from=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --prefix) prefix=$2; shift ;;
        --libdir) libdir=$2; shift ;;
        --destdir) destdir=$2; shift ;;
        --profile) profile=$2; shift ;;
        --from) from=$2; shift ;;
        *) sed -n '4,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[[ $libdir != /* ]] || { echo "--libdir is a folder of the prefix" >&2; exit 2; }

if [[ -z $from ]]; then
    # Without the rlib that the crate also is, which would keep link-time optimization out.
    cargo rustc --locked --profile "$profile" -p pith-ffi --crate-type cdylib,staticlib
    from=${CARGO_TARGET_DIR:-target}/$([[ $profile == dev ]] && echo debug || echo "$profile")
fi
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
up=$(sed 's:[^/]\{1,\}:..:g' <<<"$libdir")

lib=$destdir$prefix/$libdir
mkdir -p "$lib/pkgconfig" "$lib/cmake/pith" "$destdir$prefix/include"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strip --strip-unneeded -o "$work/libpith.so" "$from/libpith.so"
install -m 755 "$work/libpith.so" "$lib/libpith.so.$version"
ln -sf "libpith.so.$version" "$lib/libpith.so.0"
ln -sf libpith.so.0 "$lib/libpith.so"

ld -r --whole-archive "$from/libpith.a" -o "$work/pith.o"
objcopy --wildcard --keep-global-symbol='pith_*' --strip-debug -R .llvmbc -R .llvmcmd "$work/pith.o"
ar rcs "$work/libpith.a" "$work/pith.o"
install -m 644 "$work/libpith.a" "$lib/libpith.a"

install -m 644 ffi/include/pith.h "$destdir$prefix/include/pith.h"
fill() {
    sed -e "s:@prefix@:$prefix:" -e "s:@libdir@:\${prefix}/$libdir:" -e 's:@includedir@:${prefix}/include:' \
        -e "s:@version@:$version:" -e "s:@major@:${version%%.*}:" -e "s:@up@:$up:" "$1" >"$2"
}
fill ffi/pith.pc.in "$lib/pkgconfig/pith.pc"
for file in ffi/cmake/*.cmake; do fill "$file" "$lib/cmake/pith/$(basename "$file")"; done
echo "installed libpith $version in $destdir$prefix"

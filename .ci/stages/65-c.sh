# libpith as a C programmer meets it: installed, found, linked, against OpenSSL, from Python, in libevent's loop and under ngtcp2; its tests under valgrind's memcheck, and under
# AddressSanitizer and UndefinedBehaviorSanitizer where there is a nightly Rust, which cannot be installed here.
set -euo pipefail
packages=()
while read -r command package; do
    command -v "$command" >/dev/null || packages+=("$package")
done <<'LIST'
c++ g++
cmake cmake
pkg-config pkg-config
python3 python3
valgrind valgrind
LIST
[[ -e /usr/include/ngtcp2/ngtcp2.h ]] || packages+=(libngtcp2-dev)
[[ -e /usr/include/event2/event.h ]] || packages+=(libevent-dev)
if [[ ${#packages[@]} -gt 0 ]]; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${packages[@]}"
fi
PITH_OPENSSL=$(bash peers/openssl/build.sh)
export PITH_OPENSSL
cargo test --locked -p pith-ffi -- --include-ignored --show-output
PITH_VALGRIND=1 cargo test --locked -p pith-ffi --test c --test event --test transfer -- --include-ignored --show-output

# Rust's own library is not instrumented there; libpith and AWS-LC are.
if cargo +nightly --version 2>/dev/null; then
    target=$(rustc --print host-tuple) asan=$(realpath -m "${CARGO_TARGET_DIR:-target}/asan")
    CARGO_TARGET_DIR=$asan RUSTFLAGS=-Zsanitizer=address CFLAGS="-fsanitize=address -fno-omit-frame-pointer" \
        cargo +nightly build --locked -p pith-ffi --target "$target"
    PITH_ASAN=$asan/$target/debug/libpith.a cargo test --locked -p pith-ffi --test c --test event --test transfer -- --include-ignored --show-output
else
    echo "SKIPPED: c_asan: there is no nightly Rust"
fi
echo "entry points: $(wc -l <ffi/symbols.txt)"
bash ffi/size.sh

# The other peers of the interop tests, whose stage finds them built. BoringSSL takes the longest, two processor minutes.
set -euo pipefail
packages=()
while read -r file package; do
    command -v "$file" >/dev/null || compgen -G "$file" >/dev/null || packages+=("$package")
done <<'LIST'
cmake cmake
c++ g++
clang clang
/usr/lib/llvm-*/lib/libclang.so* libclang-dev
chromium chromium
npm npm
redis-server redis-server
tshark tshark
LIST
if [[ ${#packages[@]} -gt 0 ]]; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${packages[@]}"
fi
for script in "rust.sh boring" "rust.sh s2n" "rust.sh quiche" "rust.sh s2n-quic" openssl/quic.sh; do
    start=$SECONDS
    # shellcheck disable=SC2086
    program=$(bash peers/$script)
    echo "$program: $((SECONDS - start)) s"
done
"$(bash peers/node/build.sh)" --version
chromium --version
tshark --version | head -n 1

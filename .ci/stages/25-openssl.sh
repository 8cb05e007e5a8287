# The peer of the interop tests, whose stage finds it built.
set -euo pipefail
packages=()
[[ -e /usr/include/zlib.h ]] || packages+=(zlib1g-dev)
[[ -e /usr/include/brotli/encode.h ]] || packages+=(libbrotli-dev)
if [[ ${#packages[@]} -gt 0 ]]; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${packages[@]}"
fi
"$(bash peers/openssl/build.sh)" version

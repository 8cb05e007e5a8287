# Pith against OpenSSL, BoringSSL, s2n-tls, Node and Chromium over sockets. Against rustls it is in the default tests, in memory.
set -euo pipefail
PITH_OPENSSL=$(bash peers/openssl/build.sh)
PITH_BORING=$(bash peers/rust.sh boring)
PITH_S2N=$(bash peers/rust.sh s2n)
PITH_NODE=$(bash peers/node/build.sh)
PITH_CHROMIUM=$(command -v chromium)
export PITH_OPENSSL PITH_BORING PITH_S2N PITH_NODE PITH_CHROMIUM
cargo build --locked -p pith
cargo test --locked -p pith-interop -- --show-output

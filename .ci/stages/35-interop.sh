# Pith against OpenSSL over sockets. Against rustls it is in the default tests, in memory.
set -euo pipefail
PITH_OPENSSL=$(bash peers/openssl/build.sh)
export PITH_OPENSSL
cargo test --locked -p pith-interop -- --show-output

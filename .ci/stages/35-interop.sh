# Pith against OpenSSL, BoringSSL, s2n-tls, Node and Chromium over sockets; quiche, s2n-quic, OpenSSL and quinn over QUIC; and a fleet of servers with a Redis; and Wireshark on what QUIC sends. Against rustls it is in the default tests, in memory.
set -euo pipefail
PITH_OPENSSL=$(bash peers/openssl/build.sh)
PITH_BORING=$(bash peers/rust.sh boring)
PITH_S2N=$(bash peers/rust.sh s2n)
PITH_QUICHE=$(bash peers/rust.sh quiche)
PITH_S2N_QUIC=$(bash peers/rust.sh s2n-quic)
PITH_OPENSSL_QUIC=$(bash peers/openssl/quic.sh)
PITH_NODE=$(bash peers/node/build.sh)
PITH_CHROMIUM=$(command -v chromium)
PITH_REDIS=$(command -v redis-server)
PITH_TSHARK=$(command -v tshark)
export PITH_OPENSSL PITH_BORING PITH_S2N PITH_QUICHE PITH_S2N_QUIC PITH_OPENSSL_QUIC PITH_NODE PITH_CHROMIUM PITH_REDIS PITH_TSHARK
cargo build --locked -p pith
cargo test --locked -p pith-interop -- --show-output
# With more than zlib for certificates.
cargo test --locked -p pith-interop --features brotli,zstd --test certificate_compression --test chromium -- --show-output

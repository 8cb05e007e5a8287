# No branch and no index depends on a secret: memcheck watches code that is as optimized as what is shipped. The build is that of the next stage.
set -euo pipefail
export CARGO_TARGET_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/pith/network CARGO_PROFILE_RELEASE_LTO=off
export RUSTFLAGS="${RUSTFLAGS:-} --cfg pith_test"
cargo test --locked --release -p pith-tests --test constant_time
cargo test --locked --release -p pith-tests --test quic_network constant_time

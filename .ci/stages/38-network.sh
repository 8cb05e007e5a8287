# QUIC over simulated networks that 500 seeds make up. An optimized build of its own, kept across checkouts: what is only to be unpredictable on
# connections comes from the seed too, so that a failure replays.
set -euo pipefail
export CARGO_TARGET_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/pith/network CARGO_PROFILE_RELEASE_LTO=off
export RUSTFLAGS="${RUSTFLAGS:-} --cfg pith_test" PITH_SEEDS=${PITH_SEEDS:-500}
cargo test --locked --release -p pith-tests --test quic_network --no-run
start=$SECONDS
cargo test --locked --release -p pith-tests --test quic_network -- --skip constant_time
echo "$PITH_SEEDS networks in $((SECONDS - start)) s"
# And what a GiB over a bad path holds in memory.
PITH_BYTES=$((1 << 30)) cargo test --locked --release -p pith-tests --test quic_heap transfer -- --nocapture

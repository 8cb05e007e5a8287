# What the other stages call and a machine may lack: Rust's own components cannot be installed here, the rest can.
set -euo pipefail
packages=()
while read -r command package; do
    command -v "$command" >/dev/null || packages+=("$package")
done <<'LIST'
cc gcc
make make
perl perl
python3 python3
flock util-linux
git git
valgrind valgrind
LIST
if [[ ${#packages[@]} -gt 0 ]]; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${packages[@]}"
fi
cargo --version
cargo fmt --version
cargo clippy --version
cc --version | head -n 1

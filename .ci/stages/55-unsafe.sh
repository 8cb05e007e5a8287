# `unsafe` stands only in the files that .ci/unsafe.txt names, and the core forbids it to the compiler.
set -euo pipefail
listed=$(sed '/^#/d;/^$/d' .ci/unsafe.txt)
found=$(git ls-files '*.rs' | xargs grep -lE '(^|[^/"`_a-z])unsafe (\{|fn|impl|trait|extern)|allow\(unsafe_code\)|#\[unsafe\(' || true)
unlisted=$(comm -13 <(sort <<<"$listed") <(sort <<<"$found") | sed '/^$/d')
[[ -z $unlisted ]] || { echo "unsafe outside .ci/unsafe.txt:"; echo "$unlisted"; exit 1; }
for root in crypto/src/lib.rs pq/src/lib.rs tls/src/lib.rs quic/src/lib.rs; do
    grep -q '^#!\[forbid(unsafe_code)\]' "$root" || { echo "$root: no #![forbid(unsafe_code)]"; exit 1; }
done
echo "files with unsafe: ${found:-none}"

# The tables by themselves, for the counts; then by must.py, which reads them on its own: it may find rows missing, nothing else.
set -euo pipefail
cargo test --locked -q -p pith-tests --test tables -- --nocapture
for ids in tests/requirements/*.ids; do
    report=$(python3 tools/must.py check "${ids%.ids}.tsv" --ids "$ids" || true)
    tail -n 1 <<<"$report"
    if head -n -1 <<<"$report" | grep -v '^missing: '; then exit 1; fi
done

# The pages that are made of them.
python3 tools/assurance.py --check

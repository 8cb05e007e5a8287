#!/usr/bin/env bash
# Runs one fuzz target under libFuzzer with AddressSanitizer, and adds a row to assurance/fuzz.tsv: what was really executed, and the edges that it covered.
#
#   fuzz/run.sh [--keep] TARGET EXECUTIONS
#
# TARGET is the name of a folder in a __fuzz__; `fuzz/run.sh` alone lists them. A run starts from the corpus that is checked in and from what earlier runs left in
# target/fuzz. --keep adds some of what it found to the corpus that is checked in. FUZZ_SECONDS ends a run before its executions are done (3600), and so
# does SIGUSR1 to the test. FUZZ_BINARY is a test that was built so before, at FUZZ_COMMIT; FUZZ_ROWS another file for the row. How long an input may be,
# and how often each target is to be run in all, stands in fuzz/targets.tsv. Needs a nightly toolchain and a C++ compiler; nothing else is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
keep=
if [ "${1-}" = --keep ]; then
    keep=yes
    shift
fi
if [ $# -ne 2 ]; then
    find . -path ./target -prune -o -path '*/__fuzz__/*' -name corpus -print | awk -F/ '{print $(NF-1)}' | sort
    exit 2
fi
target=$1 executions=$2
folder=$(find . -path ./target -prune -o -path "*/__fuzz__/$target" -print)
[ -d "$folder" ] || { echo "no target $target" >&2; exit 1; }
length=$(awk -F'\t' -v target="$target" '$1 == target {print $3}' fuzz/targets.tsv)
[ -n "$length" ] || { echo "no row of fuzz/targets.tsv for $target" >&2; exit 1; }
package=pith-$(echo "$folder" | cut -d/ -f2)
case $folder in
*/src/*) which=(--lib) ;;
*) which=(--test "$(grep -l "fn \(fuzz_\)\?$target()" "${folder%/__fuzz__/*}"/*.rs | head -1 | xargs basename -s .rs)") ;;
esac

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target/fuzz}
export CARGO_PROFILE_DEV_OPT_LEVEL=3
# The sanitizer is for what is tested, not for libFuzzer, which works between all executions.
export CXXFLAGS="${CXXFLAGS-} -O2 -fno-sanitize=address"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table"
compares="-Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTFLAGS="--cfg fuzzing --cfg fuzzing_libfuzzer -Zsanitizer=address -Ccodegen-units=1"
binary=${FUZZ_BINARY-}
if [ -z "$binary" ]; then
    # libFuzzer looks at all counters after each execution, which is most of what a parser costs: only the crate that is tested has them, and behind targets
    # that test from outside all of Pith's own.
    # A parser looks for numbers that libFuzzer can learn from compares; a list of steps is made of numbers modulo few, the types of frames are single bytes, and
    # looking costs much.
    case $target in
    wire__fuzz__frame | wire__fuzz__listed_frames) compares= ;;
    wire__fuzz__* | resume__tests__fuzz__* | endpoint__token__* | any_bytes_* | pieces_* | whoever_*) ;;
    *) compares= ;;
    esac
    if [ "${which[0]}" = --lib ]; then
        which+=(-- $coverage $compares)
    else
        export FUZZ_COVERAGE="$coverage" RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/rustc${compares:+_compares}.sh
    fi
    # Its own triple, so that build scripts and macros are not instrumented.
    triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
    binary=$(cargo +nightly rustc --locked --profile test --message-format json-render-diagnostics --target "$triple" -p "$package" "${which[@]}" |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
fi
[ -x "$binary" ] || exit 1
case $binary in /*) ;; *) binary=$PWD/$binary ;; esac
name=${target//__/::}
test=$("$binary" --list 2>/dev/null | sed 's/: test$//' | grep -E "^(${name%::*}::)?(fuzz_)?${name##*::}$")

found=$CARGO_TARGET_DIR/found/$target
mkdir -p "$found" "$folder/corpus"
corpus=$PWD/$folder/corpus
# Weighing inputs by how rare their coverage is (entropic) would take a fifth of the time of targets that cover much.
# A trace of each allocation and a quarantine of 256 MiB would take longer than what is tested; a crash that is played again has the traces.
# Only the C interface has unsafe code that could use memory long after it is freed, or a stack's after a return: the rest gets a quarantine that a cache holds.
case $folder in
./ffi/*) asan=quarantine_size_mb=8 ;;
*) asan=quarantine_size_mb=1:thread_local_quarantine_size_kb=64:detect_stack_use_after_return=0 ;;
esac
export ASAN_OPTIONS=${ASAN_OPTIONS-malloc_context_size=1:$asan}
fuzz() {
    BOLERO_LIBFUZZER_ARGS="-artifact_prefix=$CARGO_TARGET_DIR/crash-$target- -timeout=60 -detect_leaks=0 -entropic=0 -max_len=$length $*" RUST_BACKTRACE=0 \
        "$binary" "$test" --exact --nocapture --quiet --test-threads 1 2>&1
}
log=$CARGO_TARGET_DIR/$target.log
fuzz "-runs=$executions -max_total_time=${FUZZ_SECONDS:-3600} -print_final_stats=1 $found $corpus" >"$log" || { tail -60 "$log"; exit 1; }
ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
edges=$(sed -n 's/^#[0-9]*[[:space:]][^[:space:]]* *cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
commit=${FUZZ_COMMIT:-$(git rev-parse --short=12 HEAD)}
printf '%s\t%s\t%s\t%s\t%s\n' "$target" "$ran" "$edges" "$commit" "$(date -u +%F)" | tee -a "${FUZZ_ROWS:-assurance/fuzz.tsv}"
if [ -n "$keep" ]; then
    # Each of what was found covered something new when it was. libFuzzer's merge would choose better, but its child processes run all targets of a binary.
    kept=$(sha1sum "$corpus"/* | cut -d' ' -f1)
    # A spread by size, none of it long, and no more than a corpus may hold.
    most=$((40 - $(find "$corpus" -type f | wc -l)))
    find "$found" -type f -size -3k -printf '%s %p\n' | grep -vF "$kept" | sort -n | awk '{print $2}' | awk -v most=$((most < 12 ? most : 12)) '{all[NR]=$0}
        END {step = NR > most ? NR / most : 1; for (at = 1; at <= NR && most > 0; at += step) print all[int(at)]}' | xargs -r cp -t "$corpus"
fi

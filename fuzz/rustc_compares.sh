#!/bin/sh
# fuzz/rustc.sh with traces of compares. It has a name of its own because Cargo looks at the wrapper's name, and not at what it adds, to know what to build anew.
FUZZ_COVERAGE="${FUZZ_COVERAGE-} -Cllvm-args=-sanitizer-coverage-trace-compares"
export FUZZ_COVERAGE
exec "$(dirname "$0")/rustc.sh" "$@"

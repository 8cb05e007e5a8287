#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER of fuzz/run.sh: a rustc that counts what runs in Pith's crates, but not in what runs while building, nor in the tools of tests.
case " $* " in
*" --crate-name pith_tests "*) FUZZ_COVERAGE= ;;
*" --target "*) ;;
*) FUZZ_COVERAGE= ;;
esac
exec "$@" $FUZZ_COVERAGE

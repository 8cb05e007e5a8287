//! Tests written in C, as a user writes: each file of `tests/c` is compiled with every warning as an error, as C99 against the shared library and as C++17
//! against the static one, and run. With `PITH_VALGRIND` set they run under valgrind's memcheck, which must report nothing.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test"
)]

mod compiler;

use compiler::{C99, CPP17, Files, compile, run};

macro_rules! tests_in_c {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let files = Files::new(stringify!($name));
            let source = concat!("tests/c/", stringify!($name), ".c");
            for language in [C99, CPP17] {
                let program = compile(&files, source, language);
                run(&program, &[files.folder()]);
            }
        })+
    };
}

tests_in_c! {
    kem,
    tls,
}

//! `include/pith.h` is what cbindgen makes of the crate. `PITH_WRITE_HEADER=1 cargo test -p pith-ffi --test header` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test"
)]

use std::path::Path;

use cbindgen::{
    Builder, Config, DocumentationStyle, ExportConfig, FunctionConfig, Language, Layout,
    ParseConfig, Style,
};

#[test]
fn the_header_is_what_the_crate_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let want = generated(root);
    let path = root.join("include/pith.h");
    if std::env::var_os("PITH_WRITE_HEADER").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap();
    if have != want {
        let line = have.lines().zip(want.lines()).position(|(a, b)| a != b);
        panic!(
            "include/pith.h differs from the crate from line {:?} on: write it anew by PITH_WRITE_HEADER=1",
            line.map(|line| line.saturating_add(1))
        );
    }
}

fn generated(root: &Path) -> String {
    let config = Config {
        language: Language::C,
        header: Some(HEADER.to_owned()),
        include_guard: Some("PITH_H".to_owned()),
        after_includes: Some(INIT.to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into(), "string.h".into()],
        cpp_compat: true,
        style: Style::Both,
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::Doxy,
        tab_width: 4,
        line_length: 100,
        function: FunctionConfig {
            args: Layout::Vertical,
            ..FunctionConfig::default()
        },
        export: ExportConfig::default(),
        parse: ParseConfig::default(),
        ..Config::default()
    };
    let bindings = Builder::new()
        .with_config(config)
        .with_crate(root)
        .generate()
        .unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    tidy(&String::from_utf8(header).unwrap())
}

/// Rust's words for what C has no word for: the section that says what an `unsafe` function asks of its caller.
fn tidy(header: &str) -> String {
    header.replace(" * # Safety\n", " * Needs:\n")
}

const HEADER: &str = "/* pith.h: libpith, TLS 1.3, QUIC and key encapsulation, post-quantum by default. Made from the crate pith-ffi: do not edit.
 *
 * Objects are opaque. What a function makes (pith_..._new, pith_tls_client, pith_tls_server, pith_kem_keygen) is the caller's, who frees it once by the function of
 * its type; freeing NULL does nothing. Bytes and strings that are given are read during the call and never kept. Those that come
 * out are either written to the caller's buffer or lent by the object, for as long as the function says.
 *
 * Functions return int32_t: 0 (PITH_OK), a positive number (not an error, but something is wanted first) or a negative one (an error). Functions that make
 * an object take a buffer for the reason of a failure, which may be NULL; objects that can fail later keep the text of their last error. errno
 * says nothing of them, and there is nothing to set up or to tear down.
 *
 * NULL with length 0 is an empty slice. Buffers that are written to do not overlap with others of the same call. Structs begin with their size: set
 * them up by PITH_INIT, so that a program goes on working with a newer library.
 *
 * Configurations and what they are made of never change: any number of threads may use them at once. A connection or a key belongs to one thread at a time, and may
 * move. Functions that take a pointer to const may be called while others of that kind are, not beside one that takes it without const.
 */";

const INIT: &str = "
/* Sets a struct with a size to zero, and its size. */
#define PITH_INIT(s) (memset(&(s), 0, sizeof(s)), (s).size = sizeof(s))
";

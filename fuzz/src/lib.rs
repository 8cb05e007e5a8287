//! Fuzz targets live in `tests/`: `cargo test -p pith-fuzz` runs each for a fixed number of inputs, `cargo bolero` for as long
//! as wanted.

#![forbid(unsafe_code)]

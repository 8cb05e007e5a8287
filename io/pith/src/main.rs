//! pith
fn main() {}

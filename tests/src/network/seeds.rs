//! Runs a test by many seeds, and says which one failed.

use std::ops::Range;

/// Runs `test` with each seed of the range. `PITH_SEEDS=N` asks for the first N seeds instead, and `PITH_SEED=S` for one alone.
///
/// # Panics
/// If one of the variables is no number.
#[allow(clippy::disallowed_methods)]
pub fn for_each_seed(seeds: Range<u64>, test: impl Fn(u64)) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    let seeds = match (number("PITH_SEED"), number("PITH_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => seeds,
    };
    assert!(!seeds.is_empty(), "no seeds");
    for seed in seeds {
        let _told = Told(seed);
        test(seed);
    }
}

/// Says the seed if its test panics.
struct Told(u64);

impl Drop for Told {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: replay with PITH_SEED={}", self.0);
        }
    }
}

//! No panic crosses into C: there it would be undefined what happens.

use core::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Failure, PITH_PANIC};

/// Runs `f`, and makes a failure of a panic. What `f` had in its hands may be half changed then: see [`handle`](crate::handle).
pub(crate) fn contain<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        // The payload's own destructor might panic too.
        let _kept = ManuallyDrop::new(payload);
        Err(Failure::new(PITH_PANIC, PANICKED))
    })
}

/// For those few functions that have no status to return: the same, with `other` after a panic.
pub(crate) fn contain_or<T>(other: T, f: impl FnOnce() -> T) -> T {
    contain(|| Ok(f())).unwrap_or(other)
}

pub(crate) const PANICKED: &str = "a bug in libpith, please report it: the object was in use when it struck, so it can only be freed";

//! What an opaque pointer stands for, where a function can change it: the object, whether a panic has left it in doubt, and the text of its
//! last error.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;
use std::ffi::CString;

use crate::arguments::{Why, c_string};
use crate::error::{Failure, PITH_OK, PITH_PANIC};
use crate::panic::contain;

/// An object that C holds a pointer to.
pub(crate) struct Guarded<T> {
    inner: T,
    poisoned: bool,
    text: Option<CString>,
}

/// An opaque type of the header, which is nothing but a [`Guarded`].
pub(crate) trait Handle {
    type Inner;
    fn guarded(&mut self) -> &mut Guarded<Self::Inner>;
}

impl<T> Guarded<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            poisoned: false,
            text: None,
        }
    }

    /// Runs `f` on the object. A panic poisons it; a failure leaves its text.
    pub(crate) fn run(&mut self, f: impl FnOnce(&mut T) -> Result<i32, Failure>) -> i32 {
        if self.poisoned {
            return PITH_PANIC;
        }
        match contain(|| f(&mut self.inner)) {
            Ok(status) => status,
            Err(failure) => {
                self.poisoned = failure.status == PITH_PANIC;
                self.text = Some(c_string(&failure.text));
                failure.status
            }
        }
    }

    /// Leaves a text without a failure.
    pub(crate) fn leave(&mut self, text: &str) {
        self.text = Some(c_string(text));
    }

    /// The object, to look at. None of a poisoned one.
    pub(crate) fn peek(&self) -> Option<&T> {
        (!self.poisoned).then_some(&self.inner)
    }

    /// The text of the last error, which lives until the next; NULL if there was none.
    pub(crate) fn text(&self) -> *const c_char {
        self.text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
    }
}

/// Runs `f` on the object behind a pointer of the caller.
pub(crate) fn enter<H: Handle>(
    handle: Option<&mut H>,
    f: impl FnOnce(&mut H::Inner) -> Result<i32, Failure>,
) -> i32 {
    match handle {
        Some(handle) => handle.guarded().run(f),
        None => Failure::null("the object").status,
    }
}

/// Makes an object for the caller, who is to free it: `*out` is NULL if that fails, and `why` says why.
pub(crate) fn create<T>(
    out: Option<&mut MaybeUninit<*mut T>>,
    why: Why,
    make: impl FnOnce() -> Result<T, Failure>,
) -> i32 {
    let Some(out) = out else {
        return why.tell(Failure::null("where to put the object"));
    };
    out.write(ptr::null_mut());
    match contain(make) {
        Ok(object) => {
            out.write(Box::into_raw(Box::new(object)));
            PITH_OK
        }
        Err(failure) => why.tell(failure),
    }
}

/// Frees an object of [`create`].
pub(crate) fn free<T>(object: Option<Box<T>>) {
    // What a destructor left undone when it panicked is not made up for: the memory is lost.
    contain(|| {
        drop(object);
        Ok(())
    })
    .unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PITH_MISUSE;
    use crate::panic::PANICKED;

    #[test]
    fn a_panic_is_caught_and_poisons_the_object_for_good() {
        let mut object = Guarded::new(5);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let status = object.run(|_| panic!("on purpose"));
        std::panic::set_hook(hook);
        assert_eq!(status, PITH_PANIC);
        assert_eq!(object.run(|_| Ok(PITH_OK)), PITH_PANIC);
        assert!(object.peek().is_none());
        assert_eq!(object.text.unwrap().to_str().unwrap(), PANICKED);
    }

    #[test]
    fn a_failure_leaves_its_text_and_poisons_nothing() {
        let mut object = Guarded::new(5);
        assert!(object.text().is_null());
        let status = object.run(|_| Err(Failure::new(PITH_MISUSE, "not\0so")));
        assert_eq!(status, PITH_MISUSE);
        assert_eq!(object.run(|inner| Ok(*inner)), 5);
        assert_eq!(object.text.unwrap().to_str().unwrap(), "not so");
    }

    #[test]
    fn what_cannot_be_made_gives_null() {
        let mut out = MaybeUninit::new(ptr::dangling_mut());
        let why = Why::none();
        let status = create::<u8>(Some(&mut out), why, || Err(Failure::new(-9, "no")));
        assert_eq!(status, -9);
        let mut out = MaybeUninit::new(ptr::dangling_mut());
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let status = create::<u8>(Some(&mut out), Why::none(), || panic!("on purpose"));
        std::panic::set_hook(hook);
        assert_eq!(status, PITH_PANIC);
        assert!(create::<u8>(None, Why::none(), || Ok(1)) < 0);
    }
}

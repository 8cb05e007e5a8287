//! The caller's pointers as what they stand for: slices, strings, lists and structs with a size in front.
//!
//! Each function here is unsafe in the same way: the pointer must point to so many items that stay as they are while the call lasts, as
//! the header asks of every caller. NULL is checked, and may stand for nothing where the length is 0.

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::slice;
use std::ffi::CString;

use crate::error::Failure;

/// Bytes that belong to somebody else. NULL with length 0 is an empty slice.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many bytes.
    pub len: usize,
}

impl pith_bytes {
    /// Lends bytes to the caller.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            data: match bytes.is_empty() {
                true => core::ptr::null(),
                false => bytes.as_ptr(),
            },
            len: bytes.len(),
        }
    }

    /// What the caller lends.
    ///
    /// # Safety
    /// As [`list`].
    pub(crate) unsafe fn get<'a>(self) -> Result<&'a [u8], Failure> {
        // SAFETY: as for this function.
        unsafe { list(self.data, self.len) }
    }
}

/// `len` items of the caller.
///
/// # Safety
/// Unless `len` is 0 or `data` is NULL, there are `len` initialised items at `data`, which nobody changes while the call lasts.
pub(crate) unsafe fn list<'a, T>(data: *const T, len: usize) -> Result<&'a [T], Failure> {
    check(data, len)?;
    match len {
        0 => Ok(&[]),
        // SAFETY: not NULL, aligned and no larger than a slice may be, by the check; the rest is the caller's duty.
        _ => Ok(unsafe { slice::from_raw_parts(data, len) }),
    }
}

/// `len` bytes of the caller to write to.
///
/// # Safety
/// Unless `len` is 0 or `data` is NULL, there are `len` bytes at `data`, which nobody else reads or changes while the call lasts.
pub(crate) unsafe fn room<'a>(data: *mut u8, len: usize) -> Result<&'a mut [u8], Failure> {
    check(data.cast_const(), len)?;
    match len {
        0 => Ok(&mut []),
        // SAFETY: not NULL and no larger than a slice may be, by the check; the rest is the caller's duty.
        _ => Ok(unsafe { slice::from_raw_parts_mut(data, len) }),
    }
}

/// A string of the caller; none for NULL.
///
/// # Safety
/// Unless `text` is NULL, it ends in a NUL byte and nobody changes it while the call lasts.
pub(crate) unsafe fn string<'a>(text: *const c_char) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's duty.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Failure::argument("a string is not UTF-8")),
    }
}

/// An object of the caller behind a pointer in a struct; none for NULL.
///
/// # Safety
/// Unless `object` is NULL, it came from this library and is not freed while the call lasts.
pub(crate) unsafe fn object<'a, T>(object: *const T) -> Option<&'a T> {
    // SAFETY: the caller's duty.
    unsafe { object.as_ref() }
}

/// A struct of plain values that begins with its size in bytes, as the caller's header knows it.
///
/// # Safety
/// All bytes zero are a valid value of the type, as is whatever a C program can put there.
pub(crate) unsafe trait Struct: Copy {}

/// A copy of a struct of the caller. What an older caller does not know is zero. A newer caller's has to be zero where this version does not know
/// it, since it would be passed over.
///
/// # Safety
/// Unless `options` is NULL, it points to a size, and to so many initialised bytes in all.
pub(crate) unsafe fn options<T: Struct>(options: *const T) -> Result<T, Failure> {
    if options.is_null() {
        return Err(Failure::null("the struct of options"));
    }
    // SAFETY: the caller's duty, and the size stands first.
    let size = unsafe { options.cast::<usize>().read_unaligned() };
    if !(size_of::<usize>()..=LARGEST_STRUCT).contains(&size) {
        return Err(Failure::argument(
            "the size in front of a struct is not its size: set it to sizeof, and everything else to 0, by PITH_INIT",
        ));
    }
    // SAFETY: the caller's duty.
    let bytes = unsafe { list(options.cast::<u8>(), size) }?;
    if bytes
        .get(size_of::<T>()..)
        .is_some_and(|unknown| unknown.iter().any(|byte| *byte != 0))
    {
        return Err(Failure::argument(
            "a field of the struct is not 0 that this version of libpith does not know",
        ));
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    let length = size.min(size_of::<T>());
    // SAFETY: `length` bytes are in both, and a fresh local overlaps with nothing.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.as_mut_ptr().cast(), length) };
    // SAFETY: zero or from C, either of which the trait promises to be valid.
    Ok(unsafe { copy.assume_init() })
}

/// Fills a struct of the caller, as far as the caller knows it; its size stays.
///
/// # Safety
/// Unless `out` is NULL, it points to a size, and to room for so many bytes in all.
pub(crate) unsafe fn fill<T: Struct>(
    out: *mut T,
    value: impl FnOnce(usize) -> T,
) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::null("the struct to fill"));
    }
    // SAFETY: the caller's duty, and the size stands first.
    let size = unsafe { out.cast::<usize>().read_unaligned() };
    if !(size_of::<usize>()..=LARGEST_STRUCT).contains(&size) {
        return Err(Failure::argument(
            "the size in front of a struct is not its size: set it to sizeof, and everything else to 0, by PITH_INIT",
        ));
    }
    let value = value(size);
    let length = size.min(size_of::<T>());
    // SAFETY: `length` bytes are in both, and a fresh local overlaps with nothing.
    unsafe { core::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), out.cast(), length) };
    Ok(())
}

/// Where a function that makes an object says why it could not.
pub(crate) struct Why {
    text: *mut c_char,
    size: usize,
}

impl Why {
    /// # Safety
    /// Unless `text` is NULL or `size` is 0, there are `size` bytes at `text` to write to, for as long as the value lives.
    pub(crate) unsafe fn new(text: *mut c_char, size: usize) -> Self {
        Self { text, size }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self {
            text: core::ptr::null_mut(),
            size: 0,
        }
    }

    /// Writes the text, cut to what has room, and gives the status.
    pub(crate) fn tell(self, failure: Failure) -> i32 {
        let text = c_string(&failure.text);
        let text = text.to_bytes();
        // SAFETY: the duty of whoever made this value.
        let room = unsafe { room(self.text.cast::<u8>(), self.size) };
        if let Ok(Some((end, room))) = room.map(|room| room.split_last_mut()) {
            *end = 0;
            let length = text.len().min(room.len());
            let length = between_characters(&failure.text, length);
            if let (Some(to), Some(from)) = (room.get_mut(..length), text.get(..length)) {
                to.copy_from_slice(from);
            }
            if let Some(end) = room.get_mut(length) {
                *end = 0;
            }
        }
        failure.status
    }
}

/// The last place up to `index` that is between two characters (`str::floor_char_boundary` is too young).
fn between_characters(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index = index.saturating_sub(1);
    }
    index
}

/// A text as C takes it. A NUL byte inside becomes a space.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// A count for the caller, 0 until it is known.
pub(crate) struct Count<'a>(&'a mut MaybeUninit<usize>);

impl<'a> Count<'a> {
    pub(crate) fn new(place: Option<&'a mut MaybeUninit<usize>>) -> Result<Self, Failure> {
        let place = place.ok_or_else(|| Failure::null("where to put a count"))?;
        place.write(0);
        Ok(Self(place))
    }

    pub(crate) fn set(&mut self, count: usize) {
        self.0.write(count);
    }
}

/// Copies `bytes` to the caller's buffer whole, or says how long it has to be.
pub(crate) fn copy_whole(
    bytes: &[u8],
    out: &mut [u8],
    count: &mut Count<'_>,
) -> Result<(), Failure> {
    count.set(bytes.len());
    match out.get_mut(..bytes.len()) {
        Some(to) => {
            to.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(Failure::too_small(bytes.len(), out.len())),
    }
}

fn check<T>(data: *const T, len: usize) -> Result<(), Failure> {
    if len == 0 {
        return Ok(());
    }
    if data.is_null() {
        return Err(Failure::null("a buffer whose length is not 0"));
    }
    if !data.is_aligned() {
        return Err(Failure::argument("a list does not lie where its items may"));
    }
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Failure::argument("a length is larger than memory")),
    }
}

/// Bytes of a struct, past which its size must be something else.
const LARGEST_STRUCT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{PITH_ARGUMENT, PITH_NULL};

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Old {
        size: usize,
        a: u32,
        b: u32,
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct New {
        old: Old,
        c: u64,
    }

    // SAFETY: integers.
    unsafe impl Struct for Old {}
    // SAFETY: integers.
    unsafe impl Struct for New {}

    fn new(size: usize, c: u64) -> New {
        let old = Old { size, a: 1, b: 2 };
        New { old, c }
    }

    #[test]
    fn a_struct_of_an_older_caller_ends_in_zeros_and_of_a_newer_one_must() {
        // SAFETY: what is passed is as large as it says.
        unsafe {
            let old = Old {
                size: size_of::<Old>(),
                a: 1,
                b: 2,
            };
            let read = options((&raw const old).cast::<New>()).unwrap();
            assert_eq!((read.old.a, read.old.b, read.c), (1, 2, 0));
            let given = new(size_of::<New>(), 0);
            let read = options((&raw const given).cast::<Old>()).unwrap();
            assert_eq!((read.a, read.b), (1, 2));
            let given = new(size_of::<New>(), 1);
            let read = options((&raw const given).cast::<Old>());
            assert_eq!(read.err().unwrap().status, PITH_ARGUMENT);
            for size in [0, 7, LARGEST_STRUCT + 1, usize::MAX] {
                let given = new(size, 0);
                let read = options(&raw const given);
                assert_eq!(read.err().unwrap().status, PITH_ARGUMENT, "{size}");
            }
            let read = options(core::ptr::null::<New>());
            assert_eq!(read.err().unwrap().status, PITH_NULL);
        }
    }

    #[test]
    fn a_struct_is_filled_as_far_as_the_caller_knows_it() {
        // SAFETY: what is passed is as large as it says.
        unsafe {
            let mut out = new(size_of::<Old>(), 77);
            fill(&raw mut out, |size| new(size, 9)).unwrap();
            assert_eq!((out.old.size, out.c), (size_of::<Old>(), 77));
            let mut out = new(size_of::<New>(), 77);
            fill(&raw mut out, |size| new(size, 9)).unwrap();
            assert_eq!(out.c, 9);
        }
    }

    #[test]
    fn a_text_is_cut_to_its_buffer_and_always_ends() {
        for (text, size, want) in [
            ("reason", 7, "reason"),
            ("reason", 6, "reaso"),
            ("reason", 1, ""),
            ("zwölf", 4, "zw"),
            ("a\0b", 9, "a b"),
        ] {
            let mut out = [b'x'; 9];
            // SAFETY: `size` is at most the length of `out`.
            let why = unsafe { Why::new(out.as_mut_ptr().cast(), size) };
            assert_eq!(why.tell(Failure::new(-3, text)), -3);
            let got = CStr::from_bytes_until_nul(&out).unwrap().to_str().unwrap();
            assert_eq!(got, want);
            assert!(out[size..].iter().all(|byte| *byte == b'x'), "{text}");
        }
    }

    #[test]
    fn null_is_an_empty_list_and_nothing_else() {
        // SAFETY: NULL is checked, and the list is one.
        unsafe {
            assert_eq!(list::<u16>(core::ptr::null(), 0).unwrap(), []);
            let status = list::<u16>(core::ptr::null(), 1).err().unwrap().status;
            assert_eq!(status, PITH_NULL);
            let some = [1_u16, 2];
            assert_eq!(list(some.as_ptr(), 2).unwrap(), some);
            let status = list(some.as_ptr(), usize::MAX).err().unwrap().status;
            assert_eq!(status, PITH_ARGUMENT);
            let odd = some.as_ptr().cast::<u8>().wrapping_add(1).cast::<u16>();
            assert_eq!(list(odd, 1).err().unwrap().status, PITH_ARGUMENT);
        }
    }
}

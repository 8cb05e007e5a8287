//! What libpith calls of AWS-LC, and nothing else: how much larger libpith is, is what Pith adds (`ffi/size.sh`).

mod primitives;

use primitives::{exchange, header_mask, sign, symmetric, verify};

/// Calls every primitive with these bytes, for a number that means nothing.
#[unsafe(no_mangle)]
pub extern "C" fn pith_baseline(bytes: Option<&[u8; 256]>) -> usize {
    let Some(bytes) = bytes else {
        return 0;
    };
    let parts = [
        symmetric(bytes),
        header_mask(bytes),
        exchange(bytes),
        verify(bytes),
        sign(bytes),
    ];
    parts.iter().flatten().count()
}

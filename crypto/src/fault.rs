//! Makes a chosen call of this thread fail, so that a test can fail each call of a handshake in turn. Only under `--cfg pith_test`.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// After `calls` more calls to random bytes, sealing, opening and signing the next one fails, once; with `None`, none does. Returns
/// what was left of the count before: `Some` if the failure was never reached.
pub fn fail_after(calls: Option<u32>) -> Option<u32> {
    LEFT.replace(calls)
}

/// Whether this call is the one.
pub(crate) fn is_due() -> bool {
    let left = LEFT.get();
    LEFT.set(left.and_then(|calls| calls.checked_sub(1)));
    left == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aead, Error, OpeningKey, SealingKey, SignatureScheme, SigningKey, random};

    #[test]
    fn each_fallible_call_fails_when_it_is_due_and_no_other() {
        let mut sealing = SealingKey::new(Aead::Aes128Gcm, &[1; 16], &[2; 12]).unwrap();
        let mut opening = OpeningKey::new(Aead::Aes128Gcm, &[1; 16], &[2; 12]).unwrap();
        let der = &include_bytes!("../tests/data/ed25519.pkcs8.der")[..];
        let signing = SigningKey::from_der(&pki_types::PrivateKeyDer::Pkcs8(der.into())).unwrap();
        let errors = [
            Error::Random,
            Error::Internal("AEAD seal"),
            Error::Open,
            Error::Sign,
        ];
        for due in 0..6 {
            let mut record = [0; 20];
            let spare = fail_after(Some(due));
            assert_eq!(spare, if due == 5 { Some(0) } else { None }, "{due}");
            let random = random::fill(&mut [0; 8]);
            let sealed = sealing.seal(&[], b"text", &[], &mut record);
            let opened = opening.open(&[], &mut record).map(drop);
            let signed = signing.sign(SignatureScheme::ED25519, b"text").map(drop);
            let got = [random.err(), sealed.err(), opened.err(), signed.err()];
            for (call, (got, error)) in (0..).zip(got.into_iter().zip(errors)) {
                // What was not sealed does not open.
                let want = (call == due || (call, due) == (2, 1)).then_some(error);
                assert_eq!(got, want, "call {call} when {due} is due");
            }
            if due == 2 || due == 1 {
                opening.set_counter(sealing.used());
            }
        }
        assert_eq!(fail_after(None), Some(1));
    }
}

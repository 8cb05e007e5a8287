//! What Pith calls of AWS-LC. The functions do nothing of use; that their results depend on every call keeps the linker from leaving one out.

use aws_lc_rs::aead::quic::{self, HeaderProtectionKey};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, UnparsedPublicKey as Share};
use aws_lc_rs::kem::{self, DecapsulationKey, EncapsulationKey};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaEncoding, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use aws_lc_rs::{digest, hkdf, hmac};

/// Hashes, HKDF and AEADs.
pub(crate) fn symmetric(bytes: &[u8; 256]) -> Option<()> {
    let mut out = [0; 64];
    rand::fill(&mut out).ok()?;
    for hash in [&digest::SHA256, &digest::SHA384] {
        let mut context = digest::Context::new(hash);
        context.update(bytes);
        context.clone().finish().as_ref().first()?;
    }
    for hash in [hmac::HMAC_SHA256, hmac::HMAC_SHA384] {
        hmac::sign(&hmac::Key::new(hash, bytes), bytes)
            .as_ref()
            .first()?;
    }
    for hash in [hkdf::HKDF_SHA256, hkdf::HKDF_SHA384] {
        let key = hkdf::Prk::new_less_safe(hash, bytes.get(..32)?);
        let length = hash.hmac_algorithm().digest_algorithm().output_len();
        let room = out.get_mut(..length)?;
        key.expand(&[bytes], hash).ok()?.fill(room).ok()?;
    }
    for algorithm in [
        &aead::AES_128_GCM,
        &aead::AES_256_GCM,
        &aead::CHACHA20_POLY1305,
    ] {
        let key = UnboundKey::new(algorithm, bytes.get(..algorithm.key_len())?).ok()?;
        let key = LessSafeKey::new(key);
        let nonce = || Nonce::assume_unique_for_key([0; 12]);
        let mut record = bytes.to_vec();
        let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut record);
        record.extend_from_slice(tag.ok()?.as_ref());
        key.open_in_place(nonce(), Aad::empty(), &mut record).ok()?;
    }
    Some(())
}

/// What QUIC calls besides.
pub(crate) fn header_mask(bytes: &[u8; 256]) -> Option<()> {
    for algorithm in [&quic::AES_128, &quic::AES_256, &quic::CHACHA20] {
        let key = HeaderProtectionKey::new(algorithm, bytes.get(..algorithm.key_len())?).ok()?;
        key.new_mask(bytes.get(..16)?).ok()?;
    }
    Some(())
}

/// Key exchange.
pub(crate) fn exchange(bytes: &[u8; 256]) -> Option<()> {
    for algorithm in [
        &agreement::X25519,
        &agreement::ECDH_P256,
        &agreement::ECDH_P384,
        &agreement::ECDH_P521,
    ] {
        let key = agreement::PrivateKey::generate(algorithm).ok()?;
        let share = key.compute_public_key().ok()?;
        let peer = Share::new(algorithm, share.as_ref());
        agreement::agree(&key, peer, (), |_| Ok(())).ok()?;
    }
    for algorithm in [&kem::ML_KEM_512, &kem::ML_KEM_768, &kem::ML_KEM_1024] {
        let key = DecapsulationKey::generate(algorithm).ok()?;
        let share = key.encapsulation_key().ok()?.key_bytes().ok()?;
        let theirs = EncapsulationKey::new(algorithm, share.as_ref()).ok()?;
        let (ciphertext, _) = theirs.encapsulate().ok()?;
        key.decapsulate(ciphertext).ok()?;
    }
    Some(()).filter(|()| bytes.first() != Some(&7))
}

/// Signatures of the peer.
pub(crate) fn verify(bytes: &[u8; 256]) -> Option<()> {
    let algorithms: [&'static dyn VerificationAlgorithm; 19] = [
        &signature::ECDSA_P256_SHA256_ASN1,
        &signature::ECDSA_P256_SHA384_ASN1,
        &signature::ECDSA_P256_SHA512_ASN1,
        &signature::ECDSA_P384_SHA256_ASN1,
        &signature::ECDSA_P384_SHA384_ASN1,
        &signature::ECDSA_P384_SHA512_ASN1,
        &signature::ECDSA_P521_SHA256_ASN1,
        &signature::ECDSA_P521_SHA384_ASN1,
        &signature::ECDSA_P521_SHA512_ASN1,
        &signature::ED25519,
        &signature::ML_DSA_44,
        &signature::ML_DSA_65,
        &signature::ML_DSA_87,
        &signature::RSA_PSS_2048_8192_SHA256,
        &signature::RSA_PSS_2048_8192_SHA384,
        &signature::RSA_PSS_2048_8192_SHA512,
        &signature::RSA_PKCS1_2048_8192_SHA256,
        &signature::RSA_PKCS1_2048_8192_SHA384,
        &signature::RSA_PKCS1_2048_8192_SHA512,
    ];
    let verified = |algorithm: &&'static dyn VerificationAlgorithm| {
        UnparsedPublicKey::new(*algorithm, bytes)
            .verify(bytes, bytes)
            .is_ok()
    };
    algorithms.iter().any(verified).then_some(())
}

/// Signatures of this side.
pub(crate) fn sign(bytes: &[u8; 256]) -> Option<()> {
    let random = SystemRandom::new();
    for algorithm in [
        &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    ] {
        if let Ok(key) = EcdsaKeyPair::from_private_key_der(algorithm, bytes) {
            key.sign(&random, bytes).ok()?;
        }
    }
    if let Ok(key) = Ed25519KeyPair::from_pkcs8(bytes) {
        key.try_sign(bytes).ok()?;
    }
    let mut out = vec![0; 8192];
    for algorithm in [
        &signature::ML_DSA_44_SIGNING,
        &signature::ML_DSA_65_SIGNING,
        &signature::ML_DSA_87_SIGNING,
    ] {
        if let Ok(key) = PqdsaKeyPair::from_pkcs8(algorithm, bytes) {
            key.sign(bytes, &mut out).ok()?;
        }
    }
    let rsa = RsaKeyPair::from_pkcs8(bytes).or_else(|_| RsaKeyPair::from_der(bytes));
    let encodings: [&'static dyn RsaEncoding; 3] = [
        &signature::RSA_PSS_SHA256,
        &signature::RSA_PSS_SHA384,
        &signature::RSA_PSS_SHA512,
    ];
    if let Ok(key) = rsa {
        for encoding in encodings {
            key.sign(encoding, &random, bytes, &mut out).ok()?;
        }
    }
    Some(())
}

//! Compressed certificates (RFC 8879): the algorithms of this build, and what they may cost.
//!
//! zlib is there by default, brotli and zstd behind features of their names. What a peer sends is expanded into a buffer of the
//! length that it announced, which was checked against the limit of the message before anything is allocated, and must
//! fill it exactly (T12). The window that a decoder keeps beside it is bounded too.

#[cfg(any(feature = "brotli", feature = "zstd"))]
use std::io::Read;
use std::sync::OnceLock;

use crate::error::Fault;
use crate::limits;
use crate::wire::MESSAGE_HEADER;
use crate::wire::certificate::{CompressedCertificate, encode_compressed};
use crate::wire::reader::Codes;
use crate::wire::writer::Writer;

/// An algorithm for certificates, by its code in RFC 8879 section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Algorithm(u16);

impl Algorithm {
    /// All of this build, most wanted first: what makes certificates smallest.
    pub(crate) const ALL: &'static [Self] = &[
        #[cfg(feature = "brotli")]
        Self(BROTLI),
        #[cfg(feature = "zlib")]
        Self(ZLIB),
        #[cfg(feature = "zstd")]
        Self(ZSTD),
    ];

    pub(crate) fn code(self) -> u16 {
        self.0
    }

    /// The one with this code, among those of this build.
    pub(crate) fn from_code(code: u16) -> Option<Self> {
        Self::known().find(|own| own.code() == code)
    }

    fn known() -> impl Iterator<Item = Self> {
        Self::ALL.iter().chain(of_tests::ALL).copied()
    }

    /// The first of `own` that the peer takes (rfc8879#4-1).
    pub(crate) fn choose(own: &[Self], peer: Option<Codes<'_>>) -> Option<Self> {
        let takes = |one: &Self| peer.is_some_and(|codes| codes.contains(one.code()));
        own.iter().copied().find(takes)
    }

    /// `None` where it does not get smaller.
    fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let compressed: Vec<u8> = match self.0 {
            // rfc8879#4-3
            #[cfg(feature = "zlib")]
            ZLIB => miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9),
            // rfc8879#4-4
            #[cfg(feature = "brotli")]
            BROTLI => {
                let parameters = brotli::enc::BrotliEncoderParams {
                    lgwin: 16,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                let (mut input, mut out) = (bytes, Vec::new());
                brotli::BrotliCompress(&mut input, &mut out, &parameters).ok()?;
                out
            }
            // rfc8879#4-5
            #[cfg(feature = "zstd")]
            ZSTD => ruzstd::encoding::compress_to_vec(
                bytes,
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
            _ => bytes.to_vec(),
        };
        (compressed.len() < bytes.len()).then_some(compressed)
    }

    /// The message of this algorithm in place of `plain`; `None` where it does not get smaller.
    fn pack(self, plain: &[u8]) -> Option<Vec<u8>> {
        let body = plain.get(MESSAGE_HEADER..)?;
        let of_tests = of_tests::compress(self, body);
        let compressed = of_tests.clone().or_else(|| self.compress(body))?;
        let mut writer = Writer::default();
        encode_compressed(&mut writer, self, body.len(), &compressed);
        let packed = writer.finish().ok()?;
        (packed.len() < plain.len() || of_tests.is_some()).then_some(packed)
    }

    /// Expands `bytes` into all of `out`; `None` where that is not what they are.
    fn expand(self, bytes: &[u8], out: &mut [u8]) -> Option<()> {
        match self.0 {
            #[cfg(feature = "zlib")]
            ZLIB => zlib(bytes, out),
            #[cfg(feature = "brotli")]
            BROTLI => {
                brotli_window(bytes).filter(|window| *window <= limits::COMPRESSION_WINDOW)?;
                fill(brotli::Decompressor::new(bytes, 4096), out)
            }
            #[cfg(feature = "zstd")]
            ZSTD => {
                let mut decoder = ruzstd::decoding::FrameDecoder::new();
                decoder.set_max_window_size(u64::try_from(limits::COMPRESSION_WINDOW).ok()?);
                let decoder = ruzstd::decoding::StreamingDecoder::new_with_decoder(bytes, decoder);
                fill(decoder.ok()?, out)
            }
            _ => of_tests::expand(self, bytes, out),
        }
    }
}

#[cfg(feature = "zlib")]
const ZLIB: u16 = 1;
#[cfg(feature = "brotli")]
const BROTLI: u16 = 2;
#[cfg(feature = "zstd")]
const ZSTD: u16 = 3;

/// The body of the Certificate message in a CompressedCertificate, which is then judged as if it had come so
/// (rfc8879#5-1, rfc8879#5-2).
pub(crate) fn expand(body: &[u8]) -> Result<Vec<u8>, Fault> {
    let message = CompressedCertificate::decode(body)?;
    // rfc8879#4-1
    let algorithm = Algorithm::from_code(message.algorithm).ok_or(Fault::CompressionNotOffered)?;
    // rfc8879#5-4: the limit of the message that it stands for.
    let (limit, announced) = (
        limits::HANDSHAKE_MESSAGE,
        message.length.saturating_add(MESSAGE_HEADER),
    );
    if announced > limit {
        return Err(Fault::MessageTooLong { limit, announced });
    }
    // rfc8879#4-2, rfc8879#4-6, rfc8879#5-3
    let mut expanded = vec![0; message.length];
    match algorithm.expand(message.bytes, &mut expanded) {
        Some(()) => Ok(expanded),
        None => Err(Fault::CompressedCertificate),
    }
}

/// The CompressedCertificates of one credential, with and without its OCSP response. Each is made once.
#[derive(Default)]
pub(crate) struct Compressed(
    [[OnceLock<Option<Vec<u8>>>; 2]; Algorithm::ALL.len() + of_tests::ALL.len()],
);

impl Compressed {
    /// The message by this algorithm in place of what `plain` writes; `None` where that is not longer.
    pub(crate) fn get(
        &self,
        algorithm: Algorithm,
        stapled: bool,
        plain: impl FnOnce(&mut Writer),
    ) -> Option<&[u8]> {
        let place = Algorithm::known().position(|own| own == algorithm)?;
        let message = self.0.get(place)?.get(usize::from(stapled))?;
        let message = message.get_or_init(|| {
            let mut writer = Writer::default();
            plain(&mut writer);
            algorithm.pack(&writer.finish().ok()?)
        });
        message.as_deref()
    }
}

/// What BoringSSL's tests use in place of the registry's algorithms: codes for private use, which they define.
#[cfg(pith_test)]
pub(crate) mod of_tests {
    use super::Algorithm;

    /// The most wanted first.
    pub(crate) const ALL: &[Algorithm] = &[EXPANDING, SHRINKING, RANDOM];
    /// Four bytes more than before.
    const EXPANDING: Algorithm = Algorithm(0xff02);
    /// Without the two zeros that a Certificate message begins with.
    const SHRINKING: Algorithm = Algorithm(0xff01);
    /// Any byte in front.
    const RANDOM: Algorithm = Algorithm(0xff03);
    const PREFIX: [u8; 4] = [1, 2, 3, 4];

    pub(super) fn compress(algorithm: Algorithm, bytes: &[u8]) -> Option<Vec<u8>> {
        match algorithm {
            EXPANDING => Some([&PREFIX, bytes].concat()),
            SHRINKING => bytes.strip_prefix(&[0, 0]).map(<[u8]>::to_vec),
            RANDOM => Some([&[0x2a], bytes].concat()),
            _ => None,
        }
    }

    pub(super) fn expand(algorithm: Algorithm, bytes: &[u8], out: &mut [u8]) -> Option<()> {
        let expanded = match algorithm {
            EXPANDING => bytes.strip_prefix(&PREFIX)?.to_vec(),
            SHRINKING => [&[0, 0], bytes].concat(),
            RANDOM => bytes.get(1..)?.to_vec(),
            _ => return None,
        };
        (expanded.len() == out.len()).then(|| out.copy_from_slice(&expanded))
    }
}

/// None outside of tests.
#[cfg(not(pith_test))]
mod of_tests {
    use super::Algorithm;

    pub(super) const ALL: &[Algorithm] = &[];

    pub(super) fn compress(_: Algorithm, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn expand(_: Algorithm, _: &[u8], _: &mut [u8]) -> Option<()> {
        None
    }
}

#[cfg(feature = "zlib")]
fn zlib(bytes: &[u8], out: &mut [u8]) -> Option<()> {
    use miniz_oxide::inflate::TINFLStatus;
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut state = Box::<DecompressorOxide>::default();
    let whole = (TINFLStatus::Done, bytes.len(), out.len());
    (decompress(&mut state, bytes, out, 0, flags) == whole).then_some(())
}

/// Fills `out` from a decoder whose output ends there.
#[cfg(any(feature = "brotli", feature = "zstd"))]
fn fill(mut decoder: impl Read, out: &mut [u8]) -> Option<()> {
    decoder.read_exact(out).ok()?;
    matches!(decoder.read(&mut [0]), Ok(0)).then_some(())
}

/// The window that a brotli stream announces in its first bits (RFC 7932 section 9.1); `None` for the reserved ones, with which
/// a stream asks for up to a GiB.
#[cfg(feature = "brotli")]
fn brotli_window(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    let bits = match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return None,
        (_, 0, low) => low.saturating_add(8),
        (_, high, _) => high.saturating_add(17),
    };
    1_usize.checked_shl(u32::from(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(algorithm: Algorithm, bytes: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; length];
        algorithm.expand(bytes, &mut out).map(|()| out)
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 61).expect("under 61"))
            .collect()
    }

    #[test]
    fn what_is_compressed_expands_to_itself_and_to_no_other_length() {
        for algorithm in Algorithm::ALL {
            for length in [1_000, 5_000, limits::HANDSHAKE_MESSAGE] {
                let plain = sample(length);
                let packed = algorithm.compress(&plain).expect("gets smaller");
                assert_eq!(
                    expanded(*algorithm, &packed, length),
                    Some(plain),
                    "{algorithm:?}"
                );
                for other in [0, 1, length - 1, length + 1, length * 2] {
                    assert_eq!(
                        expanded(*algorithm, &packed, other),
                        None,
                        "{algorithm:?} {other}"
                    );
                }
                let cuts = (0..packed.len()).step_by(1 + packed.len() / 50);
                for cut in cuts {
                    assert_eq!(
                        expanded(*algorithm, &packed[..cut], length),
                        None,
                        "{algorithm:?} {cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn bytes_that_do_not_get_smaller_are_not_compressed() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.compress(&[7]), None, "{algorithm:?}");
        }
    }

    #[test]
    fn nonsense_expands_to_nothing() {
        for algorithm in Algorithm::ALL {
            for bytes in [&[][..], &[0], &[0xff; 64], b"certificate"] {
                assert_eq!(
                    expanded(*algorithm, bytes, 64),
                    None,
                    "{algorithm:?} {bytes:?}"
                );
            }
        }
    }

    #[test]
    #[cfg(feature = "zlib")]
    fn bytes_behind_a_zlib_stream_are_refused() {
        let plain = sample(1_000);
        let mut packed = Algorithm(ZLIB).compress(&plain).expect("gets smaller");
        packed.push(0);
        assert_eq!(expanded(Algorithm(ZLIB), &packed, plain.len()), None);
    }

    #[test]
    #[cfg(feature = "brotli")]
    fn a_brotli_window_has_a_limit() {
        let plain = sample(5_000);
        for (bits, want) in [
            (10, true),
            (16, true),
            (17, true),
            (18, true),
            (22, true),
            (23, false),
            (24, false),
        ] {
            let parameters = brotli::enc::BrotliEncoderParams {
                lgwin: bits,
                ..Default::default()
            };
            let mut packed = Vec::new();
            brotli::BrotliCompress(&mut &plain[..], &mut packed, &parameters).expect("compresses");
            assert_eq!(brotli_window(&packed), Some(1 << bits), "{bits}");
            assert_eq!(
                expanded(Algorithm(BROTLI), &packed, plain.len()).is_some(),
                want,
                "{bits}"
            );
        }
        let parameters = brotli::enc::BrotliEncoderParams {
            lgwin: 28,
            large_window: true,
            ..Default::default()
        };
        let mut packed = Vec::new();
        brotli::BrotliCompress(&mut &plain[..], &mut packed, &parameters).expect("compresses");
        assert_eq!(brotli_window(&packed), None, "a large window");
        assert_eq!(expanded(Algorithm(BROTLI), &packed, plain.len()), None);
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn a_zstd_window_has_a_limit() {
        // Frame headers with a window descriptor and one empty last block: 1 KiB, the limit, and the next step past it.
        for (descriptor, want) in [
            (0x00, true),
            (12 << 3, true),
            (12 << 3 | 1, false),
            (31 << 3, false),
        ] {
            let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, descriptor, 1, 0, 0];
            assert_eq!(
                expanded(Algorithm(ZSTD), &frame, 0).is_some(),
                want,
                "{descriptor:#x}"
            );
        }
    }
}

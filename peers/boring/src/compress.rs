//! Certificate compression, and whether it was used.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use boring::ssl::{CertificateCompressionAlgorithm, CertificateCompressor, SslContextBuilder};
use pith_peer::Failure;

/// Offers and uses this algorithm.
pub fn add(builder: &mut SslContextBuilder, algorithm: &str) -> Result<(), Failure> {
    match algorithm {
        "zlib" => builder.add_certificate_compression_algorithm(Zlib)?,
        "brotli" => builder.add_certificate_compression_algorithm(Brotli)?,
        _ => return Err("--compress wants zlib or brotli".into()),
    }
    Ok(())
}

/// BoringSSL calls for an algorithm only when it is about to send what comes of that, or has received it.
pub fn facts() -> Vec<(&'static str, String)> {
    let uses = [
        ("compressed", "zlib", &ZLIB.compressed),
        ("compressed", "brotli", &BROTLI.compressed),
        ("expanded", "zlib", &ZLIB.expanded),
        ("expanded", "brotli", &BROTLI.expanded),
    ];
    let used = uses
        .into_iter()
        .filter(|(.., used)| used.load(Ordering::Relaxed));
    used.map(|(what, name, _)| (what, name.to_owned()))
        .collect()
}

struct Uses {
    compressed: AtomicBool,
    expanded: AtomicBool,
}

impl Uses {
    const fn none() -> Self {
        Self {
            compressed: AtomicBool::new(false),
            expanded: AtomicBool::new(false),
        }
    }
}

static ZLIB: Uses = Uses::none();
static BROTLI: Uses = Uses::none();

struct Zlib;

impl CertificateCompressor for Zlib {
    const ALGORITHM: CertificateCompressionAlgorithm = CertificateCompressionAlgorithm::ZLIB;
    const CAN_COMPRESS: bool = true;
    const CAN_DECOMPRESS: bool = true;

    fn compress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        ZLIB.compressed.store(true, Ordering::Relaxed);
        output.write_all(&miniz_oxide::deflate::compress_to_vec_zlib(input, 6))
    }

    fn decompress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        let expanded = miniz_oxide::inflate::decompress_to_vec_zlib(input);
        output.write_all(&expanded.map_err(|error| io::Error::other(error.to_string()))?)?;
        ZLIB.expanded.store(true, Ordering::Relaxed);
        Ok(())
    }
}

struct Brotli;

impl CertificateCompressor for Brotli {
    const ALGORITHM: CertificateCompressionAlgorithm = CertificateCompressionAlgorithm::BROTLI;
    const CAN_COMPRESS: bool = true;
    const CAN_DECOMPRESS: bool = true;

    fn compress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        BROTLI.compressed.store(true, Ordering::Relaxed);
        let mut writer = brotli::CompressorWriter::new(output, 4096, 5, 22);
        writer.write_all(input)
    }

    fn decompress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        let mut expanded = Vec::new();
        brotli::Decompressor::new(input, 4096).read_to_end(&mut expanded)?;
        output.write_all(&expanded)?;
        BROTLI.expanded.store(true, Ordering::Relaxed);
        Ok(())
    }
}

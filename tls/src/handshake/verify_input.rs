//! What a CertificateVerify signs (RFC 9846 section 4.5.2).

/// The content that a server signs, over the transcript up to its Certificate.
pub(crate) fn server_content(transcript: &[u8]) -> Vec<u8> {
    content(b"TLS 1.3, server CertificateVerify", transcript)
}

/// The content that a client signs, over the transcript up to its Certificate.
pub(crate) fn client_content(transcript: &[u8]) -> Vec<u8> {
    content(b"TLS 1.3, client CertificateVerify", transcript)
}

fn content(context: &[u8], transcript: &[u8]) -> Vec<u8> {
    [&[b' '; 64][..], context, &[0], transcript].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9846 section 4.5.2: the digest is 32 bytes of value 1.
    #[test]
    fn content_is_as_published() {
        let content = server_content(&[1; 32]);
        assert_eq!(content.len(), 64 + 33 + 1 + 32);
        assert!(content[..64].iter().all(|byte| *byte == 0x20));
        assert_eq!(&content[64..97], b"TLS 1.3, server CertificateVerify");
        assert_eq!(content[97], 0);
        assert_eq!(content[98..], [1; 32]);
    }
}

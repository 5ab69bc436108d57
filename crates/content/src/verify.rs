//! Verification: a reader that proves, by the time it ends, that the bytes are what their descriptor says.

use std::io::{self, Read};

use wharfie_oci::{Descriptor, Digest, Digester};

/// The bytes are not what the descriptor promised. Carried inside an [`io::Error`] of kind `InvalidData`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other bytes than the digest says.
    #[error("content does not match its digest: expected {expected}, got {actual}")]
    Digest {
        /// Promised.
        expected: Digest,
        /// Found.
        actual: Digest,
    },
    /// More or fewer bytes than promised; reading stops at the first byte too many.
    #[error("content of {digest} has the wrong size: expected {expected} bytes, got {actual}")]
    Size {
        /// Whose.
        digest: Digest,
        /// Promised.
        expected: u64,
        /// Found so far.
        actual: u64,
    },
}

impl From<Mismatch> for io::Error {
    fn from(why: Mismatch) -> Self {
        Self::new(io::ErrorKind::InvalidData, why)
    }
}

impl Mismatch {
    /// The digest that was promised.
    pub fn expected(&self) -> &Digest {
        match self {
            Self::Digest { expected: digest, .. } | Self::Size { digest, .. } => digest,
        }
    }

    /// The mismatch inside `error`, if that is what went wrong.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Passes bytes on and fails instead of reporting the end if they were not the right ones.
pub struct Verified<R> {
    inner: R,
    expected: Digest,
    size: u64,
    seen: u64,
    digester: Option<Digester>,
}

impl<R: Read> Verified<R> {
    /// Reads `inner` as the content of `blob`.
    pub fn new(inner: R, blob: &Descriptor) -> Self {
        Self {
            inner,
            expected: blob.digest.clone(),
            size: blob.size,
            seen: 0,
            digester: Some(Digester::new(blob.digest.algorithm())),
        }
    }

    fn size_mismatch(&self) -> io::Error {
        Mismatch::Size { digest: self.expected.clone(), expected: self.size, actual: self.seen }.into()
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.digester.is_none() {
            return Ok(0);
        }
        let n = self.inner.read(buffer)?;
        if n > 0 {
            self.seen += n as u64;
            if self.seen > self.size {
                return Err(self.size_mismatch());
            }
            if let Some(digester) = &mut self.digester {
                digester.update(&buffer[..n]);
            }
            return Ok(n);
        }
        if self.seen != self.size {
            return Err(self.size_mismatch());
        }
        let actual = self.digester.take().map(Digester::finish).unwrap_or_else(|| self.expected.clone());
        if actual != self.expected {
            return Err(Mismatch::Digest { expected: self.expected.clone(), actual }.into());
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use wharfie_oci::MediaType;

    use super::*;

    fn read(promised: &[u8], given: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Verified::new(given, &Descriptor::of(MediaType::OCI_LAYER, promised)).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn right_bytes_pass() {
        assert_eq!(read(b"hello", b"hello").unwrap(), b"hello");
        assert_eq!(read(b"", b"").unwrap(), b"");
    }

    #[test]
    fn wrong_bytes_fail_for_the_right_reason() {
        let digest = read(b"hello", b"hellO").unwrap_err();
        assert!(matches!(Mismatch::within(&digest), Some(Mismatch::Digest { .. })));
        for given in [&b"hell"[..], b"hello!", b""] {
            let size = read(b"hello", given).unwrap_err();
            assert!(matches!(Mismatch::within(&size), Some(Mismatch::Size { .. })), "{given:?}");
        }
    }
}

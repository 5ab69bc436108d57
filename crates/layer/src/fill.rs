//! Reading on until there is enough.

use std::io::{ErrorKind, Read, Result};

/// Reads until `buffer` is full or `source` ends, and returns how much was read.
///
/// # Errors
/// What `source` fails with; an interruption is no failure.
pub fn fill(source: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields a byte at a time, with an interruption before each.
    struct Hesitant(Vec<u8>, bool);

    impl Read for Hesitant {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let Some(byte) = self.0.pop() else { return Ok(0) };
            buffer[0] = byte;
            Ok(1)
        }
    }

    #[test]
    fn short_reads_and_interruptions_are_passed_over() {
        let mut source = Hesitant(b"cba".to_vec(), false);
        let mut buffer = [0; 2];
        assert_eq!((fill(&mut source, &mut buffer).unwrap(), &buffer), (2, b"ab"));
        assert_eq!((fill(&mut source, &mut buffer).unwrap(), buffer[0]), (1, b'c'));
        assert_eq!(fill(&mut source, &mut buffer).unwrap(), 0);
    }
}

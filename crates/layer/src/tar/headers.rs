//! Looking at the entries of a tar that lies in a file: only headers are read, whatever lies between them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::BLOCK;
use super::machine::{Machine, Need};
use crate::entry::Entry;
use crate::error::{Error, Result};

/// 4 KiB: headers of links, directories and empty files stand side by side.
const WINDOW: usize = 4 << 10;
/// 1 KiB: behind a file there is mostly another, and not its header but its bytes follow.
const FIRST: usize = 1 << 10;

/// Calls `take` for each entry of the tar of `len` bytes that begins at `from` in `file`, until it wants no more. The entry's
/// buffers are reused.
///
/// # Errors
/// If the bytes are no tar, end inside an entry, or cannot be read. What came before was taken.
pub fn headers(file: &File, from: u64, len: u64, take: &mut dyn FnMut(&Entry) -> bool) -> Result<()> {
    let mut machine = Machine::new();
    let mut window = Window { file, from, len, bytes: [0; WINDOW], at: 0, filled: 0 };
    loop {
        match machine.need() {
            Need::Nothing => return Ok(()),
            Need::Skip(wanted) => {
                let there = wanted.min(len.saturating_sub(machine.offset()));
                machine.skipped(there);
                if there < wanted {
                    return machine.finish();
                }
            }
            Need::Block => {
                let offset = machine.offset();
                match window.block(offset)? {
                    Ok(block) => {
                        if machine.block(&block)? && !take(machine.entry()) {
                            return Ok(());
                        }
                    }
                    Err(0) => return machine.finish(),
                    Err(part) => {
                        return Err(Error::Truncated { offset: offset + part, inside: "a header block".to_owned() });
                    }
                }
            }
        }
    }
}

/// What was read last.
struct Window<'a> {
    file: &'a File,
    from: u64,
    len: u64,
    bytes: [u8; WINDOW],
    /// Where its first byte stands in the tar.
    at: u64,
    filled: usize,
}

impl Window<'_> {
    /// The block at `offset`; if the tar ends before its end, how much of it there is.
    fn block(&mut self, offset: u64) -> Result<Result<[u8; BLOCK], u64>> {
        let inside = |window: &Self| {
            let begin = usize::try_from(offset.checked_sub(window.at)?).ok()?;
            window.bytes[..window.filled].get(begin..)?.first_chunk().copied()
        };
        if let Some(block) = inside(self) {
            return Ok(Ok(block));
        }
        let goes_on = offset == self.at + self.filled as u64;
        (self.at, self.filled) = (offset, 0);
        let left = self.len.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(WINDOW).min(if goes_on { WINDOW } else { FIRST });
        while self.filled < wanted {
            let at = self.from + offset + self.filled as u64;
            match self.file.read_at(&mut self.bytes[self.filled..wanted], at) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(why) => return Err(Error::io("read the tar")(why)),
            }
        }
        Ok(inside(self).ok_or(self.filled as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::entry::Kind;
    use crate::tar::{Reader, Writer};

    fn tar() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, len) in [("a", 0), ("b", 1), ("c", 5000), ("d", 512), ("e/", 0), ("f", 100_000)] {
            let kind = if name.ends_with('/') { Kind::Directory } else { Kind::File };
            let path = [name.as_bytes(), &[b'x'; 150]].concat();
            let path = if kind == Kind::Directory { name.as_bytes().to_vec() } else { path };
            let entry = Entry { path, kind, size: len as u64, ..Entry::default() };
            writer.append(&entry, vec![7; len].as_slice()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn told(bytes: &[u8]) -> (Vec<Entry>, Result<()>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(bytes).unwrap();
        file.write_all(&[9; 600]).unwrap();
        let mut entries = Vec::new();
        let end = headers(&file, 6, bytes.len() as u64, &mut |entry| {
            entries.push(entry.clone());
            true
        });
        (entries, end)
    }

    #[test]
    fn it_sees_what_a_reader_sees() {
        let tar = tar();
        let mut expected = Vec::new();
        let mut reader = Reader::new(tar.as_slice());
        while let Some(member) = reader.next_entry().unwrap() {
            expected.push(member.entry().clone());
        }
        let (entries, end) = told(&tar);
        end.unwrap();
        assert_eq!(entries, expected);
        assert_eq!(entries.len(), 6);
    }

    #[test]
    fn what_is_cut_is_told_and_the_rest_was_seen() {
        let tar = tar();
        for (cut, seen) in [(512, 0), (700, 0), (tar.len() - 50_000, 5)] {
            let (entries, end) = told(&tar[..cut]);
            assert!(matches!(end, Err(Error::Truncated { .. })), "{cut}: {end:?}");
            assert!(entries.len() >= seen, "{cut}");
        }
        assert_eq!(told(&[]).0.len(), 0);
        told(&[]).1.unwrap();
    }
}

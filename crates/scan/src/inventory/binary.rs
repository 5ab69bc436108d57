//! Programs, as far as notes in them can be found: sections and segments of ELF, PE and Mach-O, with bounded reading. General
//! parsers read whole symbol tables before they answer.

use crate::content::{Content, Result, bytes_at, fill};

/// A program's parts.
pub(super) struct Program<'a> {
    /// Its bytes.
    pub(super) content: &'a dyn Content,
    /// Named parts; PE has its segments here as well.
    pub(super) sections: Vec<Part>,
    /// What is mapped, for addresses.
    pub(super) segments: Vec<Part>,
    pub(super) is_big_endian: bool,
    pub(super) is_64: bool,
}

/// A part of a file, and where it is when the program runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) is_writable: bool,
}

/// 4096 sections: honest programs have some dozens, object files with thousands are no programs.
const MAX_SECTIONS: usize = 4096;
/// 1 MiB of names.
const MAX_NAMES: u64 = 1 << 20;

/// True for the first four bytes of something that can have notes.
pub(super) fn is_program(magic: &[u8; 4]) -> bool {
    magic == b"\x7fELF"
        || magic.starts_with(b"MZ")
        || matches!(u32::from_be_bytes(*magic), 0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe)
}

impl<'a> Program<'a> {
    /// Finds the parts; `None` if it is no program after all.
    pub(super) fn open(content: &'a dyn Content) -> Result<Option<Self>> {
        let mut magic = [0; 4];
        fill(content, 0, &mut magic)?;
        let mut program =
            Self { content, sections: Vec::new(), segments: Vec::new(), is_big_endian: false, is_64: true };
        let found = match magic {
            [0x7f, b'E', b'L', b'F'] => program.elf(),
            [b'M', b'Z', ..] => program.pe(),
            _ => program.mach_o(u32::from_be_bytes(magic)),
        };
        Ok(found.map(|()| program))
    }

    /// The section of one of these names.
    pub(super) fn section(&self, names: &[&str]) -> Option<&Part> {
        self.sections.iter().find(|part| names.contains(&part.name.as_str()))
    }

    /// Where an address is in the file, and how many bytes follow there.
    pub(super) fn at(&self, address: u64) -> Option<(u64, u64)> {
        let inside = |part: &&Part| address.checked_sub(part.address).is_some_and(|skip| skip < part.len);
        let part = self.segments.iter().find(inside)?;
        let skip = address - part.address;
        Some((part.offset.checked_add(skip)?, part.len - skip))
    }

    /// A number of `width` bytes.
    pub(super) fn number(&self, bytes: &[u8], at: usize, width: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(width)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.is_big_endian {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    fn bytes(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        bytes_at(self.content, offset, usize::try_from(len).ok()?).ok()
    }

    fn elf(&mut self) -> Option<()> {
        let head = self.bytes(0, 64)?;
        self.is_64 = head[4] == 2;
        self.is_big_endian = head[5] == 2;
        let (word, at) = if self.is_64 { (8, [0x20, 0x28, 0x36]) } else { (4, [0x1c, 0x20, 0x2a]) };
        let (segments, sections) = (self.number(&head, at[0], word)?, self.number(&head, at[1], word)?);
        let small = |index: usize| self.number(&head, at[2] + index * 2, 2);
        let (segment_len, segment_count, section_len, section_count, names) =
            (small(0)?, small(1)?, small(2)?, small(3)?, small(4)?);
        if segment_len >= 32 && segment_count as usize <= MAX_SECTIONS {
            let table = self.bytes(segments, segment_len * segment_count).unwrap_or_default();
            for entry in table.chunks_exact(segment_len as usize) {
                let (flags, offset, address, len) = if self.is_64 { (4, 8, 16, 32) } else { (24, 4, 8, 16) };
                // Only what is loaded has an address that means something.
                if self.number(entry, 0, 4)? == 1 {
                    self.segments.push(Part {
                        name: String::new(),
                        address: self.number(entry, address, word)?,
                        offset: self.number(entry, offset, word)?,
                        len: self.number(entry, len, word)?,
                        is_writable: self.number(entry, flags, 4)? & 2 != 0,
                    });
                }
            }
        }
        if section_len < 40 || section_count as usize > MAX_SECTIONS {
            return Some(());
        }
        let table = self.bytes(sections, section_len * section_count).unwrap_or_default();
        let (address, offset, len) = if self.is_64 { (16, 24, 32) } else { (12, 16, 20) };
        let field = |entry: &[u8], at: usize| self.number(entry, at, word).unwrap_or_default();
        let entries: Vec<&[u8]> = table.chunks_exact(section_len as usize).collect();
        let Some(own) = entries.get(names as usize) else { return Some(()) };
        let texts = self.bytes(field(own, offset), field(own, len).min(MAX_NAMES)).unwrap_or_default();
        let mut found = Vec::new();
        for entry in entries {
            found.push(Part {
                name: name(&texts, self.number(entry, 0, 4)? as usize),
                address: field(entry, address),
                offset: field(entry, offset),
                len: field(entry, len),
                is_writable: field(entry, 8) & 1 != 0,
            });
        }
        self.sections = found;
        Some(())
    }

    fn pe(&mut self) -> Option<()> {
        let head = self.bytes(0, 64)?;
        let at = self.number(&head, 0x3c, 4)?;
        let coff = self.bytes(at, 26)?;
        if &coff[..4] != b"PE\0\0" {
            return None;
        }
        let (count, optional) = (self.number(&coff, 6, 2)?, self.number(&coff, 20, 2)?);
        self.is_64 = self.number(&coff, 24, 2)? == 0x20b;
        let base = match self.is_64 {
            true => self.number(&self.bytes(at + 24, 32)?, 24, 8)?,
            false => self.number(&self.bytes(at + 24, 32)?, 28, 4)?,
        };
        let table = self.bytes(at + 24 + optional, count.min(MAX_SECTIONS as u64) * 40)?;
        for entry in table.chunks_exact(40) {
            let part = Part {
                name: name(&entry[..8], 0),
                address: base.wrapping_add(self.number(entry, 12, 4)?),
                offset: self.number(entry, 20, 4)?,
                len: self.number(entry, 16, 4)?,
                is_writable: self.number(entry, 36, 4)? & 0x8000_0000 != 0,
            };
            self.segments.push(part.clone());
            self.sections.push(part);
        }
        Some(())
    }

    fn mach_o(&mut self, magic: u32) -> Option<()> {
        self.is_big_endian = matches!(magic, 0xfeed_face | 0xfeed_facf);
        self.is_64 = matches!(magic, 0xfeed_facf | 0xcffa_edfe);
        let head = self.bytes(0, 32)?;
        let (count, len) = (self.number(&head, 16, 4)?, self.number(&head, 20, 4)?);
        let commands = self.bytes(if self.is_64 { 32 } else { 28 }, len.min(MAX_NAMES))?;
        let mut at = 0;
        for _ in 0..count {
            let (kind, len) = (self.number(&commands, at, 4)?, self.number(&commands, at + 4, 4)? as usize);
            let command = commands.get(at..at.checked_add(len)?)?;
            if len < 8 {
                return Some(());
            }
            at += len;
            let (word, head, section) = match kind {
                0x19 => (8, 72, 80),
                0x01 => (4, 56, 68),
                _ => continue,
            };
            self.segments.push(Part {
                name: name(command.get(8..24)?, 0),
                address: self.number(command, 24, word)?,
                offset: self.number(command, 24 + 2 * word, word)?,
                len: self.number(command, 24 + 3 * word, word)?,
                is_writable: self.number(command, 24 + 4 * word + 4, 4)? & 2 != 0,
            });
            for entry in command.get(head..)?.chunks_exact(section).take(MAX_SECTIONS) {
                self.sections.push(Part {
                    name: name(&entry[..16], 0),
                    address: self.number(entry, 32, word)?,
                    len: self.number(entry, 32 + word, word)?,
                    offset: self.number(entry, 32 + 2 * word, 4)?,
                    is_writable: true,
                });
            }
        }
        Some(())
    }
}

/// 64 bytes of a name: those of sections with notes are shorter.
const MAX_NAME: usize = 64;

/// The text at `at` up to a zero. No more of it is looked at than is kept: any number of sections may share a text without one.
fn name(bytes: &[u8], at: usize) -> String {
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(MAX_NAME)];
    let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small ELF file of 64 bits with one section.
    pub(crate) fn elf(section: &str, data: &[u8]) -> Vec<u8> {
        let names = format!("\0{section}\0.shstrtab\0");
        let (data_at, names_at) = (64_usize, 64 + data.len().next_multiple_of(16));
        let table_at = (names_at + names.len()).next_multiple_of(8);
        let mut file = vec![0; table_at + 3 * 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x28..0x30].copy_from_slice(&(table_at as u64).to_le_bytes());
        for (at, number) in [(0x36, 56_u16), (0x38, 0), (0x3a, 64), (0x3c, 3), (0x3e, 2)] {
            file[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        file[data_at..data_at + data.len()].copy_from_slice(data);
        file[names_at..names_at + names.len()].copy_from_slice(names.as_bytes());
        for (index, (name, offset, len)) in
            [(1, data_at, data.len()), (section.len() + 2, names_at, names.len())].into_iter().enumerate()
        {
            let entry = &mut file[table_at + (index + 1) * 64..][..64];
            entry[..4].copy_from_slice(&(name as u32).to_le_bytes());
            entry[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            entry[32..40].copy_from_slice(&(len as u64).to_le_bytes());
        }
        file
    }

    #[test]
    fn names_are_short() {
        let texts = vec![b'A'; 1 << 20];
        assert_eq!(name(&texts, 7), "A".repeat(64));
        assert_eq!(name(b"\0.note\0x", 1), ".note");
        assert_eq!(name(b"abc", 9), "");
    }

    #[test]
    fn sections_are_found() {
        let file = elf(".note", b"hello");
        let program = Program::open(&file).unwrap().unwrap();
        let part = program.section(&[".note"]).unwrap();
        assert_eq!(bytes_at(&file, part.offset, part.len as usize).unwrap(), b"hello");
        assert!(Program::open(&b"MZ".to_vec()).unwrap().is_none());
    }
}

//! The one place that knows how blocks of a tar become entries.
//!
//! The machine says what it needs next, a block or permission to skip, and whoever drives it provides that. It keeps one
//! entry and one extension payload, never file data.

use super::header::{Header, text};
use super::pax::{self, Pax};
use super::sparse::{self, DecimalMap};
use super::{BLOCK, padded};
use crate::entry::{Entry, Extent, Kind};
use crate::error::{Error, Result, show};

/// 1 MiB: the longest extension header or long name read into memory, as in Go's `archive/tar`.
const MAX_PAYLOAD: u64 = 1 << 20;

/// What the machine waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The next 512 bytes.
    Block,
    /// So many bytes, of which nothing is looked at. They may be missing if the archive ends here and they are padding.
    Skip(u64),
    /// Nothing: the end of the archive was seen.
    Nothing,
}

#[derive(Debug)]
enum State {
    Header,
    /// One zero block was seen; a second one ends the archive.
    Zero,
    /// Bytes of a long name or extended header that are still to come.
    Payload {
        typeflag: u8,
        left: u64,
    },
    /// More blocks of an old GNU sparse table.
    OldSparse {
        map: Vec<Extent>,
    },
    /// A version 1.0 sparse map at the head of the data.
    DecimalSparse {
        map: DecimalMap,
    },
    Skip {
        data: u64,
        padding: u64,
    },
    Ended,
}

/// Reads headers and extensions, block by block.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// Bytes of the tar consumed so far.
    offset: u64,
    payload: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Pax,
    entry: Entry,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Header,
            offset: 0,
            payload: Vec::new(),
            long_name: None,
            long_link: None,
            pax: Pax::default(),
            entry: Entry::default(),
        }
    }

    pub(crate) fn need(&self) -> Need {
        match self.state {
            State::Skip { data, padding } => Need::Skip(data + padding),
            State::Ended => Need::Nothing,
            _ => Need::Block,
        }
    }

    /// The entry that the last successful [`Self::block`] completed.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// How much of the current entry's data was not skipped yet.
    pub(crate) fn data_left(&self) -> u64 {
        match self.state {
            State::Skip { data, .. } => data,
            _ => 0,
        }
    }

    /// Notes that `len` bytes passed by, at most as many as [`Need::Skip`] said.
    pub(crate) fn skipped(&mut self, len: u64) {
        self.offset += len;
        if let State::Skip { data, padding } = &mut self.state {
            let of_data = len.min(*data);
            *data -= of_data;
            *padding -= len - of_data;
            if *data + *padding == 0 {
                self.state = State::Header;
            }
        }
    }

    /// Takes the block that [`Need::Block`] asked for. True if it completed an entry.
    pub(crate) fn block(&mut self, block: &[u8; BLOCK]) -> Result<bool> {
        let at = self.offset;
        self.offset += BLOCK as u64;
        match std::mem::replace(&mut self.state, State::Header) {
            State::Header => {
                if is_zero(block) {
                    self.state = State::Zero;
                    return Ok(false);
                }
                self.header(block, at)
            }
            State::Zero if is_zero(block) => {
                self.state = State::Ended;
                Ok(false)
            }
            State::Zero => {
                Err(Error::Header { offset: at, reason: "a single zero block is followed by something else" })
            }
            State::Payload { typeflag, left } => {
                let len = left.min(BLOCK as u64);
                self.payload.extend_from_slice(&block[..len as usize]);
                if left > len {
                    self.state = State::Payload { typeflag, left: left - len };
                    return Ok(false);
                }
                self.extension(typeflag, at)?;
                Ok(false)
            }
            State::OldSparse { mut map } => {
                sparse::old_pairs(&block[..504], &mut map).map_err(|reason| self.bad(reason))?;
                if block[504] != 0 {
                    self.state = State::OldSparse { map };
                    return Ok(false);
                }
                self.sparse_file(map)
            }
            State::DecimalSparse { mut map } => {
                self.entry.stored = match self.entry.stored.checked_sub(BLOCK as u64) {
                    Some(left) => left,
                    None => return Err(self.bad("has a sparse map longer than its data")),
                };
                match map.block(block).map_err(|reason| self.bad(reason))? {
                    Some(map) => self.sparse_file(map),
                    None => {
                        self.state = State::DecimalSparse { map };
                        Ok(false)
                    }
                }
            }
            State::Skip { .. } | State::Ended => unreachable_state(),
        }
    }

    /// Says whether the archive may end here. Missing padding and missing end-of-archive blocks are forgiven.
    pub(crate) fn finish(&self) -> Result<()> {
        let inside = match &self.state {
            State::Header | State::Zero | State::Ended | State::Skip { data: 0, .. } => {
                return Ok(());
            }
            State::Payload { .. } => "an extension header".to_owned(),
            _ => show(&self.entry.path),
        };
        Err(Error::Truncated { offset: self.offset, inside })
    }

    fn header(&mut self, block: &[u8; BLOCK], at: u64) -> Result<bool> {
        let Some(header) = Header::parse(block) else {
            return Err(Error::Header { offset: at, reason: "the checksum of the header is wrong" });
        };
        let typeflag = header.typeflag();
        match typeflag {
            b'x' | b'X' | b'L' | b'K' => {
                let size = header.size().and_then(|size| u64::try_from(size).ok());
                match size {
                    Some(size @ 1..=MAX_PAYLOAD) => {
                        self.payload.clear();
                        self.state = State::Payload { typeflag, left: size };
                    }
                    Some(0) => {
                        self.payload.clear();
                        self.extension(typeflag, at)?;
                    }
                    _ => {
                        return Err(Error::Header { offset: at, reason: "the extension header is too long" });
                    }
                }
                Ok(false)
            }
            // A global header is a comment (git writes one); a volume label names the tape. As in Go, neither changes entries.
            b'g' | b'V' => {
                let size = header.size().and_then(|size| u64::try_from(size).ok());
                let Some((size, whole)) = size.and_then(|size| Some((size, padded(size)?))) else {
                    return Err(Error::Header { offset: at, reason: "the size of the global header is wrong" });
                };
                self.skip(size, whole - size);
                Ok(false)
            }
            _ => self.file_header(&header, at),
        }
    }

    fn extension(&mut self, typeflag: u8, at: u64) -> Result<()> {
        match typeflag {
            b'L' => self.long_name = Some(text(&self.payload).to_vec()),
            b'K' => self.long_link = Some(text(&self.payload).to_vec()),
            _ => {
                self.pax = pax::parse(&self.payload).map_err(|reason| Error::Entry {
                    name: "(extended header)".to_owned(),
                    offset: at,
                    reason,
                })?;
            }
        }
        Ok(())
    }

    fn file_header(&mut self, header: &Header<'_>, at: u64) -> Result<bool> {
        let pax = std::mem::take(&mut self.pax);
        let (long_name, long_link) = (self.long_name.take(), self.long_link.take());
        self.entry.reset();
        self.entry.header_offset = at;
        match pax.sparse.name.clone().or(pax.path).or(long_name) {
            Some(path) => self.entry.path = path,
            None => header.path_into(&mut self.entry.path),
        }
        match pax.link.or(long_link) {
            Some(link) => self.entry.link = link,
            None => self.entry.link.extend_from_slice(header.link()),
        }
        self.entry.kind = match self.kind(header.typeflag()) {
            Some(kind) => kind,
            None => return Err(self.bad("is of a kind that layers cannot have")),
        };
        let numbers = self.numbers(header, pax.size, pax.uid, pax.gid, pax.mtime);
        numbers.map_err(|reason| self.bad(reason))?;
        self.entry.xattrs = pax.xattrs;
        self.entry.data_offset = self.offset;

        if self.entry.kind != Kind::File {
            self.entry.size = 0;
            self.entry.stored = 0;
            self.state = State::Header;
            return Ok(true);
        }
        let keys = pax.sparse;
        let version = (keys.major, keys.minor);
        if header.typeflag() == b'S' && header.is_gnu() {
            let Some((pairs, more, size)) = header.sparse() else {
                return Err(self.bad("has a malformed sparse map"));
            };
            self.real_size(u64::try_from(size).ok())?;
            let mut map = Vec::new();
            sparse::old_pairs(pairs, &mut map).map_err(|reason| self.bad(reason))?;
            if more {
                self.state = State::OldSparse { map };
                return Ok(false);
            }
            return self.sparse_file(map);
        }
        if version == (Some(1), Some(0)) {
            self.real_size(keys.size)?;
            self.state = State::DecimalSparse { map: DecimalMap::default() };
            return Ok(false);
        }
        if let (Some(map), None | Some(0)) = (keys.map, keys.major) {
            self.real_size(keys.size)?;
            if map.len() > sparse::MAX_EXTENTS {
                return Err(self.bad("is a sparse file with too many pieces"));
            }
            return self.sparse_file(map);
        }
        self.data()
    }

    fn kind(&self, typeflag: u8) -> Option<Kind> {
        Some(match typeflag {
            // Before there was a flag for directories, a slash at the end made one.
            0 if self.entry.path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return None,
        })
    }

    fn numbers(
        &mut self,
        header: &Header<'_>,
        size: Option<u64>,
        uid: Option<i64>,
        gid: Option<i64>,
        mtime: Option<(i64, u32)>,
    ) -> Result<(), &'static str> {
        let entry = &mut self.entry;
        let header_size = header.size().ok_or("has a size that cannot be read")?;
        entry.size = match size {
            Some(size) => size,
            None => u64::try_from(header_size).map_err(|_| "has a negative size")?,
        };
        entry.stored = entry.size;
        entry.declared_size = entry.size;
        entry.mode = (header.mode().ok_or("has a mode that cannot be read")? & 0o7777) as u16;
        let owner = |pax: Option<i64>, field: Option<i64>| {
            let id = pax.or(field).and_then(|id| u32::try_from(id).ok());
            // The highest number means "no user" to the kernel.
            id.filter(|&id| id != u32::MAX).ok_or("has an owner outside of what Linux knows")
        };
        entry.uid = owner(uid, header.uid())?;
        entry.gid = owner(gid, header.gid())?;
        (entry.mtime, entry.mtime_nanos) = match mtime {
            Some(time) => time,
            None => (header.mtime().ok_or("has a modification time that cannot be read")?, 0),
        };
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            let part = |n: i64, max| u32::try_from(n).ok().filter(|&n| n <= max);
            // What the kernel's device numbers can hold: 12 and 20 bits.
            let device = header.device().and_then(|(a, b)| Some((part(a, 0xfff)?, part(b, 0xf_ffff)?)));
            (entry.major, entry.minor) = device.ok_or("has a device number outside of what Linux knows")?;
        }
        Ok(())
    }

    fn real_size(&mut self, size: Option<u64>) -> Result<()> {
        match size {
            Some(size) => {
                self.entry.size = size;
                self.entry.declared_size = size;
                Ok(())
            }
            None => Err(self.bad("is a sparse file without its real size")),
        }
    }

    fn sparse_file(&mut self, mut map: Vec<Extent>) -> Result<bool> {
        sparse::validate(&mut map, self.entry.size, self.entry.stored).map_err(|reason| self.bad(reason))?;
        self.entry.sparse = Some(map);
        self.data()
    }

    /// The entry is complete; its data comes next.
    fn data(&mut self) -> Result<bool> {
        self.entry.data_offset = self.offset;
        let stored = self.entry.stored;
        // No sum of offsets may overflow later, so the end of the data must be a number too.
        let whole = padded(stored).filter(|whole| self.offset.checked_add(*whole).is_some_and(|end| end <= MAX_LENGTH));
        match whole {
            Some(whole) if self.entry.size <= MAX_LENGTH => {
                self.skip(stored, whole - stored);
                Ok(true)
            }
            _ => Err(self.bad("is larger than any file can be")),
        }
    }

    fn skip(&mut self, data: u64, padding: u64) {
        self.state = if data + padding == 0 { State::Header } else { State::Skip { data, padding } };
    }

    fn bad(&self, reason: &'static str) -> Error {
        Error::entry(&self.entry.path, self.entry.header_offset, reason)
    }
}

/// File offsets are signed 64-bit numbers.
const MAX_LENGTH: u64 = i64::MAX as u64;

fn is_zero(block: &[u8; BLOCK]) -> bool {
    // The first byte decides for nearly every header.
    block[0] == 0 && block.iter().all(|&b| b == 0)
}

fn unreachable_state() -> ! {
    unreachable!("blocks are only given when the machine asked for one")
}

//! One entry of a tar, in the words of a file system rather than of a tar dialect.

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// A regular file, perhaps sparse.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// Another name for the file that [`Entry::link`] names.
    Hardlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// A piece of a sparse file that has bytes; everything between extents is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Where the piece lies in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// Everything a tar says about one file. Names are raw bytes and not yet made safe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The name as it stands in the tar.
    pub path: Vec<u8>,
    /// What the entry makes.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Nanoseconds to add to `mtime`.
    pub mtime_nanos: u32,
    /// Length of the file as a reader of the file sees it; 0 for everything but [`Kind::File`].
    pub size: u64,
    /// The size the header states, also for kinds without data. Summed up over a layer this is what docker calls its size.
    pub declared_size: u64,
    /// Where the entry's header starts, in bytes from the start of the tar. Extension headers come before it.
    pub header_offset: u64,
    /// Where the data starts, in bytes from the start of the tar; always a multiple of 512.
    pub data_offset: u64,
    /// How many bytes of data are in the tar: `size`, or less for a sparse file.
    pub stored: u64,
    /// Target of a symbolic or hard link.
    pub link: Vec<u8>,
    /// Device number, first part.
    pub major: u32,
    /// Device number, second part.
    pub minor: u32,
    /// Extended attributes: full name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// For a sparse file the pieces that are stored, in order and back to back from `data_offset`.
    pub sparse: Option<Vec<Extent>>,
}

impl Entry {
    /// Empties the entry but keeps its buffers: an archive of 200,000 entries should not allocate 200,000 names.
    pub(crate) fn reset(&mut self) {
        let (mut path, mut link, mut xattrs) =
            (std::mem::take(&mut self.path), std::mem::take(&mut self.link), std::mem::take(&mut self.xattrs));
        path.clear();
        link.clear();
        xattrs.clear();
        *self = Self { path, link, xattrs, ..Self::default() };
    }
}

//! EROFS on disk, as far as it is used here.
//! Source: kernel, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst.

/// 512 bytes, as in a tar.
pub(super) const BLOCK_BITS: u8 = 9;
pub(super) const BLOCK: u64 = 1 << BLOCK_BITS;
/// Length of an extended inode.
pub(super) const INODE: u64 = 64;
/// Inodes are numbered by their place in units of this.
pub(super) const SLOT: u64 = 32;
/// Length of a directory entry without its name.
pub(super) const DIRENT: u64 = 12;
/// Length of the header before extended attributes.
pub(super) const XATTR_HEADER: u64 = 12;
/// Where the superblock starts in the file.
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;

/// `trusted.overlay.opaque=y` as it follows a header or other attributes.
pub(super) const OPAQUE: [u8; 20] = *b"\x0e\x04\x01\x00overlay.opaquey\x00";

/// Where the superblock has 16 bytes for a name.
const VOLUME_NAME: usize = 64;
const LOOSE: &[u8] = b"loose";
/// Where an extended inode has its first byte that is reserved; the kernel does not look at it.
const LOOSE_FLAG: usize = 48;
const MAGIC: u32 = 0xe0f5_e1e2;
/// The checksum counts.
const COMPAT_CHECKSUM: u32 = 1;
/// Times are modification times.
const COMPAT_MTIME: u32 = 2;

pub(super) struct Superblock {
    /// Number of the root's inode; only 16 bits, so the root comes first.
    pub(super) root: u16,
    pub(super) inodes: u64,
    /// Length of the file in blocks.
    pub(super) blocks: u32,
    /// First block of the inodes.
    pub(super) meta_block: u32,
    /// Some inode is loose. Stands where a volume's name would, which means nothing to the kernel.
    pub(super) loose: bool,
}

impl Superblock {
    /// The first 4 KiB of the file.
    pub(super) fn encode(&self) -> [u8; 4096] {
        let mut page = [0; 4096];
        let sb = &mut page[SUPERBLOCK_OFFSET..];
        put(sb, 0, &MAGIC.to_le_bytes());
        put(sb, 8, &(COMPAT_CHECKSUM | COMPAT_MTIME).to_le_bytes());
        sb[12] = BLOCK_BITS;
        put(sb, 14, &self.root.to_le_bytes());
        put(sb, 16, &self.inodes.to_le_bytes());
        put(sb, 36, &self.blocks.to_le_bytes());
        put(sb, 40, &self.meta_block.to_le_bytes());
        if self.loose {
            put(sb, VOLUME_NAME, LOOSE);
        }
        // The checksum covers one block from the superblock on, itself taken as zero.
        let sum = crc32c(&sb[..BLOCK as usize]);
        put(sb, 4, &sum.to_le_bytes());
        page
    }

    /// Reads the block that starts at [`SUPERBLOCK_OFFSET`]. `None` unless [`Self::encode`] has made it.
    pub(super) fn decode(block: &[u8; BLOCK as usize]) -> Option<Self> {
        let mut bare = *block;
        put(&mut bare, 4, &[0; 4]);
        let is_ours = u32_at(block, 0) == MAGIC && block[12] == BLOCK_BITS && u32_at(block, 4) == crc32c(&bare);
        is_ours.then(|| Self {
            root: u16_at(block, 14),
            inodes: u64_at(block, 16),
            blocks: u32_at(block, 36),
            meta_block: u32_at(block, 40),
            loose: block[VOLUME_NAME..].starts_with(LOOSE),
        })
    }
}

/// Where an inode's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// In blocks from here on.
    Plain(u32),
    /// Behind the inode and its attributes.
    Inline,
    /// Nowhere: the field holds a device number.
    Device(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) mode: u16,
    pub(super) xattr_len: u64,
    pub(super) size: u64,
    pub(super) data: Data,
    pub(super) number: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    pub(super) nanos: u32,
    pub(super) links: u32,
    /// What lies below is part of it: see [`crate::seam`].
    pub(super) loose: bool,
}

impl Inode {
    pub(super) fn encode(&self) -> [u8; INODE as usize] {
        let mut out = [0; INODE as usize];
        // Bit 0: extended inode. Bits 1 to 3: layout of the data, 0 flat and plain, 2 flat with the end inline.
        let (layout, field) = match self.data {
            Data::Plain(block) => (0, block),
            Data::Inline => (2, 0),
            Data::Device(number) => (0, number),
        };
        put(&mut out, 0, &(1u16 | layout << 1).to_le_bytes());
        let words = if self.xattr_len == 0 { 0 } else { (self.xattr_len - XATTR_HEADER) / 4 + 1 };
        put(&mut out, 2, &(words as u16).to_le_bytes());
        put(&mut out, 4, &self.mode.to_le_bytes());
        put(&mut out, 8, &self.size.to_le_bytes());
        put(&mut out, 16, &field.to_le_bytes());
        put(&mut out, 20, &self.number.to_le_bytes());
        put(&mut out, 24, &self.uid.to_le_bytes());
        put(&mut out, 28, &self.gid.to_le_bytes());
        put(&mut out, 32, &self.mtime.to_le_bytes());
        put(&mut out, 40, &self.nanos.to_le_bytes());
        put(&mut out, 44, &self.links.to_le_bytes());
        out[LOOSE_FLAG] = u8::from(self.loose);
        out
    }

    /// The other way round. `None` for a kind of inode that is never written here.
    pub(super) fn decode(bytes: &[u8; INODE as usize]) -> Option<Self> {
        let (mode, field) = (u16_at(bytes, 4), u32_at(bytes, 16));
        let data = match (u16_at(bytes, 0), mode & 0o170_000) {
            (1, 0o020_000 | 0o060_000 | 0o010_000) => Data::Device(field),
            (1, _) => Data::Plain(field),
            (5, _) => Data::Inline,
            _ => return None,
        };
        let words = u64::from(u16_at(bytes, 2));
        Some(Self {
            mode,
            xattr_len: if words == 0 { 0 } else { XATTR_HEADER + (words - 1) * 4 },
            size: u64_at(bytes, 8),
            data,
            number: u32_at(bytes, 20),
            uid: u32_at(bytes, 24),
            gid: u32_at(bytes, 28),
            mtime: u64_at(bytes, 32) as i64,
            nanos: u32_at(bytes, 40),
            links: u32_at(bytes, 44),
            loose: bytes[LOOSE_FLAG] == 1,
        })
    }
}

/// A device number as the kernel's `new_encode_dev` makes it.
pub(super) fn device(major: u32, minor: u32) -> u32 {
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}

/// Major and minor number of what [`device`] has made.
pub(super) fn device_numbers(device: u32) -> (u32, u32) {
    (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Castagnoli's checksum without the final inversion. Bit by bit: it runs over one block per layer.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_usual_test_string() {
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
    }

    fn check_device(major: u32, minor: u32, expected: u32) {
        assert_eq!(device(major, minor), expected, "{major}:{minor}");
        assert_eq!(device_numbers(expected), (major, minor), "{expected:x}");
    }

    #[test]
    fn superblocks_and_inodes_are_read_as_they_were_written() {
        let page = Superblock { root: 7, inodes: 1 << 40, blocks: 5, meta_block: 3, loose: true }.encode();
        let mut block = *page[SUPERBLOCK_OFFSET..].first_chunk().unwrap();
        let read = Superblock::decode(&block).unwrap();
        assert_eq!((read.root, read.inodes, read.blocks, read.meta_block, read.loose), (7, 1 << 40, 5, 3, true));
        block[40] ^= 1;
        assert!(Superblock::decode(&block).is_none());

        let inode = Inode {
            mode: 0o100_644,
            xattr_len: XATTR_HEADER + 8,
            size: 1 << 33,
            data: Data::Plain(9),
            number: 2,
            uid: 3,
            gid: 4,
            mtime: -5,
            nanos: 6,
            links: 7,
            loose: false,
        };
        let link = Inode { mode: 0o120_777, xattr_len: 0, data: Data::Inline, loose: true, ..inode };
        let device = Inode { mode: 0o020_666, data: Data::Device(0x103), ..inode };
        for inode in [inode, link, device] {
            assert_eq!(Inode::decode(&inode.encode()), Some(inode));
        }
    }

    #[test]
    fn numbers_of_devices() {
        check_device(0, 0, 0);
        check_device(1, 3, 0x103);
        check_device(0xfff, 0xff, 0xf_ffff);
        check_device(8, 0x12345, 0x1230_0845);
    }
}

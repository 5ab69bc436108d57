//! What stands behind the blocks: their lengths and digests, and the tar's headers.

use wharfie_oci::Digest;

/// A block of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Bytes that it takes compressed.
    pub compressed: u32,
    /// SHA-256 of its plain bytes.
    pub digest: [u8; 32],
}

/// The index of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// Bytes of the plain tar.
    pub plain: u64,
    /// Its blocks, each of [`super::BLOCK`] plain bytes but for the last.
    pub blocks: Vec<Block>,
    /// The tar's headers as [`super::Headers`] gives them; empty if they are not there.
    pub headers: Vec<u8>,
    /// How many bytes those are plain.
    pub headers_plain: u64,
}

/// Why bytes are no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// They end too early or have something behind them.
    #[error("the index of the layer has another length than it says")]
    Length,
    /// Another version, or something else.
    #[error("the index of the layer is of a version that is not known")]
    Version,
    /// Blocks and sizes contradict each other.
    #[error("the index of the layer contradicts itself")]
    Contradiction,
    /// It has another digest than the end of the blob says.
    #[error("the index of the layer has another digest")]
    Digest,
}

const MAGIC: [u8; 4] = *b"WIX1";
const FIXED: usize = 4 + 4 + 8 + 4;
const PER_BLOCK: usize = 4 + 32;
/// No index is larger: 64 MiB stand for half a terabyte.
pub(super) const MAX_INDEX: u64 = 64 << 20;

impl Index {
    /// The bytes that stand in the blob.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.blocks.len() * PER_BLOCK + 16 + self.headers.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&(super::BLOCK as u32).to_le_bytes());
        out.extend_from_slice(&self.plain.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks.len()).unwrap_or(u32::MAX).to_le_bytes());
        for block in &self.blocks {
            out.extend_from_slice(&block.compressed.to_le_bytes());
            out.extend_from_slice(&block.digest);
        }
        out.extend_from_slice(&self.headers_plain.to_le_bytes());
        out.extend_from_slice(&(self.headers.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.headers);
        out
    }

    /// Reads them back. Nothing of it is believed beyond what the digests prove.
    ///
    /// # Errors
    /// When they are no index.
    pub fn read(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut rest = bytes;
        if take::<4>(&mut rest)? != MAGIC || u32::from_le_bytes(take(&mut rest)?) as usize != super::BLOCK {
            return Err(IndexError::Version);
        }
        let plain = u64::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?);
        if u64::from(count) != plain.div_ceil(super::BLOCK as u64) || rest.len() / PER_BLOCK < count as usize {
            return Err(IndexError::Contradiction);
        }
        let mut blocks = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let compressed = u32::from_le_bytes(take(&mut rest)?);
            // Deflate makes nothing much larger than it was.
            if compressed as usize > super::BLOCK + super::BLOCK / 16 {
                return Err(IndexError::Contradiction);
            }
            blocks.push(Block { compressed, digest: take(&mut rest)? });
        }
        let headers_plain = u64::from_le_bytes(take(&mut rest)?);
        if u64::from_le_bytes(take(&mut rest)?) != rest.len() as u64 {
            return Err(IndexError::Length);
        }
        Ok(Self { plain, blocks, headers: rest.to_vec(), headers_plain })
    }

    /// Plain bytes of block number `n`.
    pub fn plain_len(&self, n: usize) -> usize {
        let before = n as u64 * super::BLOCK as u64;
        usize::try_from(self.plain.saturating_sub(before).min(super::BLOCK as u64)).expect("a block is short")
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], IndexError> {
    let (first, after) = rest.split_first_chunk::<N>().ok_or(IndexError::Length)?;
    *rest = after;
    Ok(*first)
}

/// The last member of the blob, which says where the index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Where the members with the index begin.
    pub at: u64,
    /// How long the index is.
    pub len: u64,
    /// SHA-256 of it.
    pub digest: Digest,
}

/// Bytes of an empty member beside its extra field: header, its length, deflate's end, checksum and size.
const EMPTY: usize = 10 + 2 + 2 + 8;
/// Extra fields have 65,535 bytes at most, of which four are the subfield's name and length.
const PART: usize = 65_531;
/// The subfields' names: a part of the index, and the end.
const INDEX_FIELD: [u8; 2] = *b"WI";
const END_FIELD: [u8; 2] = *b"WE";
const END_DATA: usize = 8 + 8 + 32;
/// How many bytes at the end of the blob say where the index is.
pub const END_LEN: usize = EMPTY + 4 + END_DATA;

impl End {
    /// The members that carry `index` at the end of a blob whose data ends at `at`.
    pub fn members(index: &[u8], at: u64) -> (Vec<u8>, Digest) {
        let digest = Digest::of(index);
        let mut out = Vec::with_capacity(index.len() + (index.len() / PART + 2) * (EMPTY + 4));
        for part in index.chunks(PART) {
            member(&mut out, INDEX_FIELD, part);
        }
        let mut data = Vec::with_capacity(END_DATA);
        data.extend_from_slice(&at.to_le_bytes());
        data.extend_from_slice(&(index.len() as u64).to_le_bytes());
        data.extend_from_slice(&digest.to_bytes());
        member(&mut out, END_FIELD, &data);
        (out, digest)
    }

    /// Reads the last [`END_LEN`] bytes of a blob; `None` if it has no index. `size` is that of the blob.
    pub fn read(bytes: &[u8], size: u64) -> Option<Self> {
        let data = extra(bytes.get(bytes.len().checked_sub(END_LEN)?..)?, END_FIELD)?.0;
        let (at, rest) = data.split_first_chunk::<8>()?;
        let (len, digest) = rest.split_first_chunk::<8>()?;
        let digest: &[u8; 32] = digest.try_into().ok()?;
        let end =
            Self { at: u64::from_le_bytes(*at), len: u64::from_le_bytes(*len), digest: Digest::from_bytes(digest) };
        let is_possible =
            end.len <= MAX_INDEX && end.at >= super::HEADER.len() as u64 && end.at.checked_add(end.carried())? == size;
        is_possible.then_some(end)
    }

    /// How many bytes the members take, this one included.
    fn carried(&self) -> u64 {
        let parts = self.len.div_ceil(PART as u64);
        self.len + parts * (EMPTY as u64 + 4) + END_LEN as u64
    }

    /// How many bytes of the blob the index takes, from [`Self::at`] to the end.
    pub fn tail(&self) -> u64 {
        self.carried()
    }

    /// The index from the blob's bytes from [`Self::at`] on, proven by the digest that is here.
    ///
    /// # Errors
    /// When they are none, or other ones.
    pub fn index(&self, tail: &[u8]) -> Result<Index, IndexError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len).unwrap_or_default());
        let mut rest = tail;
        while (bytes.len() as u64) < self.len {
            let (part, after) = extra(rest, INDEX_FIELD).ok_or(IndexError::Length)?;
            bytes.extend_from_slice(part);
            rest = after;
        }
        if Digest::of(&bytes) != self.digest {
            return Err(IndexError::Digest);
        }
        Index::read(&bytes)
    }
}

/// An empty gzip member with one subfield in its extra field. Source: RFC 1952, 2.3.1.1.
fn member(out: &mut Vec<u8>, name: [u8; 2], data: &[u8]) {
    let len = u16::try_from(data.len()).expect("parts are short");
    out.extend_from_slice(&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff]);
    out.extend_from_slice(&(len + 4).to_le_bytes());
    out.extend_from_slice(&name);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(&super::LAST);
    out.extend_from_slice(&[0; 8]);
}

/// The data of such a member at the begin of `bytes`, and what follows it.
fn extra(bytes: &[u8], name: [u8; 2]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[0x1f, 0x8b, 8, 4])?.get(6..)?;
    let (all, rest) = rest.split_first_chunk::<2>()?;
    let rest = rest.strip_prefix(&name)?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_le_bytes(*len));
    if usize::from(u16::from_le_bytes(*all)) != len + 4 {
        return None;
    }
    let (data, rest) = rest.split_at_checked(len)?;
    Some((data, rest.get(super::LAST.len() + 8..)?))
}

//! `Packages.db` of SUSE. Source: rpm, `lib/backend/ndb/rpmpkg.c`: a header, pages of slots, and blobs in blocks of 16 bytes.

use super::MAX_HEADER;
use crate::content::{Content, Result, Trouble, bytes_at};

const PAGE: u64 = 4096;
const SLOT: usize = 16;
const BLOCK: u64 = 16;
/// 2048 pages of slots: half a million packages.
const MAX_SLOT_PAGES: u32 = 2048;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Calls `take` with each package's blob.
pub(super) fn each(content: &dyn Content, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let head = bytes_at(content, 0, 32)?;
    if &head[..4] != b"RpmP" {
        return Err(Trouble::Broken("is no data base of rpm"));
    }
    let pages = u32_at(&head, 12);
    if pages == 0 || pages > MAX_SLOT_PAGES {
        return Err(Trouble::Broken("has an impossible number of slots"));
    }
    for page in 0..u64::from(pages) {
        let slots = bytes_at(content, page * PAGE, PAGE as usize)?;
        // The first two are the header.
        for slot in slots.chunks_exact(SLOT).skip(if page == 0 { 2 } else { 0 }) {
            if &slot[..4] != b"Slot" {
                return Err(Trouble::Broken("has a slot that makes no sense"));
            }
            let (index, block) = (u32_at(slot, 4), u64::from(u32_at(slot, 8)));
            if index == 0 {
                continue;
            }
            let blob = bytes_at(content, block * BLOCK, 16)?;
            let len = u32_at(&blob, 12) as usize;
            if &blob[..4] != b"BlbS" || u32_at(&blob, 4) != index || len > MAX_HEADER {
                return Err(Trouble::Broken("has a package that makes no sense"));
            }
            take(&bytes_at(content, block * BLOCK + 16, len)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lead_to_blobs() {
        let blob = super::super::tests::bash();
        let mut file = vec![0; 4096];
        file[..4].copy_from_slice(b"RpmP");
        file[12] = 1;
        for slot in 2..256 {
            file[slot * 16..slot * 16 + 4].copy_from_slice(b"Slot");
        }
        file[2 * 16 + 4] = 7;
        file[2 * 16 + 8..2 * 16 + 12].copy_from_slice(&256_u32.to_le_bytes());
        file.extend(b"BlbS\x07\0\0\0\0\0\0\0");
        file.extend((blob.len() as u32).to_le_bytes());
        file.extend(&blob);
        let mut found = Vec::new();
        each(&file, &mut |bytes| {
            found.push(bytes.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [blob]);
        file[2 * 16 + 8..2 * 16 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(each(&file, &mut |_| Ok(())).is_err());
    }
}

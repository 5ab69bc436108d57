//! Names in directories: found by hash, chained by directory, with all text in one list.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::paged::{Fields, Paged, Record, Spill, put_fields};
use super::{NONE, NodeId, SlotId};
use crate::error::{Error, Result};

/// 1 GiB of names and link targets.
const MAX_TEXT: usize = 1 << 30;

/// One name in one directory. It stays when its file goes, because a whiteout or a new file may come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slot {
    parent: NodeId,
    /// The file behind the name, or `NONE`.
    pub(crate) node: NodeId,
    /// The next name of the directory, or `NONE`.
    pub(super) next: SlotId,
    text: u32,
    len: u8,
    pub(crate) is_whiteout: bool,
}

impl Record for Slot {
    const LEN: usize = 18;
    const PAGE: usize = 1 << 6;
    const PAGES: usize = 1 << 10;

    fn write(&self, out: &mut [u8]) {
        let numbers = [self.parent, self.node, self.next, self.text].map(u32::to_le_bytes);
        put_fields(out, &[&numbers[0], &numbers[1], &numbers[2], &numbers[3], &[self.len, u8::from(self.is_whiteout)]]);
    }

    fn read(bytes: &[u8]) -> Self {
        let mut fields = Fields(bytes);
        let [parent, node, next, text] = std::array::from_fn(|_| fields.u32());
        let [len, is_whiteout] = fields.next();
        Self { parent, node, next, text, len, is_whiteout: is_whiteout != 0 }
    }
}

/// All names of a tree. The hash is seeded at random, so that no archive can be made to collide; nothing that is
/// written depends on the order of the table.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Paged<Slot>,
    text: Paged<u8>,
    /// Open addressing: the hash above, the slot and one more below, 0 for free. The length is a power of two and at most three
    /// quarters are in use. The hash is kept so that names that are not meant are passed over without being read.
    table: Paged<u64>,
    seed: RandomState,
    spill: Spill,
}

impl Slots {
    pub(super) fn new(spill: &Spill) -> Self {
        Self {
            slots: Paged::new(spill),
            text: Paged::new(spill),
            table: Paged::zeros(spill, 64),
            seed: RandomState::new(),
            spill: spill.clone(),
        }
    }

    pub(super) fn find(&self, parent: NodeId, name: &[u8]) -> Result<Option<SlotId>> {
        let mask = self.table.len() - 1;
        let hash = self.hash(parent, name);
        let mut at = hash as usize & mask;
        loop {
            let entry = self.table.get(at)?;
            if entry == 0 {
                return Ok(None);
            }
            if (entry >> 32) as u32 == hash {
                let id = entry as u32 - 1;
                let slot = self.get(id)?;
                let is_same = slot.parent == parent && usize::from(slot.len) == name.len();
                if is_same && self.text.is_at(slot.text as usize, name)? {
                    return Ok(Some(id));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a name that is not there yet, without a file.
    pub(super) fn insert(&mut self, parent: NodeId, name: &[u8], next: SlotId) -> Result<SlotId> {
        let text = self.store(name)?;
        let len = u8::try_from(name.len()).expect("names are at most 255 bytes");
        let id = self.slots.push(Slot { parent, node: NONE, next, text, len, is_whiteout: false })? as u32;
        if self.slots.len() * 4 > self.table.len() * 3 {
            self.grow()?;
        }
        enter(&self.table, u64::from(self.hash(parent, name)) << 32 | u64::from(id + 1))?;
        Ok(id)
    }

    /// Keeps any text; gives its place.
    pub(super) fn store(&mut self, text: &[u8]) -> Result<u32> {
        if self.text.len() + text.len() > MAX_TEXT {
            return Err(Error::Limit { what: "bytes of names", limit: MAX_TEXT as u64 });
        }
        Ok(self.text.append(text)? as u32)
    }

    /// Adds `len` bytes of kept text to `out`.
    pub(super) fn text(&self, at: u32, len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.text.copy_to(at as usize, len, out)
    }

    pub(crate) fn get(&self, slot: SlotId) -> Result<Slot> {
        self.slots.get(slot as usize)
    }

    pub(super) fn update(&self, slot: SlotId, change: impl FnOnce(&mut Slot)) -> Result<()> {
        self.slots.update(slot as usize, change)
    }

    /// Adds the name in a slot to `out`.
    pub(crate) fn name(&self, slot: &Slot, out: &mut Vec<u8>) -> Result<()> {
        self.text(slot.text, usize::from(slot.len), out)
    }

    fn grow(&mut self) -> Result<()> {
        let larger = Paged::zeros(&self.spill, self.table.len() * 2);
        for at in 0..self.table.len() {
            match self.table.get(at)? {
                0 => {}
                entry => enter(&larger, entry)?,
            }
        }
        self.table = larger;
        Ok(())
    }

    fn hash(&self, parent: NodeId, name: &[u8]) -> u32 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u32(parent);
        hasher.write(name);
        hasher.finish() as u32
    }
}

/// Puts an entry into a table that has room for it.
fn enter(table: &Paged<u64>, entry: u64) -> Result<()> {
    let mask = table.len() - 1;
    let mut at = (entry >> 32) as usize & mask;
    while table.get(at)? != 0 {
        at = (at + 1) & mask;
    }
    table.update(at, |free| *free = entry)
}

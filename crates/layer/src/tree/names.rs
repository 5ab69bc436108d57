//! Names in directories: found by hash, chained by directory, with all text in one buffer.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::{NONE, NodeId, SlotId};
use crate::error::{Error, Result};

/// 1 GiB of names and link targets.
const MAX_TEXT: usize = 1 << 30;

/// One name in one directory. It stays when its file goes, because a whiteout or a new file may come.
#[derive(Debug)]
struct Slot {
    parent: NodeId,
    node: NodeId,
    next: SlotId,
    text: u32,
    len: u8,
    whiteout: bool,
}

/// All names of a tree. The hash is seeded at random, so that no archive can be made to collide; nothing that is
/// written depends on the order of the table.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    text: Vec<u8>,
    /// Open addressing, `NONE` for free; the length is a power of two and at most three quarters are in use.
    table: Vec<SlotId>,
    seed: RandomState,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), text: Vec::new(), table: vec![NONE; 64], seed: RandomState::new() }
    }

    pub(super) fn find(&self, parent: NodeId, name: &[u8]) -> Option<SlotId> {
        let mask = self.table.len() - 1;
        let mut at = self.hash(parent, name) & mask;
        loop {
            let slot = self.table[at];
            if slot == NONE {
                return None;
            }
            if self.slots[slot as usize].parent == parent && self.name(slot) == name {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a name that is not there yet, without a file.
    pub(super) fn insert(&mut self, parent: NodeId, name: &[u8], next: SlotId) -> Result<SlotId> {
        let slot = self.slots.len() as u32;
        let text = self.store(name)?;
        let len = u8::try_from(name.len()).expect("names are at most 255 bytes");
        self.slots.push(Slot { parent, node: NONE, next, text, len, whiteout: false });
        if self.slots.len() * 4 > self.table.len() * 3 {
            self.grow();
        } else {
            self.enter(slot);
        }
        Ok(slot)
    }

    /// Keeps any text; gives its place.
    pub(super) fn store(&mut self, text: &[u8]) -> Result<u32> {
        let at = self.text.len();
        if at + text.len() > MAX_TEXT {
            return Err(Error::Limit { what: "bytes of names", limit: MAX_TEXT as u64 });
        }
        self.text.extend_from_slice(text);
        Ok(at as u32)
    }

    pub(super) fn text(&self, at: u32, len: usize) -> &[u8] {
        &self.text[at as usize..at as usize + len]
    }

    pub(crate) fn name(&self, slot: SlotId) -> &[u8] {
        let slot = &self.slots[slot as usize];
        self.text(slot.text, usize::from(slot.len))
    }

    /// The file behind the name, or `NONE`.
    pub(crate) fn node(&self, slot: SlotId) -> NodeId {
        self.slots[slot as usize].node
    }

    pub(crate) fn is_whiteout(&self, slot: SlotId) -> bool {
        self.slots[slot as usize].whiteout
    }

    pub(super) fn next(&self, slot: SlotId) -> Option<SlotId> {
        Some(self.slots[slot as usize].next).filter(|&next| next != NONE)
    }

    pub(super) fn set_node(&mut self, slot: SlotId, node: NodeId) {
        self.slots[slot as usize].node = node;
    }

    pub(super) fn set_next(&mut self, slot: SlotId, next: SlotId) {
        self.slots[slot as usize].next = next;
    }

    pub(super) fn set_whiteout(&mut self, slot: SlotId) {
        self.slots[slot as usize].whiteout = true;
    }

    fn enter(&mut self, slot: SlotId) {
        let mask = self.table.len() - 1;
        let mut at = self.hash(self.slots[slot as usize].parent, self.name(slot)) & mask;
        while self.table[at] != NONE {
            at = (at + 1) & mask;
        }
        self.table[at] = slot;
    }

    fn grow(&mut self) {
        // The old table goes first: two at once would be the peak of a big layer.
        let len = self.table.len() * 2;
        self.table = Vec::new();
        self.table = vec![NONE; len];
        for slot in 0..self.slots.len() as u32 {
            self.enter(slot);
        }
    }

    fn hash(&self, parent: NodeId, name: &[u8]) -> usize {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u32(parent);
        hasher.write(name);
        hasher.finish() as usize
    }
}

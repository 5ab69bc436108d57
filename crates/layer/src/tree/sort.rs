//! Sorts the names of one directory, however many there are: in memory as long as they fit, else as sorted runs in a
//! file that are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::SlotId;
use super::paged::{Paged, Spill};
use crate::error::Result;

/// Most names in a run.
const RUN: usize = 1 << 15;
/// 1 MiB: most text in a run, but for the last name.
const RUN_TEXT: usize = 1 << 20;

/// Takes names and gives them back in byte order.
#[derive(Debug)]
pub(super) struct Sorter {
    text: Vec<u8>,
    /// Where each name ends in `text`; it starts where the one before ends.
    ends: Vec<(u32, SlotId)>,
    order: Vec<(u32, u32, SlotId)>,
    spill: Spill,
    /// Sorted runs: for each name its length, its slot, and itself.
    runs: Option<Paged<u8>>,
    /// Where they start.
    starts: Vec<usize>,
}

impl Sorter {
    pub(super) fn new(spill: &Spill) -> Self {
        let spill = spill.clone();
        Self { text: Vec::new(), ends: Vec::new(), order: Vec::new(), spill, runs: None, starts: Vec::new() }
    }

    /// Takes a name; `name` appends it to what it is given.
    pub(super) fn push(&mut self, slot: SlotId, name: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        if self.ends.len() == RUN || self.text.len() >= RUN_TEXT {
            self.flush()?;
        }
        name(&mut self.text)?;
        self.ends.push((self.text.len() as u32, slot));
        Ok(())
    }

    /// Gives all slots in the order of their names, and is empty again.
    pub(super) fn drain(&mut self, mut take: impl FnMut(SlotId) -> Result<()>) -> Result<()> {
        if self.starts.is_empty() {
            self.sort();
            self.order.iter().try_for_each(|&(.., slot)| take(slot))?;
            self.clear();
            return Ok(());
        }
        self.flush()?;
        let runs = self.runs.take().expect("a flushed run is there");
        let ends: Vec<usize> = self.starts[1..].iter().copied().chain([runs.len()]).collect();
        let mut cursors: Vec<Cursor> = self.starts.iter().zip(ends).map(|(&at, end)| Cursor { at, end }).collect();
        let mut heap = BinaryHeap::new();
        for (run, cursor) in cursors.iter_mut().enumerate() {
            heap.extend(cursor.next(&runs)?.map(|(name, slot)| Reverse((name, run, slot))));
        }
        while let Some(Reverse((_, run, slot))) = heap.pop() {
            take(slot)?;
            heap.extend(cursors[run].next(&runs)?.map(|(name, slot)| Reverse((name, run, slot))));
        }
        self.starts.clear();
        Ok(())
    }

    fn sort(&mut self) {
        self.order.clear();
        let mut start = 0;
        for &(end, slot) in &self.ends {
            self.order.push((start, end, slot));
            start = end;
        }
        let text = &self.text;
        let name = |&(start, end, _): &(u32, u32, SlotId)| &text[start as usize..end as usize];
        self.order.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }

    fn flush(&mut self) -> Result<()> {
        self.sort();
        let runs = self.runs.get_or_insert_with(|| Paged::new(&self.spill));
        self.starts.push(runs.len());
        for &(start, end, slot) in &self.order {
            let name = &self.text[start as usize..end as usize];
            runs.append(&(name.len() as u32).to_le_bytes())?;
            runs.append(&slot.to_le_bytes())?;
            runs.append(name)?;
        }
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.order.clear();
    }
}

/// Where a run is read.
struct Cursor {
    at: usize,
    end: usize,
}

impl Cursor {
    fn next(&mut self, runs: &Paged<u8>) -> Result<Option<(Vec<u8>, SlotId)>> {
        if self.at == self.end {
            return Ok(None);
        }
        let mut head = Vec::with_capacity(8);
        runs.copy_to(self.at, 8, &mut head)?;
        let (len, slot) = head.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let len = number(len) as usize;
        let mut name = Vec::with_capacity(len);
        runs.copy_to(self.at + 8, len, &mut name)?;
        self.at += 8 + len;
        Ok(Some((name, number(slot))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_names_come_in_byte_order() {
        let mut sorter = Sorter::new(&Spill(std::path::Path::new(".").into()));
        for count in [0, 1, 5, RUN, RUN + 1, RUN * 3 + 100, 10] {
            let name = |n: u32| format!("{:x}", n.wrapping_mul(2_654_435_761)).into_bytes();
            for n in 0..count as u32 {
                sorter
                    .push(n, |text| {
                        text.extend(name(n));
                        Ok(())
                    })
                    .unwrap();
            }
            let mut last: Option<Vec<u8>> = None;
            let mut seen = 0;
            sorter
                .drain(|slot| {
                    let now = name(slot);
                    assert!(last.as_ref().is_none_or(|last| *last < now), "{count}");
                    last = Some(now);
                    seen += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(seen, count);
        }
    }
}

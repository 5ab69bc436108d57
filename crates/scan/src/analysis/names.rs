//! Every path of an image once: a tree of names, found by hashing, small enough for hundreds of thousands.

use std::hash::{BuildHasher, RandomState};

/// Which path it is; 0 is the root.
pub type PathNumber = u32;

/// The paths that were met.
#[derive(Debug)]
pub struct Names {
    nodes: Vec<Node>,
    /// All names, one after the other.
    text: Vec<u8>,
    /// Open addressing: numbers of nodes, 0 where there is none.
    table: Vec<PathNumber>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: PathNumber,
    at: u32,
    len: u16,
}

/// 65,536 places: enough for a small system's image without growing.
const FIRST_TABLE: usize = 1 << 16;

impl Default for Names {
    fn default() -> Self {
        let root = Node { parent: 0, at: 0, len: 0 };
        Self { nodes: vec![root], text: Vec::new(), table: vec![0; FIRST_TABLE], hasher: RandomState::new() }
    }
}

impl Names {
    /// How many paths there are, with the root.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes of all names.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The path above; the root is above itself.
    pub fn parent(&self, number: PathNumber) -> PathNumber {
        self.nodes[number as usize].parent
    }

    /// The last component.
    pub fn name(&self, number: PathNumber) -> &[u8] {
        let node = &self.nodes[number as usize];
        &self.text[node.at as usize..][..usize::from(node.len)]
    }

    /// The whole path without a slash in front; empty for the root.
    pub fn path(&self, number: PathNumber) -> Vec<u8> {
        let up = |number: &PathNumber| Some(self.parent(*number)).filter(|parent| *parent != 0);
        let numbers = || std::iter::successors(Some(number).filter(|number| *number != 0), up);
        let len: usize = numbers().map(|number| self.name(number).len() + 1).sum();
        let mut path = vec![b'/'; len.saturating_sub(1)];
        let mut end = path.len();
        for number in numbers() {
            let name = self.name(number);
            path[end - name.len()..end].copy_from_slice(name);
            end = end.saturating_sub(name.len() + 1);
        }
        path
    }

    /// The path of this name below `parent`, if it was met.
    pub fn find(&self, parent: PathNumber, name: &[u8]) -> Option<PathNumber> {
        let number = self.table[self.slot(parent, name)];
        (number != 0).then_some(number)
    }

    /// The path of these components.
    pub fn find_path(&self, path: &[u8]) -> Option<PathNumber> {
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        parts.try_fold(0, |parent, part| self.find(parent, part))
    }

    /// The path of this name below `parent`, which is made if there is none. A name that is longer than 65,535 bytes is cut.
    pub fn number(&mut self, parent: PathNumber, name: &[u8]) -> PathNumber {
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let name = &name[..usize::from(len)];
        let slot = self.slot(parent, name);
        if self.table[slot] != 0 {
            return self.table[slot];
        }
        let number = index(self.nodes.len());
        self.nodes.push(Node { parent, at: index(self.text.len()), len });
        self.text.extend_from_slice(name);
        self.table[slot] = number;
        if self.nodes.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        number
    }

    fn slot(&self, parent: PathNumber, name: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = usize::try_from(self.hasher.hash_one((parent, name))).unwrap_or(usize::MAX) & mask;
        loop {
            match self.table[slot] {
                0 => return slot,
                number if self.parent(number) == parent && self.name(number) == name => return slot,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for number in 1..index(self.nodes.len()) {
            let slot = self.slot(self.parent(number), self.name(number));
            self.table[slot] = number;
        }
    }
}

/// Positions fit: both tables are bounded far below 4 GiB by who fills them.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).expect("an analysis is bounded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_number() {
        let mut names = Names::default();
        let usr = names.number(0, b"usr");
        let bin = names.number(usr, b"bin");
        assert_eq!((names.number(0, b"usr"), names.number(usr, b"bin")), (usr, bin));
        assert_ne!(names.number(0, b"bin"), bin);
        assert_eq!((names.path(bin), names.path(0)), (b"usr/bin".to_vec(), Vec::new()));
        assert_eq!((names.find_path(b"./usr//bin"), names.find_path(b"usr/lib")), (Some(bin), None));
        assert_eq!((names.parent(bin), names.name(bin)), (usr, &b"bin"[..]));
    }

    #[test]
    fn it_grows() {
        let mut names = Names::default();
        let numbers: Vec<_> = (0..100_000_u32).map(|n| names.number(n / 7, &n.to_be_bytes())).collect();
        assert_eq!(names.count(), 100_001);
        for (n, number) in (0..100_000_u32).zip(numbers) {
            assert_eq!(names.find(n / 7, &n.to_be_bytes()), Some(number));
        }
    }
}

//! Keys of steps: digests of everything that a step depends on, part by part.

use serde::{Deserialize, Serialize};
use wharfie_oci::Digest;

/// What a step depends on, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// What it is, in words for people: `the command`, `ARG VERSION`, `the files`.
    pub(crate) name: String,
    /// What it is now: a text to show, or a digest of what is too long.
    pub(crate) value: String,
}

/// The name of the part that is the layers below a step.
pub(crate) const SO_FAR: &str = "what is there so far";

/// A key in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key {
    parts: Vec<Part>,
}

impl Key {
    /// The key of a step of this kind.
    pub(crate) fn new(kind: &str) -> Self {
        Self::default().with("the instruction", kind)
    }

    /// The step depends on this, too.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.push(Part { name: name.into(), value: value.into() });
        self
    }

    /// The digest of all of it. Lengths stand before texts, so that no two lists of parts read alike.
    pub(crate) fn digest(&self) -> Digest {
        let mut text = Vec::new();
        for part in &self.parts {
            for word in [&part.name, &part.value] {
                text.extend_from_slice(&(word.len() as u64).to_le_bytes());
                text.extend_from_slice(word.as_bytes());
            }
        }
        Digest::of(&text)
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_alike_is_not_alike() {
        let one = Key::new("run").with("a", "bc").digest();
        assert_ne!(one, Key::new("run").with("ab", "c").digest());
        assert_ne!(one, Key::new("run").with("a", "b").with("c", "").digest());
        assert_eq!(one, Key::new("run").with("a", "bc").digest());
    }
}

//! Digests that mean more than "these bytes": image id, diff id, chain id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, ParseDigestError};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Takes a digest that is known to be one.
            pub fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// The digest underneath.
            pub fn digest(&self) -> &Digest {
                &self.0
            }

            /// `sha256:hex`.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The same as a text of its own.
            pub fn into_string(self) -> String {
                self.0.into_string()
            }

            /// The first twelve digits: what tables show.
            pub fn short(&self) -> &str {
                self.0.short()
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

identifier! {
    /// Names an image: the digest of its configuration's bytes.
    /// Source: image-spec, config.md, "ImageID".
    ImageId
}

identifier! {
    /// Names a layer: the digest of its uncompressed tar.
    /// Source: image-spec, config.md, "Layer DiffID".
    DiffId
}

identifier! {
    /// Names a stack of layers.
    /// Source: image-spec, config.md, "Layer ChainID".
    ChainId
}

impl ChainId {
    /// Names the stack of layers that ends with `top`.
    /// `below` is the chain of everything underneath, `None` for a first layer.
    /// Source: image-spec, config.md, "Layer ChainID": `sha256(below + " " + top)`.
    pub fn extend(below: Option<&Self>, top: &DiffId) -> Self {
        match below {
            None => Self(top.0.clone()),
            Some(below) => Self(Digest::of(format!("{below} {top}").as_bytes())),
        }
    }

    /// The chain ids of every prefix of `layers`, bottom first: as many as there are layers.
    pub fn stack(layers: &[DiffId]) -> Vec<Self> {
        let mut chain: Vec<Self> = Vec::with_capacity(layers.len());
        for layer in layers {
            chain.push(Self::extend(chain.last(), layer));
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_of_one_is_its_diff_id_and_of_two_a_new_name() {
        let a = DiffId::new(Digest::of(b"a"));
        let b = DiffId::new(Digest::of(b"b"));
        let stack = ChainId::stack(&[a.clone(), b.clone()]);
        assert_eq!(stack[0].as_str(), a.as_str());
        assert_eq!(stack[1].digest(), &Digest::of(format!("{a} {b}").as_bytes()));
    }
}

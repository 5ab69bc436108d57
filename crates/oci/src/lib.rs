//! The words of wharfie: digests, references, manifests, configurations. Pure values.

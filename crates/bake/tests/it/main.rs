//! Bake files end to end: from texts to targets, prints, lists and errors. Facts are those of buildx's documentation and
//! tests.

mod compose;
mod entitlements;
mod errors;
mod expressions;
mod folders;
mod hostile;
mod kit;
mod overrides;
mod references;
mod targets;
mod variables;

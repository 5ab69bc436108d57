//! What the `wharfie` program is made of, as a library so that its parsers can be tested and fuzzed without starting it.

pub mod commands;
pub mod compat;
pub mod context;
mod demand;
pub mod env;
pub mod failure;
pub mod flags;
mod interrupt;
mod machine;
mod network;
pub mod program;
pub mod render;
pub mod retention;
mod rootless;
mod runtimes;
pub mod settings;
mod suggest;

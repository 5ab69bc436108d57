//! Images and registries without a daemon.
fn main() {}

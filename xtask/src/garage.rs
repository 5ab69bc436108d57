//! Garage, a service that keeps buckets on several nodes and knows no conditional writes: for tests, never linked.

use std::path::PathBuf;

use crate::Result;
use crate::process::{run, say};

/// Names a program that is there already, here and for the tests (`crates/testkit/src/garage.rs`).
pub(crate) const PROGRAM: &str = "WHARFIE_TEST_GARAGE";
const VERSION: &str = "2.5.0";

/// The program; it is built once, which takes a quarter of an hour of CPU, into the user's folder of caches.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(program) = variable(PROGRAM) {
        return if program.exists() { Ok(program) } else { Err(format!("{PROGRAM} names {}", program.display())) };
    }
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let place = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?.join(format!("wharfie/garage-{VERSION}"));
    let program = place.join("bin/garage");
    if !program.exists() {
        say("garage is built once; this takes long");
        let root = place.to_string_lossy();
        run("cargo", &["install", "garage", "--version", VERSION, "--locked", "--root", &root])?;
    }
    Ok(program)
}

#[expect(clippy::disallowed_methods, reason = "a development command is a program of its own")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

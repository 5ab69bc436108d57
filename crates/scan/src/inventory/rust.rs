//! What a Rust program was built from, if `cargo auditable` made it. Source: cargo-auditable, `PARSING.md`.

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use super::MAX_ENTRIES;
use super::binary::Program;
use crate::bounded::AtMost;
use crate::budget::{Work, inflate};
use crate::content::{Range, Result, Stream};
use crate::package::{Package, PackageKind};

/// 8 MiB of JSON.
const MAX_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct Note {
    packages: AtMost<Entry, MAX_ENTRIES>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    #[serde(default)]
    kind: String,
}

/// The crates of a program; what only its build needed is not in it.
pub(super) fn read(program: &Program<'_>, work: &Work, packages: &mut Vec<Package>) -> Result<()> {
    let Some(part) = program.section(&[".dep-v0", "__dep-v0", "rust-deps-v0"]) else { return Ok(()) };
    let range = Range::new(program.content, part.offset, part.len);
    let json = inflate(ZlibDecoder::new(Stream::new(&range)), MAX_BYTES, work)?;
    let note: Note = serde_json::from_slice(&json)?;
    let of_program = note.packages.0.into_iter().filter(|entry| entry.kind != "build");
    packages.extend(of_program.map(|entry| Package::new(PackageKind::Cargo, entry.name, entry.version)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::super::binary::tests::elf;
    use super::*;

    fn program(json: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(json).unwrap();
        elf(".dep-v0", &encoder.finish().unwrap())
    }

    #[test]
    fn crates_are_named() {
        let file = program(br#"{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true},{"name":"cc","version":"1.0","source":"crates.io","kind":"build"}]}"#);
        let mut packages = Vec::new();
        read(&Program::open(&file).unwrap().unwrap(), &Work::new(1 << 20), &mut packages).unwrap();
        assert_eq!((packages.len(), packages[0].name.as_str()), (1, "app"));
    }

    #[test]
    fn what_swells_is_refused() {
        let file = program(&vec![b' '; 9 << 20]);
        let program = Program::open(&file).unwrap().unwrap();
        let why = read(&program, &Work::new(1 << 30), &mut Vec::new()).unwrap_err();
        assert_eq!(why.to_string(), "is larger than 8 MiB, which is not looked at");
    }
}

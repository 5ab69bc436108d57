//! What a Go program was built from. Source: Go, `debug/buildinfo`.

use super::binary::{Part, Program};
use super::is_full;
use crate::content::{Result, bytes_at};
use crate::package::{Package, PackageKind};

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The note lies on such a boundary.
const ALIGN: usize = 16;
/// 1 MiB: where the note is looked for if no section names it.
const MAX_SEARCH: u64 = 1 << 20;
/// 4 MiB of modules: some ten thousand.
const MAX_TEXT: u64 = 4 << 20;
/// 16 bytes before and behind the modules.
const MARK: usize = 16;

/// The modules of a Go program; false if it is none.
pub(super) fn read(program: &Program<'_>, packages: &mut Vec<Package>) -> Result<bool> {
    let Some((version, modules)) = note(program) else { return Ok(false) };
    // `go1.22.1 X:boringcrypto` is a compiler with experiments; `devel` is none that anybody released.
    let compiler = version.split_whitespace().next().unwrap_or_default().trim_start_matches("go").to_owned();
    let build: Vec<(&str, &str)> =
        modules.lines().filter_map(|line| line.strip_prefix("build\t")?.split_once('=')).collect();
    let mut last: Option<Package> = None;
    for line in modules.lines() {
        if is_full(packages) {
            break;
        }
        let mut words = line.split('\t');
        let kind = words.next().unwrap_or_default();
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match kind {
            "mod" | "dep" => {
                packages.extend(last.take());
                let version = if kind == "mod" { main_version(version, &build) } else { version.to_owned() };
                last = Some(Package::new(PackageKind::Golang, name, version));
            }
            // What it was replaced by is what is in the program.
            "=>" if !name.starts_with(['.', '/']) => {
                last = Some(Package::new(PackageKind::Golang, name, version));
            }
            _ => {}
        }
    }
    packages.extend(last);
    if compiler.starts_with(|first: char| first.is_ascii_digit()) {
        packages.push(Package::new(PackageKind::Golang, "stdlib", compiler));
    }
    Ok(true)
}

/// The version of the program itself: before Go 1.24 the compiler did not know it, but many tell the linker.
fn main_version(stated: &str, build: &[(&str, &str)]) -> String {
    if stated != "(devel)" && !stated.is_empty() {
        return stated.to_owned();
    }
    let flags = build.iter().find(|(key, _)| *key == "-ldflags").map(|(_, value)| *value).unwrap_or_default();
    for word in flags.split(|letter: char| letter.is_whitespace() || letter == '"' || letter == '\'') {
        let Some((key, value)) = word.split_once('=') else { continue };
        let is_version = ["main.version", "main.Version", ".Version", ".version"].iter().any(|end| key.ends_with(end));
        let plain = value.strip_prefix('v').unwrap_or(value);
        if is_version && plain.starts_with(|first: char| first.is_ascii_digit()) && plain.contains('.') {
            return format!("v{plain}");
        }
    }
    "(devel)".to_owned()
}

/// The compiler's version and the list of modules.
fn note(program: &Program<'_>) -> Option<(String, String)> {
    let named = program.section(&[".go.buildinfo", "__go_buildinfo"]);
    let places: Vec<&Part> = match named {
        Some(part) => vec![part],
        // Stripped of its section names: it is at the beginning of what can be written.
        None => program.segments.iter().filter(|part| part.is_writable).take(2).collect(),
    };
    let (place, at, bytes) = places.into_iter().find_map(|part| {
        let len = part.len.min(MAX_SEARCH).min(program.content.size().checked_sub(part.offset)?);
        let bytes = bytes_at(program.content, part.offset, len as usize).ok()?;
        let at = (0..bytes.len()).step_by(ALIGN).find(|at| bytes[*at..].starts_with(MAGIC))?;
        Some((part, at, bytes))
    })?;
    let head = bytes.get(at..at + 32)?;
    if head[15] & 2 != 0 {
        let mut offset = place.offset + at as u64 + 32;
        let version = inline(program, &mut offset)?;
        let modules = inline(program, &mut offset)?;
        return Some((String::from_utf8_lossy(&version).into_owned(), modules_of(&modules)));
    }
    // Before Go 1.18: two pointers to texts.
    let width = usize::from(head[14]);
    if ![4, 8].contains(&width) {
        return None;
    }
    let pointer = |at: usize| -> Option<Vec<u8>> {
        let bytes = head.get(at..at + width)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let address = if head[15] & 1 != 0 { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
        let (offset, _) = program.at(address)?;
        let text = bytes_at(program.content, offset, width * 2).ok()?;
        let (address, len) = (program.number(&text, 0, width)?, program.number(&text, width, width)?);
        let (offset, left) = program.at(address)?;
        (len <= left.min(MAX_TEXT)).then(|| bytes_at(program.content, offset, len as usize).ok())?
    };
    let version = pointer(16)?;
    let modules = pointer(16 + width).unwrap_or_default();
    Some((String::from_utf8_lossy(&version).into_owned(), modules_of(&modules)))
}

/// A text with its length before it, and past it.
fn inline(program: &Program<'_>, offset: &mut u64) -> Option<Vec<u8>> {
    let left = program.content.size().checked_sub(*offset)?.min(10);
    let head = bytes_at(program.content, *offset, left as usize).ok()?;
    let (mut len, mut shift) = (0_u64, 0);
    for (index, byte) in head.iter().enumerate() {
        len |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            *offset += index as u64 + 1;
            let bytes = (len <= MAX_TEXT).then(|| bytes_at(program.content, *offset, len as usize).ok())??;
            *offset += len;
            return Some(bytes);
        }
    }
    None
}

/// The lines between the marks.
fn modules_of(bytes: &[u8]) -> String {
    match bytes.len() {
        33.. if bytes[bytes.len() - MARK - 1] == b'\n' => {
            String::from_utf8_lossy(&bytes[MARK..bytes.len() - MARK]).into_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::binary::tests::elf;
    use super::*;

    /// A program with this note.
    pub(crate) fn program(version: &str, modules: &str) -> Vec<u8> {
        let mut note = MAGIC.to_vec();
        note.extend([8, 2]);
        note.resize(32, 0);
        let modules = format!("0123456789abcdef{modules}0123456789abcdef");
        for text in [version, &modules] {
            let (mut len, mut head) = (text.len(), Vec::new());
            while len >= 0x80 {
                head.push(len as u8 | 0x80);
                len >>= 7;
            }
            head.push(len as u8);
            note.extend(head);
            note.extend(text.as_bytes());
        }
        elf(".go.buildinfo", &note)
    }

    #[test]
    fn modules_and_the_compiler_are_named() {
        let modules = "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:x\ndep\told.example/x\tv1.0.0\n=>\tnew.example/x\tv1.0.1\th1:y\ndep\tlocal.example/z\tv0.0.0\n=>\t./z\t(devel)\nbuild\t-ldflags=\"-s -X main.version=1.2.3\"\n";
        let file = program("go1.21.5", modules);
        let mut packages = Vec::new();
        assert!(read(&Program::open(&file).unwrap().unwrap(), &mut packages).unwrap());
        let all: Vec<_> = packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(
            all,
            [
                "example.com/app v1.2.3",
                "golang.org/x/net v0.1.0",
                "new.example/x v1.0.1",
                "local.example/z v0.0.0",
                "stdlib 1.21.5"
            ]
        );
    }
}

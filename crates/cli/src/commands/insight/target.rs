//! What a word names that is to be looked into: an image, unless it is written as a path or says what it is.

use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};

use wharfie_engine::insight::{Target, begins_document};

use crate::commands::place::{Place, is_layout};
use crate::failure::{Failure, Result};

/// Reads the word, with the name that it gives an image within an archive or a layout. `look` says what is on disk under a path.
pub(super) fn parse(word: &str, look: impl Fn(&Path) -> Option<Metadata>) -> Result<(Target, Option<String>)> {
    let target = match Place::parse(word)? {
        Place::Stream => Target::Stream,
        Place::Registry(name) => Target::Registry(name),
        Place::Store(name) => Target::Store(name),
        Place::Container(name) => Target::Container(name),
        Place::Directory(path) => Target::Directory(path),
        Place::Document(path) => Target::Document(path),
        Place::Archive(path, name) => return Ok((Target::Archive(path), name)),
        Place::Layout(path, name) => return Ok((Target::Layout(path), name)),
        Place::Path(path) => match look(&path) {
            Some(found) => on_disk(path, &found),
            None => {
                return Err(Failure::new(format!("there is no {word}")).help(Some(
                    "name an image, a directory, an archive or an SBOM; `container:NAME` looks into a container"
                        .to_owned(),
                )));
            }
        },
        // Names of images have no such endings; files do.
        Place::Name(word) if [".tar", ".tar.gz", ".tgz", ".tar.zst", ".json"].iter().any(|end| word.ends_with(end)) => {
            let path = PathBuf::from(&word);
            match look(&path) {
                Some(found) => on_disk(path, &found),
                None => Target::Image(word),
            }
        }
        Place::Name(word) => Target::Image(word),
    };
    Ok((target, None))
}

fn on_disk(path: PathBuf, found: &Metadata) -> Target {
    match found.is_dir() {
        true if is_layout(&path) => Target::Layout(path),
        true => Target::Directory(path),
        false if found.is_file() && is_document(&path) => Target::Document(path),
        false => Target::Archive(path),
    }
}

/// True for JSON, by its name or by how it begins: no archive begins so.
fn is_document(path: &Path) -> bool {
    let begins_so = || -> std::io::Result<bool> {
        let mut head = [0; 64];
        let read = std::fs::File::open(path)?.read(&mut head)?;
        Ok(begins_document(&head[..read]))
    };
    path.extension().is_some_and(|end| end == "json") || begins_so().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir_all(at("rootfs/etc")).unwrap();
        std::fs::create_dir(at("layout")).unwrap();
        for name in ["layout/oci-layout", "web.tar", "sbom.json", "plain"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::write(at("sbom"), "\u{feff} {\"bomFormat\"").unwrap();
        let check = |word: &str, expected: &str| {
            let (target, name) = parse(word, |path| std::fs::metadata(path).ok()).unwrap();
            let shown = format!("{target:?}").replace(&folder.path().display().to_string(), "");
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            assert_eq!(format!("{shown}{name}"), expected, "{word}");
        };
        check("web:1", "Image(\"web:1\")");
        check("-", "Stream");
        check("container:web", "Container(\"web\")");
        check("docker://web:1", "Registry(\"web:1\")");
        check("containers-storage:web:1", "Store(\"web:1\")");
        check("docker-archive:///x/web.tar", "Archive(\"/x/web.tar\")");
        check("oci-archive:web.tar:web:1", "Archive(\"web.tar\") web:1");
        check("oci:x:1", "Layout(\"x\") 1");
        check("dir:x", "Directory(\"x\")");
        check("sbom:x", "Document(\"x\")");
        check("missing.tar", "Image(\"missing.tar\")");
        check(&at("rootfs"), "Directory(\"/rootfs\")");
        check(&at("layout"), "Layout(\"/layout\")");
        check(&at("web.tar"), "Archive(\"/web.tar\")");
        check(&at("plain"), "Archive(\"/plain\")");
        check(&at("sbom.json"), "Document(\"/sbom.json\")");
        check(&at("sbom"), "Document(\"/sbom\")");
        assert!(parse("./missing", |_| None).unwrap_err().text.starts_with("there is no ./missing"));
    }
}

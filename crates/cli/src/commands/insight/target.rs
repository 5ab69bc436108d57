//! What a word names that is to be looked into: an image, unless it is written as a path or says what it is.

use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};

use wharfie_engine::insight::Target;

use crate::failure::{Failure, Result};

/// Reads the word. `look` says what is on disk under a path.
pub(super) fn parse(word: &str, look: impl Fn(&Path) -> Option<Metadata>) -> Result<Target> {
    if word == "-" {
        return Ok(Target::Stream);
    }
    if let Some((kind, rest)) = word.split_once(':') {
        let path = || PathBuf::from(rest);
        match kind {
            "container" => return Ok(Target::Container(rest.to_owned())),
            "registry" => return Ok(Target::Registry(rest.to_owned())),
            "dir" => return Ok(Target::Directory(path())),
            // As dive and skopeo write it.
            "docker-archive" | "docker-tar" => {
                return Ok(Target::Archive(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))));
            }
            "archive" => return Ok(Target::Archive(path())),
            "oci" => return Ok(Target::Layout(path())),
            "sbom" => return Ok(Target::Document(path())),
            _ => {}
        }
    }
    let is_path = [".", "..", "/"].contains(&word) || ["./", "../", "/"].iter().any(|start| word.starts_with(start));
    let path = PathBuf::from(word);
    // Names of images have no such endings; files do.
    let looks_like_file = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".json"].iter().any(|end| word.ends_with(end));
    match look(&path) {
        Some(found) if is_path || looks_like_file => Ok(match found.is_dir() {
            true if look(&path.join("oci-layout")).is_some() => Target::Layout(path),
            true => Target::Directory(path),
            false if found.is_file() && is_document(&path) => Target::Document(path),
            false => Target::Archive(path),
        }),
        None if is_path => Err(Failure::new(format!("there is no {word}")).help(Some(
            "name an image, a directory, an archive or an SBOM; `container:NAME` looks into a container".to_owned(),
        ))),
        _ => Ok(Target::Image(word.to_owned())),
    }
}

/// True for JSON, by its name or by how it begins: no archive begins so.
fn is_document(path: &Path) -> bool {
    let begins_so = || -> std::io::Result<bool> {
        let mut head = [0; 64];
        let read = std::fs::File::open(path)?.read(&mut head)?;
        Ok(head[..read].trim_ascii_start().starts_with(b"{"))
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
        std::fs::write(at("sbom"), " {\"bomFormat\"").unwrap();
        let check = |word: &str, expected: &str| {
            let target = parse(word, |path| std::fs::metadata(path).ok()).unwrap();
            let shown = format!("{target:?}").replace(&folder.path().display().to_string(), "");
            assert_eq!(shown, expected, "{word}");
        };
        check("web:1", "Image(\"web:1\")");
        check("host:5000/team/web", "Image(\"host:5000/team/web\")");
        check("-", "Stream");
        check("container:web", "Container(\"web\")");
        check("registry:web:1", "Registry(\"web:1\")");
        check("docker-archive:///x/web.tar", "Archive(\"/x/web.tar\")");
        check("docker-archive:web.tar", "Archive(\"web.tar\")");
        check("dir:x", "Directory(\"x\")");
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

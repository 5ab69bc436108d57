//! What a word names that images are copied from or to: a registry, unless it is written as a path or says what it is.

use std::path::{Path, PathBuf};

use wharfie_engine::copy::Place;
use wharfie_oci::Reference;

use crate::failure::{Failure, Result};

/// Reads the word; `is_directory` says what is on disk under a path.
pub(super) fn parse(word: &str, is_directory: impl Fn(&Path) -> bool) -> Result<Place> {
    if let Some(reference) = word.strip_prefix("docker://") {
        return registry(reference);
    }
    if let Some((kind, rest)) = word.split_once(':').filter(|(_, rest)| !is_port(rest)) {
        match kind {
            "store" | "docker-daemon" | "containers-storage" => return Ok(Place::Store(rest.to_owned())),
            "archive" | "docker-archive" | "oci-archive" => return archive(rest),
            "oci" => return Ok(layout(rest)),
            // As a name it would be Docker Hub's, and a copy would go there.
            "dir" | "ostree" | "tarball" | "sif" | "file" => {
                let help = "write archive:FILE, oci:DIRECTORY, store:NAME, or a name on a registry".to_owned();
                return Err(Failure::new(format!("{kind}: is not a place to copy from or to")).help(Some(help)));
            }
            _ => {}
        }
    }
    let is_path = [".", "..", "/"].contains(&word) || ["./", "../", "/"].iter().any(|start| word.starts_with(start));
    match is_path {
        true if word.ends_with('/') || is_directory(Path::new(word)) => {
            Ok(Place::Layout { path: word.into(), name: None })
        }
        true => Ok(Place::Archive { path: word.into(), name: None }),
        false if is_archive_name(word) => Err(Failure::new(format!("{word} could be a file or a name on a registry"))
            .help(Some(format!("write ./{word} for the file, or docker://{word} for the name")))),
        false => registry(word),
    }
}

fn registry(word: &str) -> Result<Place> {
    Ok(Place::Registry(word.parse().map_err(wharfie_engine::Error::from)?))
}

fn archive(rest: &str) -> Result<Place> {
    let (path, name) = named(rest);
    let name = name.map(|name| name.parse::<Reference>().map(Reference::or_latest)).transpose();
    Ok(Place::Archive { path, name: name.map_err(wharfie_engine::Error::from)? })
}

fn layout(rest: &str) -> Place {
    let (path, name) = named(rest);
    Place::Layout { path, name: name.map(str::to_owned) }
}

/// `PATH[:NAME]`, as skopeo writes it: a path has no colon.
fn named(rest: &str) -> (PathBuf, Option<&str>) {
    match rest.split_once(':') {
        Some((path, name)) if !name.is_empty() => (path.into(), Some(name)),
        Some((path, _)) => (path.into(), None),
        None => (rest.into(), None),
    }
}

/// True for what would be a repository of Docker Hub, and hardly ever is.
fn is_archive_name(word: &str) -> bool {
    !word.contains(['/', ':']) && [".tar", ".tar.gz", ".tgz"].iter().any(|end| word.ends_with(end))
}

/// True if what follows a colon is a port: `store:5000/web` is a registry of that name.
fn is_port(rest: &str) -> bool {
    rest.split_once('/').is_some_and(|(port, _)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_they_name() {
        let check = |word: &str, expected: &str| {
            let found = parse(word, |path| path == Path::new("./dir")).unwrap();
            let shown = match found {
                Place::Registry(reference) => format!("registry {}", reference.canonical()),
                Place::Store(name) => format!("store {name}"),
                Place::Archive { path, name } => {
                    format!("archive {} {}", path.display(), name.map(|name| name.canonical()).unwrap_or_default())
                }
                Place::Layout { path, name } => format!("layout {} {}", path.display(), name.unwrap_or_default()),
            };
            assert_eq!(shown.trim_end(), expected, "{word}");
        };
        check("web:1", "registry docker.io/library/web:1");
        check("docker://r.example/web", "registry r.example/web");
        check("store:5000/web:1", "registry store:5000/web:1");
        check("store:web:1", "store web:1");
        check("docker-daemon:web:1", "store web:1");
        check("archive:x.tar", "archive x.tar");
        check("oci-archive:x.tar:web:1", "archive x.tar docker.io/library/web:1");
        check("oci:dir:1.0", "layout dir 1.0");
        check("oci:dir", "layout dir");
        check("./x.tar", "archive ./x.tar");
        check("./dir", "layout ./dir");
        check("./new/", "layout ./new/");
        for other in ["dir:x", "ostree:x", "x.tar", "x.tar.gz"] {
            assert!(parse(other, |_| false).is_err(), "{other}");
        }
        check("dir:5000/web", "registry dir:5000/web");
        check("docker://x.tar", "registry docker.io/library/x.tar");
        assert!(parse("docker://", |_| false).is_err() && parse("archive:x:@", |_| false).is_err());
    }
}

//! What a word names that images are copied from or to.

use std::path::Path;

use wharfie_engine::copy::Place;
use wharfie_oci::Reference;

use crate::commands::place::Place as Named;
use crate::failure::{Failure, Result};

/// Reads the word; `is_directory` says what is on disk under a path.
pub(super) fn parse(word: &str, is_directory: impl Fn(&Path) -> bool) -> Result<Place> {
    let unfit = |kind: &str| {
        let help = "write archive:FILE, oci:DIRECTORY, store:NAME, or a name on a registry".to_owned();
        Err(Failure::new(format!("{kind} is not a place to copy from or to")).help(Some(help)))
    };
    match Named::parse(word)? {
        Named::Name(word) if is_archive_name(&word) => {
            Err(Failure::new(format!("{word} could be a file or a name on a registry"))
                .help(Some(format!("write ./{word} for the file, or docker://{word} for the name"))))
        }
        Named::Name(word) | Named::Registry(word) => {
            Ok(Place::Registry(word.parse().map_err(wharfie_engine::Error::from)?))
        }
        Named::Store(name) => Ok(Place::Store(name)),
        Named::Archive(path, name) => {
            if let Some(name) = &name {
                name.parse::<Reference>().map_err(wharfie_engine::Error::from)?;
            }
            Ok(Place::Archive { path, name })
        }
        Named::Layout(path, name) => Ok(Place::Layout { path, name }),
        Named::Path(path) if word.ends_with('/') || is_directory(&path) => Ok(Place::Layout { path, name: None }),
        Named::Path(path) => Ok(Place::Archive { path, name: None }),
        Named::Directory(_) => unfit("dir:"),
        Named::Container(_) => unfit("container:"),
        Named::Document(_) => unfit("sbom:"),
        Named::Stream => unfit("standard input"),
    }
}

/// True for what would be a repository of Docker Hub, and hardly ever is.
fn is_archive_name(word: &str) -> bool {
    !word.contains(['/', ':']) && [".tar", ".tar.gz", ".tgz"].iter().any(|end| word.ends_with(end))
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
                Place::Archive { path, name } => format!("archive {} {}", path.display(), name.unwrap_or_default()),
                Place::Layout { path, name } => format!("layout {} {}", path.display(), name.unwrap_or_default()),
            };
            assert_eq!(shown.trim_end(), expected, "{word}");
        };
        check("web:1", "registry docker.io/library/web:1");
        check("docker://r.example/web", "registry r.example/web");
        check("registry:r.example/web", "registry r.example/web");
        check("store:5000/web:1", "registry store:5000/web:1");
        check("store:web:1", "store web:1");
        check("archive:x.tar", "archive x.tar");
        check("oci-archive:x.tar:web:1", "archive x.tar web:1");
        check("oci:dir:1.0", "layout dir 1.0");
        check("./x.tar", "archive ./x.tar");
        check("./dir", "layout ./dir");
        check("./new/", "layout ./new/");
        for other in ["dir:x", "container:x", "sbom:x", "-", "ostree:x", "x.tar", "x.tar.gz"] {
            assert!(parse(other, |_| false).is_err(), "{other}");
        }
        check("dir:5000/web", "registry dir:5000/web");
        check("docker://x.tar", "registry docker.io/library/x.tar");
        assert!(parse("docker://", |_| false).is_err() && parse("archive:x:@", |_| false).is_err());
    }
}

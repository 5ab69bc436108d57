//! Where an image is, as words say it: one grammar for all commands that read images, or write them elsewhere than here.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::flags::Argument;

/// Where an image is. What of that a command can do something with is the command's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A word with nothing before it: a name or an id, unless the command takes it for a file.
    Name(String),
    /// Written as a path: what is there decides.
    Path(PathBuf),
    /// `-`: standard input.
    Stream,
    /// `docker://NAME`, `registry:NAME`: a registry, whatever is here.
    Registry(String),
    /// `store:NAME`: the store of this machine, whatever registries have.
    Store(String),
    /// `archive:FILE[:NAME]`: an archive, and what the image is called in it.
    Archive(PathBuf, Option<String>),
    /// `oci:DIRECTORY[:NAME]`: an OCI image layout, and what the image is called in it.
    Layout(PathBuf, Option<String>),
    /// `dir:DIRECTORY`: a root file system.
    Directory(PathBuf),
    /// `container:NAME`: a container with its changes.
    Container(String),
    /// `sbom:FILE`: a document that says what is in an image.
    Document(PathBuf),
}

/// What the words mean for all commands that read them, for help.
pub(crate) const MEANINGS: &[Argument] = &[
    ("docker://NAME", "an image on its registry; also registry:NAME"),
    ("store:NAME", "an image that is here; also docker-daemon:, containers-storage:"),
    ("archive:FILE[:NAME]", "an image in an archive; also docker-archive:, oci-archive:"),
    ("oci:DIRECTORY[:NAME]", "an image in an OCI layout"),
    ("./PATH, /PATH", "an archive or a layout, as it is on disk"),
];

/// As [`MEANINGS`], of what can be looked into and not copied.
pub(crate) const LOOKED_INTO: &[Argument] = &[
    ("container:NAME", "a container with its changes"),
    ("dir:DIRECTORY", "a root file system; also ./DIRECTORY"),
    ("sbom:FILE", "a document: CycloneDX, SPDX, our own; also ./FILE"),
    ("-", "an archive or a document on standard input"),
];

/// What words can begin with, as completion offers them.
pub(crate) const TRANSPORTS: &[&str] = &[
    "archive:",
    "container:",
    "containers-storage:",
    "dir:",
    "docker-archive:",
    "docker-daemon:",
    "docker://",
    "oci-archive:",
    "oci:",
    "registry:",
    "sbom:",
    "store:",
];

/// What words there are.
const HELP: &str = "write NAME, docker://NAME, store:NAME, archive:FILE[:NAME], oci:DIRECTORY[:NAME], or ./PATH; to look into: \
                    dir:DIRECTORY, container:NAME, sbom:FILE, or -";

/// Transports of other tools. As a name each would be Docker Hub's, and a copy would go there.
const FOREIGN: [&str; 4] = ["file", "ostree", "sif", "tarball"];

impl Place {
    /// Reads a word.
    ///
    /// # Errors
    /// When it begins with a transport that nobody here knows, or says nothing behind it.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        if word == "-" {
            return Ok(Self::Stream);
        }
        if [".", "..", "/"].contains(&word) || ["./", "../", "/"].iter().any(|start| word.starts_with(start)) {
            return Ok(Self::Path(word.into()));
        }
        let Some((transport, rest)) = word.split_once(':').filter(|(_, rest)| !is_port(rest)) else {
            return Ok(Self::Name(word.to_owned()));
        };
        let place = match transport {
            "docker" if rest.starts_with("//") => Self::Registry(rest[2..].to_owned()),
            // The image of that name, which many people run.
            "registry" if is_version(rest) => Self::Name(word.to_owned()),
            "registry" => Self::Registry(rest.to_owned()),
            "store" | "docker-daemon" | "containers-storage" => Self::Store(rest.to_owned()),
            "archive" | "docker-archive" | "docker-tar" | "oci-archive" => {
                let (path, name) = named(rest);
                Self::Archive(path, name)
            }
            "oci" => {
                let (path, name) = named(rest);
                Self::Layout(path, name)
            }
            "dir" => Self::Directory(rest.into()),
            "container" => Self::Container(rest.to_owned()),
            "sbom" => Self::Document(rest.into()),
            // No tag has a slash.
            other if FOREIGN.contains(&other) || (rest.contains('/') && is_word(other)) => {
                return Err(Failure::new(format!("unknown transport \"{other}:\"")).help(Some(HELP.to_owned())));
            }
            _ => Self::Name(word.to_owned()),
        };
        match place.is_empty() {
            true => Err(Failure::new(format!("{word} does not say what is meant")).help(Some(HELP.to_owned()))),
            false => Ok(place),
        }
    }

    /// True if nothing is named; the store alone can be meant without a name.
    fn is_empty(&self) -> bool {
        match self {
            Self::Name(_) | Self::Store(_) | Self::Stream => false,
            Self::Registry(name) | Self::Container(name) => name.is_empty(),
            Self::Path(path) | Self::Directory(path) | Self::Document(path) => path.as_os_str().is_empty(),
            Self::Archive(path, _) | Self::Layout(path, _) => path.as_os_str().is_empty(),
        }
    }
}

/// True for a directory that is an OCI image layout.
pub(crate) fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

/// `PATH[:NAME]`, as skopeo writes it: a path has no colon. dive writes two slashes before the path.
fn named(rest: &str) -> (PathBuf, Option<String>) {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    match rest.split_once(':') {
        Some((path, name)) => (path.into(), (!name.is_empty()).then(|| name.to_owned())),
        None => (rest.into(), None),
    }
}

/// True if what follows a colon is a port: `store:5000/web` is a repository of that registry.
fn is_port(rest: &str) -> bool {
    rest.split_once('/').is_some_and(|(port, _)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// True for what is a tag rather than a repository: `2`, `3.0.0`, `latest`.
fn is_version(rest: &str) -> bool {
    rest == "latest" || (rest.starts_with(|first: char| first.is_ascii_digit()) && !rest.contains(['/', ':', '@']))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Hints;

    #[test]
    fn words_say_where_images_are() {
        let check = |word: &str, expected: &str| assert_eq!(format!("{:?}", Place::parse(word).unwrap()), expected);
        check("web:1", "Name(\"web:1\")");
        check("host:5000/team/web", "Name(\"host:5000/team/web\")");
        check("dir:5000/web", "Name(\"dir:5000/web\")");
        check("[::1]:5000/web:1", "Name(\"[::1]:5000/web:1\")");
        check("sha256:0123", "Name(\"sha256:0123\")");
        check("docker:dind", "Name(\"docker:dind\")");
        check("docker://x.tar", "Registry(\"x.tar\")");
        check("registry:web:1", "Registry(\"web:1\")");
        check("registry:2", "Name(\"registry:2\")");
        check("registry:latest", "Name(\"registry:latest\")");
        check("store:web:1", "Store(\"web:1\")");
        check("docker-daemon:web:1", "Store(\"web:1\")");
        check("-", "Stream");
        check("./a:b", "Path(\"./a:b\")");
        check("archive:x.tar", "Archive(\"x.tar\", None)");
        check("oci-archive:x.tar:web:1", "Archive(\"x.tar\", Some(\"web:1\"))");
        check("docker-archive:///x/web.tar:", "Archive(\"/x/web.tar\", None)");
        check("oci:dir:1.0", "Layout(\"dir\", Some(\"1.0\"))");
        check("dir:x", "Directory(\"x\")");
        check("container:web", "Container(\"web\")");
        check("sbom:x.json", "Document(\"x.json\")");
        for other in ["ostree:x", "tarball:x.tar", "https://host/web", "zip:/x/y", "foo:./x"] {
            let why = Place::parse(other).unwrap_err();
            let told = why.message(&Hints::of("wharfie"));
            assert!(told.starts_with("unknown transport \""), "{told}");
        }
        for empty in ["oci:", "oci::1", "archive:", "docker://", "dir:", "container:", "sbom:", "docker-archive://"] {
            let why = Place::parse(empty).unwrap_err();
            let told = why.message(&Hints::of("wharfie"));
            assert!(told.starts_with(&format!("{empty} does not say ")), "{told}");
        }
        check("store:", "Store(\"\")");
        for transport in TRANSPORTS {
            assert!(!matches!(Place::parse(&format!("{transport}web")).unwrap(), Place::Name(_)), "{transport}");
        }
    }
}

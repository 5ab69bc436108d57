//! Packages, and what is known of one image.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::distro::Distro;

/// Which manager a package belongs to. Spelled as in package URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// Debian and those made from it.
    Deb,
    /// OpenWrt and other small systems.
    Opkg,
    /// Alpine, Wolfi.
    Apk,
    /// Fedora, Red Hat, SUSE.
    Rpm,
    /// Python.
    Pypi,
    /// JavaScript.
    Npm,
    /// Go modules.
    Golang,
    /// Rust crates.
    Cargo,
    /// Java.
    Maven,
    /// Ruby.
    Gem,
    /// PHP.
    Composer,
    /// .NET.
    Nuget,
    /// Conda.
    Conda,
    /// R.
    Cran,
    /// Anything else that a document inside of the image names.
    #[default]
    Generic,
}

impl PackageKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Deb,
        Self::Opkg,
        Self::Apk,
        Self::Rpm,
        Self::Pypi,
        Self::Npm,
        Self::Golang,
        Self::Cargo,
        Self::Maven,
        Self::Gem,
        Self::Composer,
        Self::Nuget,
        Self::Conda,
        Self::Cran,
        Self::Generic,
    ];

    /// Its word in package URLs and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Opkg => "opkg",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Maven => "maven",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Nuget => "nuget",
            Self::Conda => "conda",
            Self::Cran => "cran",
            Self::Generic => "generic",
        }
    }

    /// True for packages of the system rather than of a language.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Deb | Self::Opkg | Self::Apk | Self::Rpm)
    }
}

/// What a system's package was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version; of rpm with the release.
    pub version: String,
}

/// One package in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Package {
    /// Which manager it belongs to.
    pub kind: PackageKind,
    /// Group, scope or vendor, if the kind has such; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name within that, as it spells itself.
    pub name: String,
    /// Its version as it is written; rpm: `[EPOCH:]VERSION-RELEASE`.
    pub version: String,
    /// What it runs on, if it says so; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// What it was built from, if that has another name or version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// As it states them; an expression or names.
    #[serde(default, deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// Who made or packaged it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub supplier: String,
    /// The file that says so, from the root without a leading slash; `!` leads into archives.
    #[serde(rename = "path")]
    pub found_in: String,
    /// Which of the inventory's layers brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The system's package that brought it: that package's maintainers look after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// As many licences of one package as anybody states: 1,000.
fn few<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    crate::bounded::AtMost::<String, 1_000>::deserialize(deserializer).map(|licences| licences.0)
}

impl Package {
    /// One of which only the essential is known.
    pub fn new(kind: PackageKind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { kind, name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Its name with what stands before it, as its users write it.
    pub fn full_name(&self) -> String {
        match (self.kind, self.namespace.as_str()) {
            (_, "") => self.name.clone(),
            (PackageKind::Maven, group) => format!("{group}:{}", self.name),
            (_, namespace) => format!("{namespace}/{}", self.name),
        }
    }

    /// True if both are the same package, wherever they were found.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.kind, &self.namespace, &self.name, &self.version, &self.architecture)
            == (other.kind, &other.namespace, &other.name, &other.version, &other.architecture)
    }
}

/// A layer of an image, and what made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Layer {
    /// The digest of its tar; empty for what is no layer, as a directory or a container's changes.
    #[serde(rename = "diffId", default, skip_serializing_if = "String::is_empty")]
    pub diff_id: String,
    /// The instruction that made it, as the image's history tells; may be empty.
    #[serde(rename = "createdBy", default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
}

/// An instruction without what it was given to build with: builders write `|N NAME=VALUE …` before the shell, which says nothing of
/// what was done, and may be anybody's password. Where it cannot be said where the values end, nothing is told of what follows.
pub fn without_arguments(created_by: &str) -> Cow<'_, str> {
    let (verb, rest) = match created_by.strip_prefix("RUN ") {
        Some(rest) => ("RUN ", rest.trim_start()),
        None => ("", created_by.strip_prefix("/bin/sh -c ").unwrap_or(created_by)),
    };
    let Some((count, rest)) = rest.strip_prefix('|').and_then(|rest| rest.split_once(' ')) else {
        return Cow::Borrowed(created_by);
    };
    let Ok(count) = count.parse::<usize>() else { return Cow::Borrowed(created_by) };
    Cow::Owned(format!("{verb}{}", done(count, rest).unwrap_or("…")))
}

/// Shells that instructions are run by.
const SHELLS: [&str; 9] = ["sh", "bash", "ash", "dash", "zsh", "ksh", "fish", "pwsh", "busybox"];

/// What follows so many arguments, whose values may have blanks.
fn done(count: usize, text: &str) -> Option<&str> {
    // A value may have the shell's words in it, and so may what is done.
    let is_clear = text.matches(USUAL).count() <= 1;
    let mut rest = text;
    let mut is_plain = is_clear;
    for _ in 0..count.min(text.len()) {
        let (word, after) = rest.split_once(' ')?;
        is_plain &= word.split_once('=').is_some_and(|(name, _)| !name.is_empty());
        rest = after;
    }
    let program = rest.split(' ').next().unwrap_or_default();
    if is_plain && SHELLS.contains(&program.rsplit('/').next().unwrap_or_default()) && program.starts_with('/') {
        return Some(rest);
    }
    // One of them has blanks. The usual shell ends them, if nothing else could.
    let at = text.find(USUAL).filter(|at| is_clear && !text[..*at].contains(" -c "))?;
    Some(text[at..].trim_start())
}

const USUAL: &str = " /bin/sh -c ";

/// A licence that SPDX has no name for, as a document explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Extracted {
    /// What it is called; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it says.
    #[serde(default)]
    pub text: String,
}

/// Where packages come from that say too little to be found again.
pub const NOWHERE: &str = "nowhere in particular";

/// Everything that was found in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Inventory {
    /// What was looked into, as the user called it.
    #[serde(default)]
    pub name: String,
    /// The image's id, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The digest of its manifest, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The system it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<Distro>,
    /// Bottom first.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// Sorted by kind, name, version and place.
    pub packages: Vec<Package>,
    /// Licences that packages state as `LicenseRef-…`, by that.
    #[serde(default, rename = "licenceTexts", skip_serializing_if = "BTreeMap::is_empty")]
    pub extracted: BTreeMap<String, Extracted>,
    /// What could not be read and why, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What it was made from, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The document beside the image that says all of this, and its kind, if it was not found in the layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<String>,
    /// How many files that tell of packages could not be read, or not to their end: there may be packages that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: usize,
    /// Packages that a document names and that cannot be listed, as their kind is not known here: how many, by where they come from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, usize>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What an image was made from: its lowest layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// What it is called; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What that name meant when the image was made, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How many layers are its own.
    pub layers: usize,
    /// How that is known.
    #[serde(rename = "knownBy")]
    pub known_by: KnownBy,
}

/// How it is known what an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownBy {
    /// The build that made the image is remembered.
    Build,
    /// An image that is here has exactly these layers.
    Image,
    /// Guessed: the last command that is set before more layers come is the base's.
    History,
}

impl Inventory {
    /// What a licence that a package states is called.
    pub fn licence_name<'a>(&'a self, stated: &'a str) -> &'a str {
        self.extracted.get(stated).map(|known| known.name.as_str()).filter(|name| !name.is_empty()).unwrap_or(stated)
    }

    /// True if a layer is of what the image was made from.
    pub fn is_of_base(&self, layer: Option<usize>) -> bool {
        matches!((&self.base, layer), (Some(base), Some(layer)) if layer < base.layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_without_what_was_given_to_them() {
        let check = |text: &str, expected: &str| assert_eq!(without_arguments(text), expected);
        check("RUN |1 A=b /bin/sh -c make # buildkit", "RUN /bin/sh -c make # buildkit");
        check("|2 A=two words B= /bin/sh -c make", "/bin/sh -c make");
        check("RUN |2 A=b C=d /bin/bash -c make", "RUN /bin/bash -c make");
        check("RUN |x A=b make", "RUN |x A=b make");
        check("RUN |3 A=b", "RUN …");
        check("RUN |2 A=two words B=c /bin/bash -c make", "RUN …");
        check("RUN |1 A=b /bin/bash -c make; /bin/sh -c x", "RUN /bin/bash -c make; /bin/sh -c x");
        check("RUN |1 A=x /bin/sh -c hidden /bin/sh -c make", "RUN …");
        check("RUN |1 A=two x /bin/sh -c hidden /bin/sh -c make", "RUN …");
        check("/bin/sh -c |1 A=b /bin/sh -c make", "/bin/sh -c make");
        check("RUN make | tee", "RUN make | tee");
        check("COPY a b", "COPY a b");
    }
}

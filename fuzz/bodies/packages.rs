//! Files that tell of packages: no bytes make a reader panic, and what it finds has a name and a place.

use wharfie_scan::budget::Budget;
use wharfie_scan::inventory::{Logged, licences_of_copyright, owners};
use wharfie_scan::{Content, Found, Reader, purl, sbom};

/// Paths that have each of the readers.
const PATHS: &[&str] = &[
    "etc/os-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/base",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "var/lib/rpmmanifest/container-manifest-2",
    "a.dist-info/METADATA",
    "node_modules/a/package.json",
    "a.jar",
    "specifications/a.gemspec",
    "vendor/composer/installed.json",
    "a.deps.json",
    "conda-meta/a.json",
    "usr/lib/R/library/a/DESCRIPTION",
    "a.spdx.json",
];

/// Insists on it for one input, as a file of each kind.
pub(crate) fn run(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    for path in PATHS {
        let reader = Reader::of_path(path).expect("each path has a reader");
        one(reader, path, &bytes);
        let _ = owners(path, &bytes, &Budget::default(), &mut |_, _| ());
    }
    one(Reader::Program, "bin/a", &bytes);
    let _ = owners("var/lib/dpkg/info/a.list", &bytes, &Budget::default(), &mut |_, _| ());
    // The same bytes as a log of what they are.
    if let Ok(logged) = Logged::open(&bytes, &bytes) {
        one(Reader::RpmSqlite, "var/lib/rpm/rpmdb.sqlite", &logged);
    }
    let _ = (Reader::of_content(&bytes), licences_of_copyright(&bytes), sbom::read(&bytes));
}

fn one(reader: Reader, path: &str, bytes: &dyn Content) {
    let mut found = Found::default();
    reader.read(path, bytes, &mut found);
    for package in &found.packages {
        assert!(!package.name.is_empty() && package.found_in.starts_with(path), "{package:?}");
        let _ = purl::parse(&purl::of(package, found.distro.as_ref()));
    }
}

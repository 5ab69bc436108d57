//! dpkg and opkg. Source: dpkg(1), deb-control(5).

use super::{MAX_TEXT, is_full, stanza};
use crate::content::{Content, Result, read_all, text};
use crate::package::{Package, PackageKind, Source};

/// Packages of a `status` file. All count whose files are there, also if dpkg has more to do for them (`unpacked`, `triggers-pending`):
/// `deinstall ok config-files` has left nothing but settings. Files in `status.d` have no `Status`.
pub(super) fn read(content: &dyn Content, kind: PackageKind, path: &str, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let is_single = path.contains("status.d/");
    stanza::each(&text(&bytes), |fields| {
        let status = fields.get("Status");
        let has_files = match status.split_ascii_whitespace().nth(2) {
            Some(state) => !matches!(state, "not-installed" | "config-files"),
            None => is_single && status.is_empty(),
        };
        let (name, version) = (fields.get("Package"), fields.get("Version"));
        if name.is_empty() || version.is_empty() || !has_files || is_full(packages) {
            return;
        }
        let mut package = Package::new(kind, name, version);
        fields.get("Architecture").clone_into(&mut package.architecture);
        fields.get("Maintainer").clone_into(&mut package.supplier);
        package.source = source(fields.get("Source"), name, version);
        let licence = fields.get("License");
        package.licences.extend(Some(licence.to_owned()).filter(|licence| !licence.is_empty()));
        packages.push(package);
    });
    Ok(())
}

/// `NAME` or `NAME (VERSION)`; `None` if that is the package itself.
fn source(text: &str, name: &str, version: &str) -> Option<Source> {
    let (source, its_version) = match text.split_once('(') {
        Some((source, rest)) => (source.trim(), rest.trim_end_matches(')').trim()),
        None => (text, version),
    };
    if source.is_empty() || (source == name && its_version == version) {
        return None;
    }
    Some(Source { name: source.to_owned(), version: its_version.to_owned() })
}

/// The package of dpkg whose files the list at `path` names. There may be lists of packages that are no longer installed.
pub fn package_of_list(path: &str) -> Option<&str> {
    let name = match path.strip_prefix("var/lib/dpkg/info/") {
        Some(name) => name.strip_suffix(".list")?,
        None => {
            let folders = ["var/lib/dpkg/status.d/", "usr/lib/dpkg/status.d/"];
            folders.iter().find_map(|folder| path.strip_prefix(folder))?.strip_suffix(".md5sums")?
        }
    };
    Some(name.split(':').next().unwrap_or(name)).filter(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9\nArchitecture: amd64\nMaintainer: GNU <g@x>\nDescription: x\n Version: 1 is no field\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: bash\nStatus: hold ok installed\nSource: bash (5.2-1)\nVersion: 5.2-1+b3\n\n\nPackage: half\nStatus: install ok unpacked\nVersion: 2";

    #[test]
    fn only_what_has_files_counts() {
        let mut packages = Vec::new();
        read(&STATUS.as_bytes().to_vec(), PackageKind::Deb, "var/lib/dpkg/status", &mut packages).unwrap();
        let names: Vec<_> = packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
        assert_eq!(names, [("libc6", "2.36-9"), ("bash", "5.2-1+b3"), ("half", "2")]);
        let source = |name: &str, version: &str| Source { name: name.to_owned(), version: version.to_owned() };
        assert_eq!(packages[0].source, Some(source("glibc", "2.36-9")));
        assert_eq!(packages[1].source, Some(source("bash", "5.2-1")));
        assert_eq!(packages[0].supplier, "GNU <g@x>");
    }

    #[test]
    fn states_say_whether_files_are_there() {
        let check = |state: &str, expected: usize| {
            let status = format!("Package: a\nStatus: install ok {state}\nVersion: 1\n");
            let mut packages = Vec::new();
            read(&status.into_bytes(), PackageKind::Deb, "var/lib/dpkg/status", &mut packages).unwrap();
            assert_eq!(packages.len(), expected, "{state}");
        };
        check("installed", 1);
        check("triggers-pending", 1);
        check("triggers-awaited", 1);
        check("half-configured", 1);
        check("half-installed", 1);
        check("config-files", 0);
        check("not-installed", 0);
        check("", 0);
    }

    #[test]
    fn packages_without_end_are_not_kept() {
        let mut packages = Vec::new();
        let status = b"Package:a\nVersion:1\nStatus:install ok installed\n\n".repeat(70_000);
        read(&status, PackageKind::Deb, "var/lib/dpkg/status", &mut packages).unwrap();
        assert_eq!(packages.len(), 60_001);
    }

    #[test]
    fn single_files_need_no_status() {
        let mut packages = Vec::new();
        let content = b"Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n".to_vec();
        read(&content, PackageKind::Deb, "var/lib/dpkg/status.d/tzdata", &mut packages).unwrap();
        assert_eq!(packages.len(), 1);
        read(&content, PackageKind::Deb, "var/lib/dpkg/status", &mut packages).unwrap();
        assert_eq!(packages.len(), 1);
    }

    #[test]
    fn lists_have_packages() {
        assert_eq!(package_of_list("var/lib/dpkg/info/libc6:amd64.list"), Some("libc6"));
        assert_eq!(package_of_list("var/lib/dpkg/info/libc6:amd64.md5sums"), None);
        assert_eq!(package_of_list("var/lib/dpkg/status.d/base.md5sums"), Some("base"));
    }
}

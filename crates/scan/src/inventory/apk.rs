//! apk, of Alpine and Wolfi. Source: apk-tools, apk_db format: lines of one letter, a colon and a value; blank lines between.

use super::{MAX_TEXT, Owners, is_full};
use crate::content::{Content, Result, read_all, text};
use crate::package::{Package, PackageKind, Source};

/// Packages of an `installed` file.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let mut package = Package::default();
    let mut origin = String::new();
    for line in text(&bytes).lines().chain([""]) {
        let Some((key, value)) = line.split_once(':') else {
            let done = std::mem::take(&mut package);
            let origin = std::mem::take(&mut origin);
            if is_full(packages) {
                break;
            }
            if !done.name.is_empty() && !done.version.is_empty() {
                let is_other = !origin.is_empty() && origin != done.name;
                let source = is_other.then(|| Source { name: origin, version: done.version.clone() });
                packages.push(Package { kind: PackageKind::Apk, source, ..done });
            }
            continue;
        };
        match key {
            "P" => value.clone_into(&mut package.name),
            "V" => value.clone_into(&mut package.version),
            "A" => value.clone_into(&mut package.architecture),
            "L" => package.licences = vec![value.to_owned()],
            "m" => value.clone_into(&mut package.supplier),
            "o" => value.clone_into(&mut origin),
            _ => {}
        }
    }
    Ok(())
}

/// Tells `owners` of each package's name and each of its files.
pub(super) fn files(content: &dyn Content, owners: &mut Owners<'_>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let text = text(&bytes);
    let (mut name, mut folder) = ("", "");
    for line in text.lines() {
        match line.split_once(':') {
            Some(("P", value)) => name = value,
            Some(("F", value)) => folder = value,
            Some(("R", value)) => owners.add(name, [folder, "/", value])?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_ENTRIES, owners};
    use super::*;
    use crate::budget::{Budget, Work};

    const INSTALLED: &str = "C:Q1x=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nm:Ariadne <a@x>\nL:Apache-2.0\nF:lib\nR:libcrypto.so.3\nZ:Q1y=\n\nP:musl\nV:1.2.4-r2\no:musl\n";

    #[test]
    fn packages_and_their_origins() {
        let mut packages = Vec::new();
        read(&INSTALLED.as_bytes().to_vec(), &mut packages).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].source.as_ref().unwrap().name, "openssl");
        assert_eq!((packages[1].name.as_str(), &packages[1].source), ("musl", &None));
        let mut all = Vec::new();
        let installed = INSTALLED.as_bytes();
        let mut take = |name: &str, file: &str| all.push(format!("{name} {file}"));
        owners("lib/apk/db/installed", &installed, &Budget::default(), &mut take).unwrap();
        assert_eq!(all, ["libcrypto3 lib/libcrypto.so.3"]);
    }

    #[test]
    fn long_folders_cost_what_their_paths_have() {
        let told = |folder: usize| {
            let installed = format!("P:a\nF:{}\n{}", "d".repeat(folder), "R:x\n".repeat(10_000)).into_bytes();
            let budget = Budget { documents: Work::new(1 << 20), ..Budget::default() };
            let mut count = 0;
            let result = owners("lib/apk/db/installed", &installed, &budget, &mut |_, _| count += 1);
            (count, result.is_ok())
        };
        assert_eq!(told(10), (10_000, true));
        // Nobody can open such files.
        assert_eq!(told(10_000), (0, true));
        let (count, is_whole) = told(1000);
        assert!(count < 1100 && !is_whole, "{count}");
    }

    #[test]
    fn packages_without_end_are_not_kept() {
        let mut packages = Vec::new();
        read(&b"P:a\nV:1\n\n".repeat(100_000), &mut packages).unwrap();
        assert_eq!(packages.len(), MAX_ENTRIES);
    }
}

//! apk, of Alpine and Wolfi. Source: apk-tools, apk_db format: lines of one letter, a colon and a value; blank lines between.

use super::MAX_TEXT;
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

/// Calls `take` with each package's name and each of its files.
pub(super) fn files(content: &dyn Content, take: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let text = text(&bytes);
    let (mut name, mut folder) = ("", "");
    for line in text.lines() {
        match line.split_once(':') {
            Some(("P", value)) => name = value,
            Some(("F", value)) => folder = value,
            Some(("R", value)) => take(name, &format!("{folder}/{value}")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: &str = "C:Q1x=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nm:Ariadne <a@x>\nL:Apache-2.0\nF:lib\nR:libcrypto.so.3\nZ:Q1y=\n\nP:musl\nV:1.2.4-r2\no:musl\n";

    #[test]
    fn packages_and_their_origins() {
        let mut packages = Vec::new();
        read(&INSTALLED.as_bytes().to_vec(), &mut packages).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].source.as_ref().unwrap().name, "openssl");
        assert_eq!((packages[1].name.as_str(), &packages[1].source), ("musl", &None));
        let mut all = Vec::new();
        files(&INSTALLED.as_bytes().to_vec(), &mut |name, file| all.push(format!("{name} {file}"))).unwrap();
        assert_eq!(all, ["libcrypto3 lib/libcrypto.so.3"]);
    }
}

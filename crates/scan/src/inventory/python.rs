//! Python's installed distributions. Source: PyPA, "Core metadata specifications".

use super::{MAX_DOCUMENT, stanza};
use crate::content::{Content, Result, Stream, read_up_to, text};
use crate::package::{Package, PackageKind};

/// 100 letters: what is longer is a licence's text and not its name.
const MAX_LICENCE: usize = 100;

/// The distribution of a `METADATA` or `PKG-INFO`. What follows the first blank line is for people.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_up_to(std::io::Read::take(Stream::new(content), MAX_DOCUMENT), MAX_DOCUMENT)?;
    let text = text(&bytes);
    let fields = stanza::first(&text);
    let (name, version) = (fields.get("Name"), fields.get("Version"));
    if name.is_empty() || version.is_empty() {
        return Ok(());
    }
    let mut package = Package::new(PackageKind::Pypi, name, version);
    let author = [fields.get("Author-email"), fields.get("Author")].into_iter().find(|author| !author.is_empty());
    author.unwrap_or_default().clone_into(&mut package.supplier);
    let stated = [fields.get("License-Expression"), fields.get("License")];
    let stated = stated.into_iter().find(|text| !matches!(*text, "" | "UNKNOWN") && text.len() <= MAX_LICENCE);
    match stated {
        Some(stated) => package.licences.push(stated.to_owned()),
        None => {
            let classes = fields.all("Classifier").filter(|class| class.starts_with("License ::"));
            let names = classes.filter_map(|class| class.rsplit("::").next()).map(|name| name.trim().to_owned());
            package.licences.extend(names.filter(|name| name != "OSI Approved"));
        }
    }
    packages.push(package);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut packages = Vec::new();
        read(&text.as_bytes().to_vec(), &mut packages).unwrap();
        let all: Vec<_> =
            packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.licences.join(","))).collect();
        assert_eq!(all.join(";"), expected);
    }

    #[test]
    fn distributions_say_what_they_are() {
        check(
            "Metadata-Version: 2.1\nName: Flask_X\nVersion: 2.0\nLicense: BSD-3-Clause\n\nName: no",
            "Flask_X 2.0 BSD-3-Clause",
        );
        check(
            "Name: a\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n",
            "a 1 MIT License",
        );
        check("Name: a\n", "");
        check("", "");
    }
}

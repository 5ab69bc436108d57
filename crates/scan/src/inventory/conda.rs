//! Conda's records, and R's `DESCRIPTION`.

use serde::Deserialize;

use super::{MAX_DOCUMENT, MAX_TEXT, stanza};
use crate::content::{Content, Result, read_all, text};
use crate::package::{Package, PackageKind};

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    license: Option<String>,
    channel: Option<String>,
    subdir: Option<String>,
}

/// The package of a record in `conda-meta`.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let record: Record = serde_json::from_slice(&bytes)?;
    packages.push(Package {
        licences: record.license.into_iter().collect(),
        supplier: record.channel.unwrap_or_default(),
        architecture: record.subdir.unwrap_or_default(),
        ..Package::new(PackageKind::Conda, record.name, record.version)
    });
    Ok(())
}

/// The package of a `DESCRIPTION`; sources that were not installed lack `Built`.
pub(super) fn read_description(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_DOCUMENT)?;
    let text = text(&bytes);
    let fields = stanza::first(&text);
    if !fields.get("Version").is_empty() && !fields.get("Built").is_empty() {
        packages.push(Package {
            licences: vec![fields.get("License").to_owned()],
            supplier: fields.get("Maintainer").to_owned(),
            ..Package::new(PackageKind::Cran, fields.get("Package"), fields.get("Version"))
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_descriptions_are_read() {
        let mut packages = Vec::new();
        let record = br#"{"name":"zlib","version":"1.2.13","build":"h5","license":"Zlib","files":["a"]}"#.to_vec();
        read(&record, &mut packages).unwrap();
        let text = b"Package: dplyr\nVersion: 1.1.0\nLicense: MIT + file LICENSE\nBuilt: R 4.2\n".to_vec();
        read_description(&text, &mut packages).unwrap();
        let all: Vec<_> = packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(all, ["zlib 1.2.13", "dplyr 1.1.0"]);
    }
}

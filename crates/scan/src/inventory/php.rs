//! Installed packages of composer: a list in its first version, an object with a list in its second.

use serde::Deserialize;

use super::{MAX_ENTRIES, MAX_TEXT, npm};
use crate::bounded::{AtMost, Small};
use crate::content::{Content, Result, read_all};
use crate::package::{Package, PackageKind};

#[derive(Deserialize)]
struct Second {
    packages: AtMost<Entry, MAX_ENTRIES>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    license: Option<Small>,
}

/// The packages of an `installed.json`.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let AtMost(entries) = match bytes.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(&bytes)?,
        _ => serde_json::from_slice::<Second>(&bytes)?.packages,
    };
    for Entry { name, version, license } in entries {
        let (namespace, name) = name.split_once('/').unwrap_or(("", &name));
        let licences = license.iter().flat_map(|Small(licence)| npm::names(licence)).collect();
        let package = Package::new(PackageKind::Composer, name, version);
        packages.push(Package { namespace: namespace.to_owned(), licences, ..package });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let entry = r#"{"name":"monolog/monolog","version":"v2.0.0","license":["MIT"],"require":{"php":">=7"}}"#;
        for text in [format!("[{entry}]"), format!(r#"{{"packages":[{entry}],"dev":true}}"#)] {
            let mut packages = Vec::new();
            read(&text.into_bytes(), &mut packages).unwrap();
            assert_eq!(packages[0].full_name(), "monolog/monolog");
            assert_eq!((packages[0].version.as_str(), &packages[0].licences[..]), ("v2.0.0", &["MIT".to_owned()][..]));
        }
        assert!(read(&b"{}".to_vec(), &mut Vec::new()).is_err());
    }
}

//! Documents about what is in an image: written as others read them, and read as others write them.

mod cyclonedx;
mod licence;
mod read;
mod spdx;

pub use cyclonedx::{component as cyclonedx_component, write as cyclonedx, write_with as cyclonedx_with};
#[cfg(test)]
pub(crate) use licence::is_expression;
pub(crate) use licence::known_licence;
pub use read::read;
pub use spdx::{write as spdx, write_with as spdx_with};

use serde::Serialize;

use crate::package::Inventory;

/// When and by what a document is made.
#[derive(Debug, Clone, Default)]
pub struct Stamp {
    /// Now, RFC 3339 in UTC with whole seconds.
    pub created: String,
    /// Of this program.
    pub version: String,
    /// What no other document has: it becomes a part of its name.
    pub serial: [u8; 16],
}

impl Stamp {
    /// The serial number as a random UUID is written (RFC 9562, version 8: as the maker likes).
    fn uuid(&self) -> String {
        let mut bytes = self.serial;
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[derive(Serialize)]
struct Own<'a> {
    #[serde(rename = "wharfieInventory")]
    version: u32,
    #[serde(flatten)]
    inventory: &'a Inventory,
}

/// The inventory as our own JSON, in which nothing is lost.
pub fn json(inventory: &Inventory) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Own { version: 1, inventory }).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Layer, Package, PackageKind};

    fn inventory() -> Inventory {
        let mut package = Package::new(PackageKind::Deb, "libc6", "2.36-9");
        package.architecture = "amd64".to_owned();
        package.licences = vec!["GPL-2.0-only".to_owned(), "odd one".to_owned()];
        package.found_in = "var/lib/dpkg/status".to_owned();
        package.layer = Some(0);
        package.source = Some(crate::Source { name: "glibc".to_owned(), version: "2.36-9".to_owned() });
        let mut pip = Package::new(PackageKind::Pypi, "six", "1.16.0");
        pip.found_in = "usr/lib/python3/dist-packages/six.egg-info".to_owned();
        pip.owner = Some("python3-six".to_owned());
        Inventory {
            name: "web:1".to_owned(),
            id: Some(format!("sha256:{}", "1".repeat(64))),
            distro: Some(crate::Distro { id: "debian".to_owned(), version_id: "12".to_owned(), ..Default::default() }),
            layers: vec![Layer { diff_id: format!("sha256:{}", "2".repeat(64)), created_by: "RUN x".to_owned() }],
            packages: vec![package, pip],
            ..Inventory::default()
        }
    }

    fn stamp() -> Stamp {
        Stamp { created: "2026-11-30T08:00:00Z".to_owned(), version: "0.1.0".to_owned(), serial: [7; 16] }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let whole = inventory();
        assert_eq!(read(json(&whole).unwrap().as_bytes()).unwrap().unwrap(), whole);
        for text in [cyclonedx(&whole, &stamp()).unwrap(), spdx(&whole, &stamp()).unwrap()] {
            let found = read(text.as_bytes()).unwrap().unwrap();
            assert_eq!(found.distro.as_ref().unwrap().word(), "debian-12");
            assert_eq!(found.packages.len(), 2, "{text}");
            for (found, own) in found.packages.iter().zip(&whole.packages) {
                assert!(found.is_same(own), "{found:?}");
                assert_eq!((&found.source, &found.found_in), (&own.source, &own.found_in));
                assert_eq!(found.owner, own.owner);
            }
            assert_eq!(found.layers, whole.layers);
            assert_eq!(found.packages[0].layer, Some(0));
        }
    }

    #[test]
    fn licences_that_spdx_has_not_are_kept_with_their_texts() {
        let mut whole = Inventory { id: None, ..inventory() };
        let stated = ["(MIT OR LicenseRef-house) AND ISC", "LicenseRef-house", "GPL-2+ with exceptions", "Zlib OR X11"];
        whole.packages[0].licences = stated[1..].iter().map(|text| (*text).to_owned()).collect();
        whole.packages[1].licences = vec!["MIT OR LicenseRef-house".to_owned(), "ISC".to_owned()];
        let house = crate::package::Extracted { name: "House rules".to_owned(), text: "Be\nkind.".to_owned() };
        whole.extracted.insert("LicenseRef-house".to_owned(), house);
        let text = spdx(&whole, &stamp()).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["packages"][2]["licenseDeclared"], stated[0]);
        let found = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(found.extracted, whole.extracted);
        for (found, own) in found.packages.iter().zip(&whole.packages) {
            assert_eq!(found.licences, own.licences);
        }
        assert_eq!(spdx(&found, &stamp()).unwrap(), text);
        assert_eq!(read(json(&whole).unwrap().as_bytes()).unwrap().unwrap(), whole);
        let bom: serde_json::Value = serde_json::from_str(&cyclonedx(&whole, &stamp()).unwrap()).unwrap();
        let licence = &bom["components"][1]["licenses"][0]["license"];
        assert_eq!((&licence["name"], &licence["text"]["content"]), (&"House rules".into(), &"Be\nkind.".into()));
    }

    #[test]
    fn other_documents_are_none() {
        assert!(read(b"{}").unwrap().is_none());
        assert!(read(b"[").is_err());
    }

    #[test]
    fn our_own_form_has_the_bounds_of_others() {
        let many = vec!["[]"; 100_000].join(",");
        let package = r#"{"kind":"npm","name":"a","version":"1","path":"p","layer":7}"#;
        let crowd = vec![package; 70_000].join(",");
        let text = format!(
            r#"{{"wharfieInventory":1,"layers":[{many}],"packages":[{crowd}],"warnings":["a\nerror: forged\u001b[2J"]}}"#
        );
        let found = read(text.as_bytes()).unwrap().unwrap();
        assert!(found.layers.len() < 70_000 && found.packages.len() == 60_001);
        assert_eq!(found.warnings, ["a error: forged [2J"]);
        let text = format!(r#"{{"wharfieInventory":1,"packages":[{package}]}}"#);
        assert_eq!(read(text.as_bytes()).unwrap().unwrap().packages[0].layer, None, "there is no such layer");
    }
}

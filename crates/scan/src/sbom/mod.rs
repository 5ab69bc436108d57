//! Documents about what is in an image: written as others read them, and read as others write them.

mod cyclonedx;
mod licence;
mod read;
mod spdx;

pub use cyclonedx::{component as cyclonedx_component, write as cyclonedx, write_with as cyclonedx_with};
pub use read::read;
pub use spdx::write as spdx;

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
    pretty(&Own { version: 1, inventory })
}

/// A value as lines of JSON. Letters that move a terminal's cursor or turn the direction of text are written as JSON's escapes: names in
/// images are anybody's, and documents are shown.
///
/// # Errors
/// As its serialisation has them.
pub fn pretty<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let is_unsafe = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut plain = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        match is_unsafe(letter) {
            true => plain.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => plain.push(letter),
        }
    }
    plain.push('\n');
    Ok(plain)
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
    fn no_document_turns_a_terminal_around() {
        let mut whole = inventory();
        whole.packages[0].name = "a\u{202e}b\u{9b}2J\u{7f}é".to_owned();
        for text in [json(&whole), cyclonedx(&whole, &stamp()), spdx(&whole, &stamp())] {
            let text = text.unwrap();
            assert!(
                !text.contains(['\u{202e}', '\u{9b}', '\u{7f}']) && text.contains("a\\u202eb\\u009b2J\\u007fé"),
                "{text}"
            );
            assert_eq!(read(text.as_bytes()).unwrap().unwrap().packages[0].name, whole.packages[0].name);
        }
    }

    #[test]
    fn what_is_not_known_here_is_counted() {
        let cyclonedx = r#"{"bomFormat":"CycloneDX","components":[
            {"type":"operating-system","name":"debian","version":"12"},
            {"type":"library","name":"a","purl":"pkg:hex/a@1"},
            {"type":"library","name":"b","purl":"pkg:swift/x/b@1"},
            {"type":"library","name":"c","version":"1"},
            {"type":"file","name":"/etc/passwd"},
            {"type":"container","name":"i","purl":"pkg:oci/i@1"},
            {"type":"library","name":"d","purl":"pkg:npm/d@1"}]}"#;
        let found = read(cyclonedx.as_bytes()).unwrap().unwrap();
        assert_eq!(found.packages.len(), 1);
        let expected = [("hex", 1), (crate::package::NOWHERE, 1), ("swift", 1)];
        assert_eq!(found.unknown, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
        let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":[
            {"SPDXID":"SPDXRef-DocumentRoot-a","name":"a"},
            {"SPDXID":"SPDXRef-c","name":"c","primaryPackagePurpose":"CONTAINER"},
            {"SPDXID":"SPDXRef-b","name":"b","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:pub/b@1"}]},
            {"SPDXID":"SPDXRef-d","name":"d"}]}"#;
        let found = read(spdx.as_bytes()).unwrap().unwrap();
        assert_eq!(found.unknown, [("nowhere in particular".to_owned(), 1), ("pub".to_owned(), 1)].into());
    }

    #[test]
    fn packages_of_other_systems_are_told_apart() {
        let text = r#"{"bomFormat":"CycloneDX","components":[
            {"name":"a","purl":"pkg:deb/ubuntu/a@1?distro=ubuntu-22.04"},
            {"name":"b","purl":"pkg:deb/ubuntu/b@1"},
            {"name":"c","purl":"pkg:deb/debian/c@1?distro=debian-12.5"},
            {"name":"d","purl":"pkg:deb/d@1"},
            {"type":"operating-system","name":"debian","version":"12"}]}"#;
        let found = read(text.as_bytes()).unwrap().unwrap();
        let names: Vec<_> = found.packages.iter().map(|package| package.full_name()).collect();
        assert_eq!(names, ["ubuntu/a", "ubuntu/b", "c", "d"]);
        let urls: Vec<_> =
            found.packages.iter().map(|package| crate::purl::of(package, found.distro.as_ref())).collect();
        assert_eq!(urls[0], "pkg:deb/ubuntu/a@1");
        assert_eq!(urls[2], "pkg:deb/debian/c@1?distro=debian-12");
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
        let cut = "the document tells of more than 60000 packages: the rest is left out";
        assert_eq!((found.warnings, found.unread), (vec!["a error: forged [2J".to_owned(), cut.to_owned()], 1));
        // What is no package counts as well: there may be some behind it.
        let files = vec![r#"{"type":"file"}"#; 70_000].join(",");
        let text = format!(r#"{{"bomFormat":"CycloneDX","components":[{files},{{"name":"a","purl":"pkg:npm/a@1"}}]}}"#);
        assert_eq!(read(text.as_bytes()).unwrap().unwrap().unread, 1);
        let text = format!(r#"{{"wharfieInventory":1,"packages":[{package}]}}"#);
        assert_eq!(read(text.as_bytes()).unwrap().unwrap().packages[0].layer, None, "there is no such layer");
    }
}

//! Documents about packages that somebody put into the image: SPDX and CycloneDX in JSON.

use crate::content::{Content, Result, read_all};
use crate::package::Package;
use crate::sbom;

/// 32 MiB would be a large one; half of that is what memory allows.
const MAX_BYTES: u64 = 8 << 20;

/// True for the names that makers of images give to them.
pub(super) fn is_document(name: &str) -> bool {
    [".spdx", ".spdx.json", ".cdx.json", ".cyclonedx.json"].iter().any(|end| name.ends_with(end))
        || matches!(name, "bom.json" | "sbom.json")
}

/// The packages of a document; none if it is something else of that name, such as SPDX's older form of lines.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_BYTES)?;
    if bytes.trim_ascii_start().starts_with(b"{")
        && let Some(found) = sbom::read(&bytes)?
    {
        // What a document explains does not leave it: only the names do.
        let named =
            |package: &Package| package.licences.iter().map(|stated| found.licence_name(stated).to_owned()).collect();
        let fresh = |package: &Package| Package {
            found_in: String::new(),
            layer: None,
            licences: named(package),
            ..package.clone()
        };
        packages.extend(found.packages.iter().map(fresh));
    }
    Ok(())
}

//! SPDX 2.3 in JSON. Source: spdx.github.io, "SPDX Specification 2.3" and its JSON schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::licence::References;
use super::{Stamp, pretty};
use crate::package::{Inventory, Package};
use crate::purl;

const NONE: &str = "NOASSERTION";

/// The document.
///
/// # Errors
/// Never, unless memory ends.
pub fn write(inventory: &Inventory, stamp: &Stamp) -> serde_json::Result<String> {
    write_with(inventory, stamp, &BTreeSet::new())
}

/// The document with vulnerabilities, each by its package's index and its id. Source: SPDX 2.3, annex K.
///
/// # Errors
/// Never, unless memory ends.
pub fn write_with(
    inventory: &Inventory,
    stamp: &Stamp,
    vulnerabilities: &BTreeSet<(usize, String)>,
) -> serde_json::Result<String> {
    let mut references = References::new(&inventory.extracted);
    let root_version = inventory.digest.as_ref().or(inventory.id.as_ref());
    let mut root = json!({
        "SPDXID": "SPDXRef-Root",
        "name": inventory.name,
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
        "primaryPackagePurpose": "CONTAINER",
    });
    if let Some(version) = root_version {
        root["versionInfo"] = version.clone().into();
    }
    if let Some(hex) = root_version.and_then(|version| version.strip_prefix("sha256:")) {
        root["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": hex}]);
    }
    let mut packages = vec![root];
    let mut relationships = vec![related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Root")];
    for (index, package) in inventory.packages.iter().enumerate() {
        let id = format!("SPDXRef-Package-{index}");
        relationships.push(related("SPDXRef-Root", "CONTAINS", &id));
        let mut package = one(&id, package, inventory, &mut references);
        let of_package = vulnerabilities.range((index, String::new())..(index + 1, String::new()));
        if let Some(known) = package["externalRefs"].as_array_mut() {
            known.extend(of_package.map(|(_, id)| {
                json!({
                    "referenceCategory": "SECURITY",
                    "referenceType": "advisory",
                    "referenceLocator": format!("https://osv.dev/vulnerability/{id}"),
                })
            }));
        }
        packages.push(package);
    }
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": inventory.name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/wharfie-{}", stamp.uuid()),
        "creationInfo": {"created": stamp.created, "creators": [format!("Tool: wharfie-{}", stamp.version)]},
        "packages": packages,
        "relationships": relationships,
    });
    if !references.used.is_empty() {
        let info = references.used.into_iter().map(|(id, own)| {
            let name = if own.name.is_empty() { NONE } else { &own.name };
            json!({"licenseId": id, "name": name, "extractedText": own.text})
        });
        document["hasExtractedLicensingInfos"] = info.collect();
    }
    pretty(&document)
}

fn related(from: &str, how: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to})
}

fn one(id: &str, package: &Package, inventory: &Inventory, references: &mut References<'_>) -> Value {
    let declared = references.expression(&package.licences);
    let mut info = format!("found in /{}", package.found_in);
    if let Some(layer) = package.layer.and_then(|index| inventory.layers.get(index)) {
        info.push_str(&format!("\nlayer {}", layer.diff_id));
        if !layer.created_by.is_empty() {
            info.push_str(&format!("\ninstruction {}", layer.created_by.replace('\n', " ")));
        }
    }
    if let Some(owner) = &package.owner {
        info.push_str(&format!("\nowner {owner}"));
    }
    let supplier = match package.supplier.as_str() {
        "" => NONE.to_owned(),
        name if name.contains('@') => format!("Person: {}", name.replace('<', "(").replace('>', ")")),
        name => format!("Organization: {name}"),
    };
    json!({
        "SPDXID": id,
        "name": package.full_name(),
        "versionInfo": package.version,
        "supplier": supplier,
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": declared,
        "copyrightText": NONE,
        "sourceInfo": info,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl::of(package, inventory.distro.as_ref()),
        }],
    })
}

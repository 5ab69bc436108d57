//! CycloneDX 1.6 in JSON. Source: cyclonedx.org, `bom-1.6.schema.json`.

use serde_json::{Map, Value, json};

use super::{Stamp, licence, pretty};
use crate::package::{Inventory, Package};
use crate::purl;

/// The document.
///
/// # Errors
/// Never, unless memory ends.
pub fn write(inventory: &Inventory, stamp: &Stamp) -> serde_json::Result<String> {
    write_with(inventory, stamp, &[])
}

/// The document with entries of `vulnerabilities` that refer to packages by [`component`].
///
/// # Errors
/// Never, unless memory ends.
pub fn write_with(inventory: &Inventory, stamp: &Stamp, vulnerabilities: &[Value]) -> serde_json::Result<String> {
    let mut components = Vec::with_capacity(inventory.packages.len() + 1);
    if let Some(distro) = &inventory.distro {
        let mut system = json!({"bom-ref": "os", "type": "operating-system", "name": distro.id});
        if !distro.version_id.is_empty() {
            system["version"] = distro.version_id.clone().into();
        }
        if !distro.pretty_name.is_empty() {
            system["description"] = distro.pretty_name.clone().into();
        }
        components.push(system);
    }
    components.extend(inventory.packages.iter().enumerate().map(|(n, package)| one(n, package, inventory)));
    let mut root = json!({"bom-ref": "root", "type": "container", "name": inventory.name});
    if let Some(version) = inventory.digest.as_ref().or(inventory.id.as_ref()) {
        root["version"] = version.clone().into();
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", stamp.uuid()),
        "version": 1,
        "metadata": {
            "timestamp": stamp.created,
            "tools": {"components": [{"type": "application", "name": "wharfie", "version": stamp.version}]},
            "component": root,
        },
        "components": components,
    });
    if let Some(attached) = &inventory.attached {
        // Whose word all of this is has to be told to whoever reads no standard error.
        document["metadata"]["properties"] = json!([{"name": "wharfie:attached", "value": attached}]);
    }
    if !vulnerabilities.is_empty() {
        document["vulnerabilities"] = vulnerabilities.to_vec().into();
    }
    pretty(&document)
}

/// The name within the document of the inventory's package of this index.
pub fn component(index: usize) -> String {
    format!("package-{index}")
}

fn one(index: usize, package: &Package, inventory: &Inventory) -> Value {
    let mut entry = json!({
        "bom-ref": component(index),
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": purl::of(package, inventory.distro.as_ref()),
    });
    let fields = entry.as_object_mut().expect("it is an object");
    if !package.namespace.is_empty() {
        fields.insert("group".to_owned(), package.namespace.clone().into());
    }
    if !package.supplier.is_empty() {
        fields.insert("publisher".to_owned(), package.supplier.clone().into());
    }
    if !package.licences.is_empty() {
        let choice = |stated: &String| match inventory.extracted.get(stated) {
            _ if licence::is_known(stated) => json!({"license": {"id": stated}}),
            Some(own) => json!({"license": {"name": inventory.licence_name(stated), "text": {"content": own.text}}}),
            None => json!({"license": {"name": stated}}),
        };
        let licences = match package.licences.as_slice() {
            // Beside others an expression is only a name.
            [one] if !licence::is_known(one) && licence::is_expression(one, licence::is_known) => {
                json!([{"expression": one}])
            }
            all => all.iter().map(choice).collect(),
        };
        fields.insert("licenses".to_owned(), licences);
    }
    properties(package, inventory, fields);
    entry
}

fn properties(package: &Package, inventory: &Inventory, fields: &mut Map<String, Value>) {
    let mut properties = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            properties.push(json!({"name": format!("wharfie:{name}"), "value": value}));
        }
    };
    add("path", &package.found_in);
    if let Some(layer) = package.layer.and_then(|index| inventory.layers.get(index)) {
        add("layer", &layer.diff_id);
        add("createdBy", &layer.created_by);
    }
    add("owner", package.owner.as_deref().unwrap_or_default());
    if let Some(source) = &package.source {
        add("source", &source.name);
        add("sourceVersion", &source.version);
    }
    if !properties.is_empty() {
        fields.insert("properties".to_owned(), properties.into());
    }
}

//! Documents of others, as far as they name packages. Lenient: versions of the formats differ, and so do their writers.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::licence::{self, REFERENCE, own_name};
use crate::bounded::{AtMost, Members};
use crate::content::Result;
use crate::distro::Distro;
use crate::package::{Base, Extracted, Inventory, Layer, Package, PackageKind, Source};
use crate::purl;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    bom_format: Option<String>,
    spdx_version: Option<String>,
    wharfie_inventory: Option<u32>,
}

/// Reads CycloneDX (JSON, 1.2 to 1.7), SPDX (JSON, 2.2 and 2.3) or our own; `None` if it is JSON of something else.
///
/// # Errors
/// When it is no JSON, or not of the shape that it says.
pub fn read(bytes: &[u8]) -> Result<Option<Inventory>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let probe: Probe = serde_json::from_slice(bytes)?;
    Ok(match probe {
        Probe { wharfie_inventory: Some(_), .. } => Some(own(serde_json::from_slice(bytes)?)),
        Probe { bom_format: Some(format), .. } if format == "CycloneDX" => {
            LEFT.set(MAX_ENTRIES);
            Some(cyclonedx(serde_json::from_slice(bytes)?))
        }
        Probe { spdx_version: Some(version), .. } if version.starts_with("SPDX-2") => {
            Some(spdx(serde_json::from_slice(bytes)?))
        }
        _ => None,
    })
}

/// 60,000 packages of a document, and one more, so that it is seen that there are too many.
const MAX_ENTRIES: usize = 60_001;
/// 64 licences, properties and references of one package.
const MAX_PARTS: usize = 64;

/// 100 warnings of a document of our own form.
const MAX_WARNINGS: usize = 100;

/// An [`Inventory`] of which nobody knows who wrote it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    #[serde(default)]
    name: String,
    id: Option<String>,
    digest: Option<String>,
    platform: Option<String>,
    distro: Option<Distro>,
    #[serde(default)]
    layers: AtMost<Layer, MAX_ENTRIES>,
    packages: AtMost<Package, MAX_ENTRIES>,
    #[serde(default)]
    licence_texts: Members<Extracted, MAX_ENTRIES>,
    #[serde(default)]
    warnings: AtMost<String, MAX_WARNINGS>,
    base: Option<Base>,
}

fn own(own: Own) -> Inventory {
    let layers = own.layers.0;
    let mut packages = own.packages.0;
    for package in &mut packages {
        package.layer = package.layer.filter(|layer| *layer < layers.len());
    }
    // One warning is one line.
    let plain = |text: String| text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    Inventory {
        name: own.name,
        id: own.id,
        digest: own.digest,
        platform: own.platform,
        distro: own.distro,
        layers,
        packages,
        extracted: own.licence_texts.0.into_iter().collect(),
        warnings: own.warnings.0.into_iter().map(plain).collect(),
        base: own.base,
        attached: None,
    }
}

#[derive(Deserialize)]
struct Bom {
    metadata: Option<Metadata>,
    #[serde(default)]
    components: Components,
}

#[derive(Deserialize)]
struct Metadata {
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    version: Option<String>,
    purl: Option<String>,
    #[serde(default)]
    licenses: AtMost<Choice, MAX_PARTS>,
    publisher: Option<String>,
    #[serde(default)]
    properties: AtMost<Property, MAX_PARTS>,
    #[serde(default)]
    components: Components,
}

/// Components, and those in them: all of a document together are as many as its limit allows.
#[derive(Default)]
struct Components(Vec<Component>);

thread_local! {
    /// How many of the document that is being read may still be built.
    static LEFT: Cell<usize> = const { Cell::new(MAX_ENTRIES) };
}

impl<'de> Deserialize<'de> for Components {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Components;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of components")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Components, A::Error> {
                let mut all = Vec::new();
                while let Some(left) = LEFT.get().checked_sub(1) {
                    LEFT.set(left);
                    let Some(one) = list.next_element()? else { return Ok(Components(all)) };
                    all.push(one);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Components(all))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct Choice {
    license: Option<Name>,
    expression: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
}

fn cyclonedx(bom: Bom) -> Inventory {
    let mut inventory = Inventory::default();
    let mut layers = Layers::default();
    if let Some(root) = bom.metadata.and_then(|metadata| metadata.component) {
        inventory.name = root.name;
        inventory.digest = root.version.filter(|version| version.starts_with("sha256:"));
    }
    let mut open = bom.components.0;
    open.reverse();
    while let Some(component) = open.pop() {
        open.extend(component.components.0.into_iter().rev());
        if component.kind == "operating-system" {
            let version_id = component.version.unwrap_or_default();
            inventory.distro = Some(Distro { id: component.name, version_id, ..Distro::default() });
            continue;
        }
        let property = |names: &[&str]| {
            let found = component.properties.0.iter().find(|property| names.contains(&property.name.as_str()));
            found.map(|property| property.value.clone()).unwrap_or_default()
        };
        let Some(mut package) = component.purl.as_deref().and_then(|url| named(url, &mut inventory)) else { continue };
        package.found_in = property(&["wharfie:path", "syft:location:0:path"]).trim_start_matches('/').to_owned();
        package.owner = Some(property(&["wharfie:owner"])).filter(|owner| !owner.is_empty());
        package.layer =
            layers.index(property(&["wharfie:layer", "syft:location:0:layerID"]), property(&["wharfie:createdBy"]));
        if let (name, version) = (property(&["wharfie:source"]), property(&["wharfie:sourceVersion"]))
            && !name.is_empty()
        {
            package.source = Some(Source { name, version });
        }
        package.supplier = component.publisher.unwrap_or_default();
        let names = component.licenses.0.into_iter().filter_map(|choice| {
            choice.expression.or_else(|| choice.license.and_then(|license| license.id.or(license.name)))
        });
        package.licences = names.collect();
        inventory.packages.push(package);
    }
    Inventory { layers: layers.all, ..inventory }
}

#[derive(Deserialize)]
struct Spdx {
    #[serde(default)]
    name: String,
    #[serde(default)]
    packages: AtMost<Entry, MAX_ENTRIES>,
    #[serde(default, rename = "hasExtractedLicensingInfos")]
    extracted: AtMost<Licence, MAX_ENTRIES>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Licence {
    #[serde(default)]
    license_id: String,
    name: Option<String>,
    #[serde(default)]
    extracted_text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    license_declared: Option<String>,
    source_info: Option<String>,
    #[serde(default)]
    external_refs: AtMost<Reference, MAX_PARTS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

fn spdx(document: Spdx) -> Inventory {
    let mut inventory = Inventory { name: document.name, ..Inventory::default() };
    let mut layers = Layers::default();
    let is_said = |text: &String| !matches!(text.as_str(), "" | "NOASSERTION" | "NONE");
    let extracted = document.extracted.0.into_iter().map(|licence| {
        let name = licence.name.filter(is_said).unwrap_or_default();
        (licence.license_id, Extracted { name, text: licence.extracted_text })
    });
    let extracted: BTreeMap<String, Extracted> = extracted.filter(|(id, _)| id.starts_with(REFERENCE)).collect();
    for entry in document.packages.0 {
        let url = entry.external_refs.0.iter().find(|one| one.reference_type == "purl");
        let Some(mut package) = url.and_then(|url| named(&url.reference_locator, &mut inventory)) else { continue };
        let stated = entry.license_declared.filter(is_said).unwrap_or_default();
        for part in licence::parts(&stated).into_iter().take(MAX_PARTS) {
            // What we have called so ourselves, for want of a better name.
            if let Some(own) = extracted.get(&part).filter(|own| own.name == own.text && own_name(&own.name) == part) {
                package.licences.push(own.name.clone());
                continue;
            }
            for name in licence::tokens(&part).filter(|token| token.starts_with(REFERENCE)) {
                if let Some(own) = extracted.get(name).filter(|_| !inventory.extracted.contains_key(name)) {
                    inventory.extracted.insert(name.to_owned(), own.clone());
                }
            }
            package.licences.push(part);
        }
        let info = entry.source_info.unwrap_or_default();
        let line =
            |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        package.found_in = line("found in /");
        package.owner = Some(line("owner ")).filter(|owner| !owner.is_empty());
        package.layer = layers.index(line("layer "), line("instruction "));
        inventory.packages.push(package);
    }
    Inventory { layers: layers.all, ..inventory }
}

/// The package of a URL; the system that it names is the image's, unless that is known.
fn named(url: &str, inventory: &mut Inventory) -> Option<Package> {
    let package = purl::parse(url).filter(|package| package.kind != PackageKind::Generic)?;
    if inventory.distro.is_none()
        && let Some((id, version_id)) = purl::distro_of(url)
    {
        inventory.distro = Some(Distro { id, version_id, ..Distro::default() });
    }
    Some(package)
}

/// The layers that packages of a document name, in the order of the first that does.
#[derive(Default)]
struct Layers {
    all: Vec<Layer>,
    places: HashMap<String, usize>,
}

impl Layers {
    /// The index of a layer among those that are known, which it joins.
    fn index(&mut self, diff_id: String, created_by: String) -> Option<usize> {
        if diff_id.is_empty() {
            return None;
        }
        let all = &mut self.all;
        Some(*self.places.entry(diff_id).or_insert_with_key(|diff_id| {
            all.push(Layer { diff_id: diff_id.clone(), created_by });
            all.len() - 1
        }))
    }
}

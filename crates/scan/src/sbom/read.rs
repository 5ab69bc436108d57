//! Documents of others, as far as they name packages. Lenient: versions of the formats differ, and so do their writers.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::bounded::{AtMost, Members};
use crate::content::Result;
use crate::distro::Distro;
use crate::package::{Base, Inventory, Layer, NOWHERE, Package, PackageKind, Source};
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
    let mut is_cut = false;
    let mut found = match probe {
        Probe { wharfie_inventory: Some(_), .. } => Some(own(serde_json::from_slice(bytes)?)),
        Probe { bom_format: Some(format), .. } if format == "CycloneDX" => {
            LEFT.set(MAX_ENTRIES);
            let bom = serde_json::from_slice(bytes)?;
            is_cut = LEFT.get() == 0;
            Some(cyclonedx(bom))
        }
        Probe { spdx_version: Some(version), .. } if version.starts_with("SPDX-2") => {
            let document: Spdx = serde_json::from_slice(bytes)?;
            is_cut = document.packages.0.len() >= MAX_ENTRIES;
            Some(spdx(document))
        }
        _ => None,
    };
    if let Some(found) = &mut found
        && (is_cut || found.packages.len() >= MAX_ENTRIES)
    {
        found.unread += 1;
        found
            .warnings
            .push(format!("the document tells of more than {} packages: the rest is left out", MAX_ENTRIES - 1));
    }
    Ok(found)
}

/// 60,000 packages of a document, and one more, so that it is seen that there are too many.
const MAX_ENTRIES: usize = 60_001;
/// 64 kinds of packages that are not known here, and 64 letters of each.
const MAX_KINDS: usize = 64;
/// 64 licences, properties and references of one package.
const MAX_PARTS: usize = 64;

/// 100 warnings of a document of our own form.
const MAX_WARNINGS: usize = 100;

/// An [`Inventory`] of which nobody knows who wrote it.
#[derive(Deserialize)]
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
    warnings: AtMost<String, MAX_WARNINGS>,
    base: Option<Base>,
    #[serde(default)]
    unread: usize,
    #[serde(default)]
    unknown: Members<usize, MAX_KINDS>,
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
        warnings: own.warnings.0.into_iter().map(plain).collect(),
        base: own.base,
        attached: None,
        unread: own.unread,
        unknown: own.unknown.0.into_iter().collect(),
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
    if let Some(root) = bom.metadata.and_then(|metadata| metadata.component) {
        inventory.name = root.name;
        inventory.digest = root.version.filter(|version| version.starts_with("sha256:"));
    }
    let mut urls = Vec::new();
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
        let is_package = || matches!(component.kind.as_str(), "" | "library" | "application" | "framework");
        let url = match component.purl.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => url,
            None => {
                if is_package() {
                    miss(&mut inventory, NOWHERE);
                }
                continue;
            }
        };
        let Some(mut package) = named(url, &mut inventory) else { continue };
        package.found_in = property(&["wharfie:path", "syft:location:0:path"]).trim_start_matches('/').to_owned();
        package.owner = Some(property(&["wharfie:owner"])).filter(|owner| !owner.is_empty());
        package.layer = layer(
            &mut inventory,
            property(&["wharfie:layer", "syft:location:0:layerID"]),
            property(&["wharfie:createdBy"]),
        );
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
        urls.push(component.purl.unwrap_or_default());
        inventory.packages.push(package);
    }
    tell_apart(&mut inventory, &urls);
    inventory
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spdx {
    #[serde(default)]
    name: String,
    #[serde(default)]
    packages: AtMost<Entry, MAX_ENTRIES>,
    #[serde(default)]
    document_describes: AtMost<String, MAX_PARTS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default, rename = "SPDXID")]
    id: String,
    primary_package_purpose: Option<String>,
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
    let mut urls = Vec::new();
    for entry in document.packages.0 {
        let url = entry.external_refs.0.iter().find(|one| one.reference_type == "purl");
        let purpose = entry.primary_package_purpose.as_deref().unwrap_or_default();
        let is_package = matches!(purpose, "" | "LIBRARY" | "APPLICATION" | "FRAMEWORK");
        let Some(url) = url.map(|url| url.reference_locator.as_str()) else {
            // What the document is about is no package in it.
            if is_package && !document.document_describes.0.contains(&entry.id) && !entry.id.contains("Root") {
                miss(&mut inventory, NOWHERE);
            }
            continue;
        };
        let Some(mut package) = named(url, &mut inventory) else { continue };
        let stated = entry.license_declared.filter(|text| !matches!(text.as_str(), "" | "NOASSERTION" | "NONE"));
        package.licences = stated.into_iter().collect();
        let info = entry.source_info.unwrap_or_default();
        let line =
            |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        package.found_in = line("found in /");
        package.owner = Some(line("owner ")).filter(|owner| !owner.is_empty());
        package.layer = layer(&mut inventory, line("layer "), line("instruction "));
        urls.push(url.to_owned());
        inventory.packages.push(package);
    }
    tell_apart(&mut inventory, &urls);
    inventory
}

/// Takes note of a package that cannot be listed.
fn miss(inventory: &mut Inventory, origin: &str) {
    let unknown = &mut inventory.unknown;
    let is_kept = unknown.contains_key(origin) || (unknown.len() < MAX_KINDS && origin.len() <= MAX_KINDS);
    *unknown.entry(if is_kept { origin } else { NOWHERE }.to_owned()).or_default() += 1;
}

/// Says whose the packages of systems are that are not of the one that the image is made of: those have other advisories, whatever
/// their versions look like. `urls` are those of the inventory's packages.
fn tell_apart(inventory: &mut Inventory, urls: &[String]) {
    let Some(distro) = inventory.distro.clone() else { return };
    for (package, url) in inventory.packages.iter_mut().zip(urls).filter(|(package, _)| package.kind.is_of_system()) {
        let (told, vendor) = (purl::distro_of(url).map(|(id, _)| id), purl::vendor_of(url));
        let is_own = match &told {
            Some(id) if distro.is_meant_by(id) => true,
            _ if !vendor.is_empty() => distro.is_vendor(&vendor),
            told => told.is_none(),
        };
        if !is_own {
            package.namespace = Some(vendor).filter(|vendor| !vendor.is_empty()).or(told).unwrap_or_default();
        }
    }
}

/// The package of a URL; the system that it names is the image's, unless that is known. One of a kind that is not known here is
/// counted, unless it is an image.
fn named(url: &str, inventory: &mut Inventory) -> Option<Package> {
    let Some(package) = purl::parse(url).filter(|package| package.kind != PackageKind::Generic) else {
        let rest = url.strip_prefix("pkg:").unwrap_or_default().trim_start_matches('/');
        let kind = rest.split_once('/').map_or("", |(kind, _)| kind).to_ascii_lowercase();
        match kind.as_str() {
            "oci" | "docker" => {}
            "" => miss(inventory, NOWHERE),
            kind => miss(inventory, kind),
        }
        return None;
    };
    if inventory.distro.is_none()
        && let Some((id, version_id)) = purl::distro_of(url)
    {
        inventory.distro = Some(Distro { id, version_id, ..Distro::default() });
    }
    Some(package)
}

/// The index of a layer among those that are known, which it joins.
fn layer(inventory: &mut Inventory, diff_id: String, created_by: String) -> Option<usize> {
    if diff_id.is_empty() {
        return None;
    }
    let known = inventory.layers.iter().position(|layer| layer.diff_id == diff_id);
    Some(known.unwrap_or_else(|| {
        inventory.layers.push(Layer { diff_id, created_by });
        inventory.layers.len() - 1
    }))
}

//! Two images side by side: packages that came, went or have another version, and settings that differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use wharfie_oci::ImageConfig;

use crate::package::{Inventory, Package};

/// Something that only one of two images has, or that they have differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is: a package with its kind, a variable, a label, a setting.
    pub name: String,
    /// In the first image; none if it has none.
    pub before: Option<String>,
    /// In the second.
    pub after: Option<String>,
}

/// The packages that are not in both in the same versions. Several versions of one package are one difference.
pub fn packages(before: &Inventory, after: &Inventory) -> Vec<Difference> {
    differences(&versions(before), &versions(after))
}

fn versions(inventory: &Inventory) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let name = |package: &Package| format!("{} {}", package.kind.word(), package.full_name());
    for package in &inventory.packages {
        all.entry(name(package)).or_default().insert(&package.version);
    }
    let join = |versions: BTreeSet<&str>| versions.into_iter().collect::<Vec<_>>().join(", ");
    all.into_iter().map(|(name, versions)| (name, join(versions))).collect()
}

/// What two images say differently of how they are run, on what, and of themselves.
pub fn settings(before: Option<&ImageConfig>, after: Option<&ImageConfig>) -> Vec<Difference> {
    let told = |config: Option<&ImageConfig>| config.map(said).unwrap_or_default();
    differences(&told(before), &told(after))
}

/// Every setting by its name; variables and labels one by one.
fn said(config: &ImageConfig) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("platform".to_owned(), config.platform().to_string())]);
    let own = serde_json::to_value(&config.config).unwrap_or_default();
    for (name, value) in own.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("Env", Value::Array(variables)) => {
                for variable in variables.iter().filter_map(Value::as_str) {
                    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                    all.insert(format!("Env {name}"), value.to_owned());
                }
            }
            ("Labels", Value::Object(labels)) => {
                for (name, value) in labels {
                    all.insert(format!("Label {name}"), text(value));
                }
            }
            (_, Value::Null) => {}
            (name, value) => {
                all.insert(name.to_owned(), text(value));
            }
        }
    }
    all.retain(|_, value| !matches!(value.as_str(), "" | "{}" | "[]" | "null"));
    all
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .map(|name| Difference {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .filter(|difference| difference.before != difference.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::PackageKind;

    fn told(differences: &[Difference]) -> Vec<(&str, Option<&str>, Option<&str>)> {
        differences.iter().map(|one| (one.name.as_str(), one.before.as_deref(), one.after.as_deref())).collect()
    }

    #[test]
    fn packages_come_go_and_change() {
        let inventory = |packages: &[(&str, &str)]| {
            let package = |(name, version): &(&str, &str)| Package::new(PackageKind::Deb, *name, *version);
            Inventory { packages: packages.iter().map(package).collect(), ..Inventory::default() }
        };
        let before = inventory(&[("a", "1"), ("b", "1"), ("c", "1"), ("c", "2")]);
        let after = inventory(&[("b", "2"), ("c", "2"), ("c", "1"), ("d", "1")]);
        assert_eq!(
            told(&packages(&before, &after)),
            [("deb a", Some("1"), None), ("deb b", Some("1"), Some("2")), ("deb d", None, Some("1"))]
        );
    }

    #[test]
    fn settings_are_told_one_by_one() {
        let config = |own: &str| {
            let text = format!(
                r#"{{"os":"linux","architecture":"amd64","config":{own},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
            );
            ImageConfig::parse(text.as_bytes()).unwrap()
        };
        let before = config(r#"{"Env":["A=1","B=2"],"User":"","Cmd":["sh"],"Labels":{"x":"1"}}"#);
        let after = config(r#"{"Env":["B=3","A=1"],"User":"web","Cmd":["sh"],"Labels":{"x":"1","y":""}}"#);
        assert_eq!(
            told(&settings(Some(&before), Some(&after))),
            [("Env B", Some("2"), Some("3")), ("User", None, Some("web"))]
        );
        assert_eq!(told(&settings(Some(&before), Some(&before))), []);
    }
}

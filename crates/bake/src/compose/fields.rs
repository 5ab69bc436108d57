//! Fields of services in the several forms that compose allows.

use std::collections::BTreeMap;

use super::yaml::{Mapping, Yaml};
use crate::csv;

/// A text, or nothing if it is missing or empty.
pub(super) fn text(fields: &Mapping, name: &str) -> Option<String> {
    fields.get(name).and_then(Yaml::text).filter(|text| !text.is_empty())
}

/// True if it says so.
pub(super) fn truth(fields: &Mapping, name: &str) -> bool {
    match fields.get(name) {
        Some(Yaml::Bool(truth)) => *truth,
        Some(Yaml::Text(text)) => csv::truth(text) == Some(true),
        _ => false,
    }
}

/// A list of texts.
pub(super) fn texts(fields: &Mapping, name: &str) -> Vec<String> {
    match fields.get(name) {
        Some(Yaml::List(elements)) => elements.iter().filter_map(Yaml::text).collect(),
        Some(one) => one.text().into_iter().collect(),
        None => Vec::new(),
    }
}

/// Texts in a list or between blanks.
pub(super) fn words(fields: &Mapping, name: &str) -> Vec<String> {
    match fields.get(name) {
        Some(Yaml::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
        _ => texts(fields, name),
    }
}

/// Pairs in a mapping or in a list of `name=value`; names alone have no value.
pub(super) fn pairs(fields: &Mapping, name: &str) -> BTreeMap<String, Option<String>> {
    match fields.get(name) {
        Some(Yaml::Map(fields)) => fields.iter().map(|(name, value)| (name.clone(), value.text())).collect(),
        Some(Yaml::List(elements)) => elements
            .iter()
            .filter_map(Yaml::text)
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (pair, None),
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// Addresses of hosts: `name=address`, `name:address`, several for one name.
pub(super) fn hosts(fields: &Mapping, name: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let plain = |address: &str| {
        let inside = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.unwrap_or(address).to_owned()
    };
    match fields.get(name) {
        Some(Yaml::Map(hosts)) => {
            for (host, addresses) in hosts {
                let addresses = match addresses {
                    Yaml::List(all) => all.iter().filter_map(Yaml::text).collect(),
                    one => vec![one.text().unwrap_or_default()],
                };
                found.insert(host.clone(), addresses.iter().map(|one| plain(one)).collect());
            }
        }
        Some(Yaml::List(elements)) => {
            for host in elements.iter().filter_map(Yaml::text) {
                let split = host.split_once('=').or_else(|| host.split_once(':'));
                let (name, addresses) = split.ok_or_else(|| format!("invalid additional host, missing IP: {host}"))?;
                found.entry(name.to_owned()).or_default().extend(addresses.split(',').map(plain));
            }
        }
        _ => {}
    }
    Ok(found.into_iter().map(|(host, addresses)| (host, addresses.join(","))).collect())
}

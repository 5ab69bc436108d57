//! Listing networks, and removing those that nobody is on.

use std::collections::BTreeMap;
use wharfie_oci::NetworkName;

use wharfie_model::network::NetworkInspect;

use super::Network;
use super::inspect::document;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::{Conditions, Labels, PruneFilters, matches_name};

/// Which networks to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListNetworks {
    /// `name=value` conditions; different names must all hold, equal ones one of them.
    pub filters: Vec<(String, String)>,
}

/// Which of the networks that no running container is on to remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneNetworks {
    /// Further conditions.
    pub filters: PruneFilters,
}

impl Engine {
    /// Lists networks by name, those included that are there without being made. Containers on them are not looked for.
    ///
    /// # Errors
    /// When a filter is unknown or its value makes no sense, or the store cannot be read.
    pub fn list_networks(&self, list: &ListNetworks) -> Result<Vec<NetworkInspect>> {
        let filters = Filters::parse(&list.filters)?;
        let mut listed = Vec::new();
        for network in self.all_networks()? {
            if filters.accept(&network) && self.is_as_dangling_as(filters.dangling, &network)? {
                listed.push(document(&network, BTreeMap::new()));
            }
        }
        Ok(listed)
    }

    /// Docker does not call its own networks dangling.
    fn is_as_dangling_as(&self, wanted: Option<bool>, network: &Network) -> Result<bool> {
        let Some(wanted) = wanted else { return Ok(true) };
        let is_used = network.is_builtin || !self.users_of_network(&network.name)?.is_empty();
        Ok(wanted != is_used)
    }

    /// Removes the networks that no running container is on. Gives their names.
    ///
    /// # Errors
    /// When the store cannot be read. What cannot be removed stays.
    pub fn prune_networks(&self, prune: &PruneNetworks) -> Result<Vec<NetworkName>> {
        let mut gone = Vec::new();
        for network in self.networks()? {
            let is_wanted = prune.filters.accept(network.created(), &network.labels);
            if is_wanted && self.remove_network(&network.name).is_ok() {
                gone.push(network.name);
            }
        }
        self.remove_lost_networks_in_turn()?;
        Ok(gone)
    }
}

/// What is asked of networks.
struct Filters {
    conditions: Conditions,
    labels: Labels,
    dangling: Option<bool>,
}

impl Filters {
    fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let known = &["dangling", "driver", "id", "label", "name", "scope", "type"];
        let conditions = Conditions::parse(pairs, known)?;
        if let Some(value) = conditions.values("type").find(|value| !matches!(*value, "builtin" | "custom")) {
            return Err(Error::InvalidFilter(format!("type={value}")));
        }
        Ok(Self { labels: conditions.labels(), dangling: conditions.truth("dangling")?, conditions })
    }

    fn accept(&self, network: &Network) -> bool {
        let kind = if network.is_builtin { "builtin" } else { "custom" };
        let asked = &self.conditions;
        asked.any("driver", |value| value == network.driver.as_str())
            && asked.any("id", |value| network.id.starts_with(value))
            && asked.any("name", |value| matches_name(value, &network.name))
            && asked.any("scope", |value| value == "local")
            && asked.any("type", |value| value == kind)
            && self.labels.accept(&network.labels)
    }
}

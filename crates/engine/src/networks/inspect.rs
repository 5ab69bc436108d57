//! Networks as users see them: those of their own and those that are there without being made.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use wharfie_model::NilMap;
use wharfie_model::network::{ConfigFrom, Ipam, IpamPool, NetworkContainer, NetworkInspect};
use wharfie_oci::{NetworkId, Timestamp};

use super::Network;
use crate::container::inspect::{hardware_address, name_of};
use crate::engine::Engine;
use crate::error::Result;

/// What makes a network work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// A bridge.
    #[default]
    Bridge,
    /// The host's own network.
    Host,
    /// Nothing.
    Null,
}

impl Driver {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// Networks that are there without being made, and their drivers.
const BUILTIN: [(&str, Driver); 3] = [("bridge", Driver::Bridge), ("host", Driver::Host), ("none", Driver::Null)];

/// True for the name of a network that is there without being made.
pub fn is_builtin(name: &str) -> bool {
    BUILTIN.iter().any(|(builtin, _)| *builtin == name)
}

/// The id of a network that is there without being made. It never changes: there is one of each, on every machine.
pub(crate) fn builtin_id(name: &str) -> NetworkId {
    name_of("network", &[name]).parse().expect("a digest has 64 digits")
}

impl Engine {
    /// All networks, by name: those of users' own and those that are there without being made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn all_networks(&self) -> Result<Vec<Network>> {
        let mut all = self.networks()?;
        for (name, driver) in BUILTIN {
            all.push(self.builtin(name, driver)?);
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn builtin(&self, name: &str, driver: Driver) -> Result<Network> {
        let bridge = crate::container::network::subnet(self);
        let is_bridge = driver == Driver::Bridge;
        let any = Ipv4Addr::UNSPECIFIED;
        Ok(Network {
            id: builtin_id(name),
            name: name.parse().expect("their names are names"),
            created: Timestamp::ZERO.to_nanos(),
            address: if is_bridge { bridge.network } else { any },
            prefix: if is_bridge { bridge.prefix } else { 0 },
            gateway: if is_bridge { bridge.gateway } else { any },
            is_internal: false,
            is_attachable: false,
            labels: BTreeMap::new(),
            range: None,
            reserved: BTreeMap::new(),
            options: BTreeMap::new(),
            driver,
            is_builtin: true,
        })
    }

    /// The network that `wanted` names: its name, or the beginning of its id. `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_network(&self, wanted: &str) -> Result<Option<Network>> {
        let all = self.all_networks()?;
        let by_id = |network: &Network| !wanted.is_empty() && network.id.starts_with(wanted);
        let at = all.iter().position(|network| network.name == wanted).or_else(|| all.iter().position(by_id));
        Ok(at.and_then(|at| all.into_iter().nth(at)))
    }

    /// A network's document.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn inspect_network(&self, network: &Network) -> Result<NetworkInspect> {
        let mut containers = BTreeMap::new();
        for row in self.containers()? {
            let Some((address, _)) = row.state.address_on(&network.name) else { continue };
            let document = NetworkContainer {
                name: row.name.to_string(),
                endpoint_id: name_of("endpoint", &[&row.id, &network.id]),
                mac_address: hardware_address(&row, &network.name)?,
                ipv4_address: format!("{address}/{}", network.prefix),
                ipv6_address: String::new(),
            };
            containers.insert(row.id.into(), document);
        }
        Ok(document(network, containers))
    }
}

/// A network's document with the containers on it.
pub(super) fn document(network: &Network, containers: BTreeMap<String, NetworkContainer>) -> NetworkInspect {
    let pool = (network.prefix > 0).then(|| IpamPool {
        subnet: format!("{}/{}", network.address, network.prefix),
        ip_range: network.range.map(|(first, bits)| format!("{first}/{bits}")).unwrap_or_default(),
        gateway: network.gateway.to_string(),
        auxiliary_addresses: network
            .reserved
            .iter()
            .map(|(name, address)| (name.clone(), address.to_string()))
            .collect(),
    });
    NetworkInspect {
        name: network.name.to_string(),
        id: network.id.to_string(),
        created: network.created().to_string(),
        scope: "local".to_owned(),
        driver: network.driver.as_str().to_owned(),
        enable_ipv4: true,
        enable_ipv6: false,
        ipam: Ipam { driver: "default".to_owned(), options: NilMap::default(), config: pool.into_iter().collect() },
        internal: network.is_internal,
        attachable: network.is_attachable,
        ingress: false,
        config_from: ConfigFrom::default(),
        config_only: false,
        containers,
        options: network.options.clone(),
        labels: network.labels.clone(),
    }
}

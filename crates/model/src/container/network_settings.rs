//! Where a container's packets go.

use std::collections::BTreeMap;

use serde::Serialize;

use super::PortMap;
use crate::{NilList, NilMap};

/// A container's place on its networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// A bridge that was asked for by name.
    pub bridge: String,
    /// Its network namespace.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// Where its network namespace can be opened.
    pub sandbox_key: String,
    /// Ports that it listens on, and those of the host that lead there.
    pub ports: PortMap,
    /// Its packets come back to it through the bridge.
    pub hairpin_mode: bool,
    /// Never given.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// Never given.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    /// Never given.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: NilList<String>,
    /// Never given.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: NilList<String>,
    // The default bridge's endpoint, as it was before there were networks.
    /// Name of the connection.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The way out.
    pub gateway: String,
    /// Its address of the newer kind.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Bits of the network.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// Its address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Bits of the network.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The way out of the newer kind.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// Its device's hardware address.
    pub mac_address: String,
    /// Its networks by their names.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// A container's place on one network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointSettings {
    /// The address that was asked for.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<IpamConfig>,
    /// Containers that it knows by another name there.
    pub links: NilList<String>,
    /// What it is called there besides its name.
    pub aliases: NilList<String>,
    /// Its device's hardware address.
    pub mac_address: String,
    /// Options of the driver.
    pub driver_opts: NilMap<String>,
    /// Whose gateway is the way out: the highest.
    pub gw_priority: i64,
    /// The network's id.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// Name of the connection.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The way out.
    pub gateway: String,
    /// Its address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Bits of the network.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The way out of the newer kind.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// Its address of the newer kind.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Bits of the network.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// All names by which others find it there.
    #[serde(rename = "DNSNames")]
    pub dns_names: NilList<String>,
}

/// What was asked of a network's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamConfig {
    /// The address that a container must have.
    #[serde(rename = "IPv4Address", skip_serializing_if = "String::is_empty")]
    pub ipv4_address: String,
}

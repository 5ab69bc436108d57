//! Networks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::NilMap;

/// A network as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInspect {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// `local`: this machine.
    pub scope: String,
    /// What makes it work.
    pub driver: String,
    /// It has addresses of the old kind.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// It has addresses of the new kind.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Nothing leads out.
    pub internal: bool,
    /// It was made for containers to join by hand.
    pub attachable: bool,
    /// It leads into a swarm.
    pub ingress: bool,
    /// Where its configuration comes from.
    pub config_from: ConfigFrom,
    /// It is nothing but a configuration for others.
    pub config_only: bool,
    /// Containers that run on it, by their ids.
    pub containers: BTreeMap<String, NetworkContainer>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    /// Who gives them.
    pub driver: String,
    /// Its options.
    pub options: NilMap<String>,
    /// Where they come from.
    pub config: Vec<IpamPool>,
}

/// Addresses in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamPool {
    /// `ADDRESS/BITS`.
    pub subnet: String,
    /// The part that containers get theirs from.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    /// The bridge's own.
    pub gateway: String,
    /// Those of others, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// Another network whose configuration is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigFrom {
    /// Its name; empty for none.
    pub network: String,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkContainer {
    /// Its name.
    pub name: String,
    /// Name of the connection.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Its device's hardware address.
    pub mac_address: String,
    /// `ADDRESS/BITS`.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// Of the new kind; empty for none.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

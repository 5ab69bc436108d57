//! A container's place on the network while it runs.
//!
//! Addresses belong to the machine, not to a store: every store's containers share one bridge, and the record of who has
//! which address goes with the machine's last shutdown, as the bridge does.

use std::net::{IpAddr, Ipv4Addr};

use wharfie_runtime::proxy::{Protocol, Proxy, Publish, Reserved, reserve};
use wharfie_runtime::{Bridge, Network, Subnet};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;

use super::is_alive;
use super::settings::{PortBinding, Settings};
use super::spec::namespace_of;
use crate::error::{Error, Result};

/// Where the machine remembers which address is whose, and other runtimes their containers.
pub(super) const STATE: &str = "/run/wharfie";

/// Where a container's packets go.
pub(super) struct Place {
    pub(super) network: Network,
    /// Ports that are taken and lead nowhere yet.
    pub(super) reserved: Option<Reserved>,
    /// Why it is not what one would expect.
    pub(super) warning: Option<String>,
}

/// The machine's bridge.
pub(crate) fn subnet() -> Subnet {
    Subnet::new(STATE)
}

/// True if the container is to be on the bridge.
pub(crate) fn is_bridge(settings: &Settings) -> bool {
    matches!(settings.network.as_str(), "" | "default" | "bridge")
}

/// Finds a place for a container that is about to start. Ports in use are an error; a bridge that cannot be made is
/// one only for who asked for it, and a warning for who did not.
pub(super) fn find(store: &Store, row: &ContainerRow, settings: &Settings) -> Result<Place> {
    let plain = |network| Place { network, reserved: None, warning: None };
    match settings.network.as_str() {
        "host" => Ok(plain(Network::Host)),
        "none" => Ok(plain(Network::None)),
        "" | "default" | "bridge" => match bridge(row) {
            Ok(bridge) => {
                let ports = wanted(settings)?;
                let reserved = (!ports.is_empty()).then(|| reserve(&ports)).transpose();
                let reserved = reserved.map_err(|why| in_use(row, why))?;
                Ok(Place { network: Network::Bridge(bridge), reserved, warning: None })
            }
            Err(why) if settings.network == "bridge" || !wanted(settings)?.is_empty() => Err(why),
            Err(why) => {
                let warning = format!("the container has no network but its own loopback: {why}");
                Ok(Place { network: Network::None, reserved: None, warning: Some(warning) })
            }
        },
        other => match other.strip_prefix("container:") {
            Some(name) => Ok(plain(Network::Namespace(namespace_of(store, name, "net")?))),
            None => Err(Error::Container(format!("network {other} not found"))),
        },
    }
}

/// A place on the bridge, which is made if it is missing.
fn bridge(row: &ContainerRow) -> Result<Bridge> {
    if !rustix::process::geteuid().is_root() {
        let text = "only root can make a bridge; --network host shares the machine's network";
        return Err(Error::Container(text.to_owned()));
    }
    let subnet = subnet();
    subnet.prepare()?;
    Ok(subnet.allocate(&row.id)?)
}

/// Docker's words for a port that somebody else has.
fn in_use(row: &ContainerRow, why: wharfie_runtime::Error) -> Error {
    match why {
        wharfie_runtime::Error::Invalid { value, reason, .. } => Error::Container(format!(
            "driver failed programming external connectivity on endpoint {} ({}): Bind for {value} failed: {reason}",
            row.name, row.id
        )),
        why => why.into(),
    }
}

/// The ports that are to be open on the host.
fn wanted(settings: &Settings) -> Result<Vec<Publish>> {
    let mut wanted = settings.ports.iter().map(publish).collect::<Result<Vec<_>>>()?;
    let exposed = settings.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
    for text in exposed.filter(|_| settings.publish_all) {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = port.split_once('-').unwrap_or((port, port));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { continue };
        for container in first..=last {
            let binding = PortBinding { container, protocol: protocol.to_owned(), address: String::new(), host: 0 };
            let new = publish(&binding)?;
            if !wanted.iter().any(|known| known.port == new.port && known.protocol == new.protocol) {
                wanted.push(new);
            }
        }
    }
    Ok(wanted)
}

fn publish(binding: &PortBinding) -> Result<Publish> {
    let host = match binding.address.as_str() {
        "" => Ipv4Addr::UNSPECIFIED.into(),
        text => text.parse::<IpAddr>().map_err(|_| Error::Container(format!("invalid IP address: {text}")))?,
    };
    let protocol = if binding.protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
    Ok(Publish { host, host_port: binding.host, port: binding.container, protocol })
}

/// The ports that are open, for the container's row.
pub(super) fn document(proxy: &Proxy) -> Result<String> {
    let open: Vec<_> = proxy.ports().iter().map(binding).collect();
    serde_json::to_string(&open).map_err(Error::Document)
}

fn binding(port: &Publish) -> PortBinding {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    PortBinding {
        container: port.port,
        protocol: protocol.to_owned(),
        address: port.host.to_string(),
        host: port.host_port,
    }
}

/// The ports of the host that lead to a container now, ordered by the container's.
pub fn open_ports(row: &ContainerRow) -> Vec<PortBinding> {
    let mut open: Vec<PortBinding> = match is_alive(row) {
        true => serde_json::from_str(&row.state.ports).unwrap_or_default(),
        false => Vec::new(),
    };
    open.sort();
    open
}

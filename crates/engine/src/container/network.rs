//! A container's place on the network while it runs.
//!
//! Addresses belong to the machine, not to a store: every store's containers share one bridge, and the record of who has
//! which address goes with the machine's last shutdown, as the bridge does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::PathBuf;

use wharfie_runtime::proxy::{Protocol, Proxy, Publish, Reserved};
use wharfie_runtime::{Bridge, Helper, MAX_DEVICE_NUMBER, Network, Outlet, Subnet};
use wharfie_store::containers::ContainerRow;

use super::is_alive;
use super::settings::{Attachment, Settings};
use super::spec::namespace_of;
use super::words::{self, HostPorts, MacAddress, NetworkMode, PortBinding};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::networks;
use crate::networks::NetworkError;

/// Where a container's packets go.
pub(super) struct Place {
    pub(super) network: Network,
    /// Bridges besides the first.
    pub(super) more: Vec<Bridge>,
    /// Its addresses by the networks' names, and which of its devices has each.
    pub(super) addresses: BTreeMap<String, (String, u8)>,
    /// Ports that are taken and lead nowhere yet.
    pub(super) reserved: Option<Reserved>,
    /// Why it is not what one would expect.
    pub(super) warning: Option<String>,
}

/// The machine's bridge, as a store uses it.
pub(crate) fn subnet(engine: &Engine) -> Subnet {
    Subnet { store: mark(engine), ..Subnet::new(&engine.config().state) }
}

/// What tells a store from all others of the machine, whatever its path means to whom.
pub(crate) fn mark(engine: &Engine) -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(&engine.config().root)
        .map(|root| format!("{:x}:{:x}", root.dev(), root.ino()))
        .unwrap_or_default()
}

/// The programs that networks of ordinary users may be called after.
const HELPERS: [Helper; 2] = [Helper::Pasta, Helper::Slirp4netns];

/// Finds a place for a container that is about to start. Ports in use are an error; a bridge that cannot be made, or a
/// way out that ordinary users do not have here, is one only for who asked for it, and a warning for who did not.
pub(super) fn find(engine: &Engine, row: &ContainerRow, settings: &Settings) -> Result<Place> {
    let (store, is_rootless) = (engine.writer()?, engine.config().is_rootless);
    let plain =
        |network| Place { network, more: Vec::new(), addresses: BTreeMap::new(), reserved: None, warning: None };
    let attachments = settings.attachments();
    let other = &settings.network;
    match other {
        NetworkMode::Host => return Ok(plain(Network::Host)),
        NetworkMode::None => return Ok(plain(Network::None)),
        NetworkMode::Container(name) => return Ok(plain(Network::Namespace(namespace_of(store, name, "net")?))),
        NetworkMode::Default | NetworkMode::Bridge | NetworkMode::Named(_) => {}
    }
    let helper = HELPERS.into_iter().find(|helper| *other == NetworkMode::Named(helper.name().to_owned()));
    let ports = wanted(settings);
    let is_asked_for = *other != NetworkMode::Default || !ports.is_empty() || attachments.len() > 1;
    let found = match is_rootless {
        true if helper.is_some() || other.is_bridge() => {
            outlet(helper, is_asked_for).map(|outlet| plain(Network::Outlet(outlet)))
        }
        true => Err(NetworkError::NoSuch(other.to_string()).into()),
        false if helper.is_some() => Err(NetworkError::ForOrdinaryUsers(other.to_string()).into()),
        false => bridges(engine, row, &attachments).map(|mut bridges| {
            if let (Some(first), Some(MacAddress(bytes))) = (bridges.first_mut(), settings.mac_address) {
                first.hardware = Some(bytes);
            }
            let addresses = attachments.iter().zip(&bridges);
            let addresses = addresses
                .map(|(one, bridge)| (one.network.clone(), (bridge.address.to_string(), bridge.device_number)));
            let addresses = addresses.collect();
            let more = bridges.split_off(1);
            let network = bridges.pop().map_or(Network::None, Network::Bridge);
            Place { more, addresses, ..plain(network) }
        }),
    };
    match found {
        Ok(place) => {
            // Nobody outside is to reach who cannot get out.
            let leads_out = match &place.network {
                Network::Bridge(first) => first.is_way_out || place.more.iter().any(|one| one.is_way_out),
                _ => true,
            };
            let reserved = (leads_out && !ports.is_empty()).then(|| take(&ports)).transpose();
            let reserved = reserved.map_err(|why| in_use(row, why))?;
            Ok(Place { reserved, ..place })
        }
        Err(why) if is_asked_for => Err(why),
        Err(why) => {
            let warning = format!("the container has no network but its own loopback: {why}");
            Ok(Place { warning: Some(warning), ..plain(Network::None) })
        }
    }
}

/// A place on the machine's bridge, or an ordinary user's way out, for a step of a build. Without one there is a warning.
pub(crate) fn for_step(engine: &Engine, id: &str) -> (Network, Option<String>) {
    let found = match engine.config().is_rootless {
        true => outlet(None, false).map(Network::Outlet),
        false => {
            let subnet = subnet(engine);
            subnet.prepare().and_then(|()| subnet.allocate(id)).map(Network::Bridge).map_err(Error::from)
        }
    };
    match found {
        Ok(network) => (network, None),
        Err(why) => (Network::None, Some(format!("the build has no network but its own loopback: {why}"))),
    }
}

/// An ordinary user's way out: only root can make a bridge.
fn outlet(wanted: Option<Helper>, is_asked_for: bool) -> Result<Outlet> {
    let outlet = Outlet::find(wanted).ok_or(NetworkError::NoHelper(wanted))?;
    // Where it is forbidden, the program would say so in words of its own, and later.
    Outlet::check_device().map_err(|why| {
        let reason = std::error::Error::source(&why).map(|why| format!(": {why}")).unwrap_or_default();
        NetworkError::HelperForbidden { helper: outlet.helper, why: format!("{why}{reason}") }
    })?;
    if !is_asked_for && !outlet.is_likely_to_work() {
        return Err(NetworkError::NoWayOut.into());
    }
    Ok(outlet)
}

/// The address by which the machine is known to others, and so to containers of ordinary users too: their packets leave
/// it as its own.
pub(super) fn host_address() -> IpAddr {
    // Connecting a datagram socket sends nothing; it only asks the kernel which way it would go. The address is one of
    // those that are nobody's.
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    asked.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// Where the container's own address is, once it runs.
pub(super) fn address(network: &Network) -> Option<Ipv4Addr> {
    match network {
        Network::Bridge(bridge) => Some(bridge.address),
        Network::Outlet(_) => Some(Outlet::ADDRESS),
        Network::Host | Network::None | Network::Namespace(_) => None,
    }
}

/// Leads the ports that were taken to the container, which runs now as process `pid`.
pub(super) fn forward_ports(network: &Network, reserved: Option<Reserved>, pid: u32) -> Result<Option<Proxy>> {
    let (Some(reserved), Some(address)) = (reserved, address(network)) else { return Ok(None) };
    if !matches!(network, Network::Outlet(_)) {
        return Ok(Some(reserved.lead_to(address)?));
    }
    // The address means this container only inside.
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let namespace = std::fs::File::open(&path).map_err(|source| Error::File { doing: "open", path, source })?;
    Ok(Some(reserved.lead_into(namespace.into(), address)?))
}

/// A place on each network. The way out is through the first that has one.
fn bridges(engine: &Engine, row: &ContainerRow, attachments: &[Attachment]) -> Result<Vec<Bridge>> {
    let mut bridges: Vec<Bridge> = Vec::with_capacity(attachments.len());
    for (attachment, number) in attachments.iter().zip(0..MAX_DEVICE_NUMBER) {
        let mut bridge = bridge_of(engine, row, attachment)?;
        bridge.device_number = number;
        bridge.is_way_out &= !bridges.iter().any(|other| other.is_way_out);
        bridges.push(bridge);
    }
    Ok(bridges)
}

/// A place on a network, whose bridge is made if it is missing.
pub(super) fn bridge_of(engine: &Engine, row: &ContainerRow, attachment: &Attachment) -> Result<Bridge> {
    if attachment.network == "bridge" {
        let subnet = subnet(engine);
        subnet.prepare()?;
        return Ok(subnet.allocate(&row.id)?);
    }
    let network = networks::named(engine, &attachment.network)?;
    let subnet = network.subnet(engine);
    let place = subnet.allocate_at(&row.id, attachment.address).map_err(|why| match why {
        wharfie_runtime::Error::Invalid { what, value, reason } if what == "address" => {
            match reason == "already in use" {
                true => Error::from(NetworkError::AddressInUse),
                false => NetworkError::BadAddress { value, reason }.into(),
            }
        }
        why => why.into(),
    })?;
    // From here on the network cannot be removed; it may have been a moment ago.
    if let Err(why) = networks::named(engine, &attachment.network) {
        subnet.release(&row.id)?;
        subnet.forget_if_unused(|| Ok::<_, Error>(()))?;
        return Err(why);
    }
    let made = if subnet.is_there() { Ok(subnet.prepare()?) } else { networks::make_again(engine, &network, &subnet) };
    made.inspect_err(|_| {
        let _ = subnet.release(&row.id);
    })?;
    Ok(place)
}

/// Takes back a container's address on a network. What cannot be taken back now is found by a check of the store.
pub(super) fn release(engine: &Engine, row: &ContainerRow, network: &str) {
    let subnet = match network {
        "bridge" => Some(subnet(engine)),
        name => networks::named(engine, name).ok().map(|network| network.subnet(engine)),
    };
    let _ = subnet.map(|subnet| subnet.release(&row.id));
}

/// Docker's words for a port that somebody else has.
fn in_use(row: &ContainerRow, why: wharfie_runtime::Error) -> Error {
    match why {
        wharfie_runtime::Error::Invalid { value: address, reason, .. } => {
            NetworkError::Port { container: row.name.clone(), id: row.id.clone(), address, reason }.into()
        }
        why => why.into(),
    }
}

/// The ports that are to be open on the host, each with those of the host that will do.
fn wanted(settings: &Settings) -> Vec<PortBinding> {
    let mut wanted = settings.ports.clone();
    let exposed = settings.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
    for port in exposed.filter(|_| settings.publish_all) {
        // What an image exposes may be anything.
        for binding in words::publish(port).unwrap_or_default() {
            if !wanted.iter().any(|known| known.inside() == binding.inside()) {
                wanted.push(binding);
            }
        }
    }
    wanted
}

/// Takes the ports; of several that will do, the first that is free.
fn take(wanted: &[PortBinding]) -> Result<Reserved, wharfie_runtime::Error> {
    let mut taken = Reserved::default();
    for binding in wanted {
        let HostPorts { first, last } = binding.host;
        let publish = |host_port| Publish {
            host: binding.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            host_port,
            port: binding.container,
            protocol: match binding.protocol {
                words::Protocol::Tcp => Protocol::Tcp,
                words::Protocol::Udp => Protocol::Udp,
            },
        };
        let mut result = taken.add(publish(first));
        for next in first.saturating_add(1)..=last {
            if result.is_ok() {
                break;
            }
            result = taken.add(publish(next));
        }
        result?;
    }
    Ok(taken)
}

/// The ports that are open, for the container's row.
pub(super) fn document(proxy: &Proxy) -> Result<String> {
    let open: Vec<_> = proxy.ports().iter().map(binding).collect();
    serde_json::to_string(&open).map_err(Error::Document)
}

fn binding(port: &Publish) -> PortBinding {
    let protocol = match port.protocol {
        Protocol::Tcp => words::Protocol::Tcp,
        Protocol::Udp => words::Protocol::Udp,
    };
    PortBinding { container: port.port, protocol, address: Some(port.host), host: HostPorts::one(port.host_port) }
}

/// The ports of the host that lead to a container now, ordered by the container's.
pub fn open_ports(row: &ContainerRow) -> Vec<PortBinding> {
    let mut open: Vec<PortBinding> = match row.state.running().filter(|_| is_alive(row)) {
        Some(running) => serde_json::from_str(&running.ports).unwrap_or_default(),
        None => Vec::new(),
    };
    open.sort();
    open
}

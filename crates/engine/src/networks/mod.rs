//! Networks of the user's own: a bridge each, with addresses of its own, made and removed by name.

mod error;
mod inspect;
mod list;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub use error::NetworkError;
pub(crate) use inspect::builtin_id;
pub use inspect::{Driver, is_builtin};
pub use list::{ListNetworks, PruneNetworks};
use serde::{Deserialize, Serialize};
use wharfie_oci::{ContainerId, ContainerName, NetworkId, NetworkName, Timestamp};
use wharfie_runtime::{Subnet, lock_networks};

use crate::container::network::mark;
use crate::container::random;
use crate::container::settings::Settings;
use crate::container::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// `ADDRESS/BITS`; one that is free if not given.
    pub subnet: Option<String>,
    /// The bridge's own address; the first one if not given.
    pub gateway: Option<Ipv4Addr>,
    /// Nothing leads out.
    pub is_internal: bool,
    /// It was made for containers to join by hand, which they can in any case.
    pub is_attachable: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `ADDRESS/BITS` within the subnet, from which containers get addresses; all of it if not given.
    pub range: Option<String>,
    /// Addresses of others by their names, which no container gets.
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// Options of docker's bridge driver; those that would change nothing here are refused.
    pub options: BTreeMap<String, String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// What it is, whatever it is called.
    pub id: NetworkId,
    /// Its name.
    pub name: NetworkName,
    /// When it was made, in nanoseconds since 1970.
    pub created: i64,
    /// First address.
    pub address: Ipv4Addr,
    /// How many bits of it are the network's.
    pub prefix: u8,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// Nothing leads out.
    pub is_internal: bool,
    /// It was made for containers to join by hand.
    #[serde(default)]
    pub is_attachable: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// From which containers get addresses, if not from all of it: first address and bits.
    #[serde(default)]
    pub range: Option<(Ipv4Addr, u8)>,
    /// Addresses of others by their names, which no container gets.
    #[serde(default)]
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// Options as they were given.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What makes it work. Networks of users' own are bridges.
    #[serde(skip)]
    pub driver: Driver,
    /// It is there without being made.
    #[serde(skip)]
    pub is_builtin: bool,
}

impl Network {
    /// When it was made.
    pub fn created(&self) -> Timestamp {
        if self.is_builtin { Timestamp::ZERO } else { Timestamp::from_nanos(self.created) }
    }

    /// The bridge, named after the id unless it was given a name: 15 characters are a device name's limit.
    pub fn device(&self) -> String {
        self.options.get(BRIDGE_NAME).cloned().unwrap_or_else(|| self.own_name())
    }

    /// A name that no other network and no other program has.
    fn own_name(&self) -> String {
        format!("wb{}", self.id.short())
    }

    pub(crate) fn subnet(&self, engine: &Engine) -> Subnet {
        Subnet {
            device: self.device(),
            table: self.own_name(),
            network: self.address,
            prefix: self.prefix,
            gateway: self.gateway,
            is_internal: self.is_internal,
            pool: self.range,
            reserved: self.reserved.values().copied().collect(),
            mtu: self.options.get(MTU).and_then(|text| text.parse().ok()),
            store: mark(engine),
            state: engine.config().state.clone(),
        }
    }

    fn range(&self) -> Range {
        Range { first: self.address.into(), prefix: self.prefix }
    }
}

const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MTU: &str = "com.docker.network.driver.mtu";
/// Options that say what is done anyway.
const USUAL: &[(&str, &[&str])] = &[
    ("com.docker.network.bridge.enable_icc", &["true", "1"]),
    ("com.docker.network.bridge.enable_ip_masquerade", &["true", "1"]),
    ("com.docker.network.bridge.host_binding_ipv4", &["0.0.0.0"]),
    ("com.docker.network.bridge.default_bridge", &["false", "0"]),
];

/// Judges the driver's options: none is accepted that would change nothing.
fn check_options(options: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in options {
        let is_fine = match name.as_str() {
            BRIDGE_NAME => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                let is_name = value.starts_with(|c: char| c.is_ascii_alphabetic()) && value.chars().all(is_word);
                // That of the machine's own bridge is not there before its first container.
                is_name && value.len() < 16 && value != "wharfie0"
            }
            MTU => value.parse::<u32>().is_ok_and(|mtu| (68..=65_535).contains(&mtu)),
            name => USUAL.iter().any(|(known, values)| *known == name && values.contains(&value.as_str())),
        };
        if !is_fine {
            return Err(NetworkError::Option { name: name.clone(), value: value.clone() }.into());
        }
    }
    Ok(())
}

/// Addresses with a beginning in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    prefix: u8,
}

impl Range {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask() & other.mask();
        self.first & mask == other.first & mask
    }

    /// As docker's daemon reads it, in its words.
    fn parse(text: &str) -> Result<Self> {
        let invalid = || NetworkError::BadSubnet(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| invalid())?;
        // Fewer than two bits leave no address for a container.
        let prefix: u8 = prefix.parse().ok().filter(|bits| (1..=30).contains(bits)).ok_or_else(invalid)?;
        let range = Self { first: address.into(), prefix };
        Ok(Self { first: range.first & range.mask(), prefix })
    }
}

impl Engine {
    /// Makes a network with its bridge. Gives its id.
    ///
    /// # Errors
    /// In docker's words, when the name is taken or no name, or the addresses are; when the bridge cannot be made.
    pub fn create_network(&self, create: &CreateNetwork) -> Result<Network> {
        let name = &create.name;
        if is_builtin(name) || name == "default" {
            return Err(NetworkError::MakePredefined(name.clone()).into());
        }
        let name: &NetworkName = &name.parse().map_err(|_| NetworkError::BadName(name.clone()))?;
        if self.config().is_rootless || !rustix::process::geteuid().is_root() {
            return Err(NetworkError::OnlyRoot("make networks").into());
        }
        check_options(&create.options)?;
        let asked = create.subnet.as_deref().map(Range::parse).transpose()?;
        let pool = create.range.as_deref().map(Range::parse).transpose()?;
        if let Some(pool) = pool
            && asked.is_none_or(|range| pool.prefix < range.prefix || !range.overlaps(pool))
        {
            let value = create.range.clone().unwrap_or_default();
            return Err(NetworkError::OutsideSubnet { what: "range", value }.into());
        }
        if let Some(address) = create
            .reserved
            .values()
            .find(|address| asked.is_none_or(|range| u32::from(**address) & range.mask() != range.first))
        {
            return Err(NetworkError::aux_outside(*address).into());
        }
        let store = self.writer()?;
        // From the choice of addresses until the bridge has them nobody else on this machine chooses.
        let _turn = lock_networks(&self.config().state)?;
        // What is lost may have the name or the addresses that are wanted; what cannot be removed harms nobody else.
        let _ = self.remove_lost_networks();
        if let Some(device) = create.options.get(BRIDGE_NAME)
            && std::path::Path::new("/sys/class/net").join(device).exists()
        {
            return Err(NetworkError::DeviceExists(device.clone()).into());
        }
        let others = store.networks()?;
        if others.iter().any(|(other, _)| *name == *other) {
            return Err(NetworkError::Exists(name.to_string()).into());
        }
        let others: Vec<Network> = others.iter().filter_map(|(_, text)| parse(text)).collect();
        let range = range_of(create, asked, &others)?;
        let gateway = create.gateway.unwrap_or_else(|| Ipv4Addr::from(range.first + 1));
        if create.reserved.values().any(|address| *address == gateway) {
            return Err(NetworkError::AddressInUse.into());
        }
        if u32::from(gateway) & range.mask() != range.first {
            return Err(NetworkError::OutsideSubnet { what: "gateway", value: gateway.to_string() }.into());
        }
        let network = Network {
            id: NetworkId::from_random(random::bytes()?),
            name: name.clone(),
            created: store.now().to_nanos(),
            address: range.first.into(),
            prefix: range.prefix,
            gateway,
            is_internal: create.is_internal,
            is_attachable: create.is_attachable,
            labels: create.labels.clone(),
            range: pool.map(|pool| (pool.first.into(), pool.prefix)),
            reserved: create.reserved.clone(),
            options: create.options.clone(),
            driver: Driver::Bridge,
            is_builtin: false,
        };
        // Its row comes last, so that nobody uses or removes what is not there yet; its claim comes first, so that the bridge
        // is found if we are killed in between.
        let subnet = network.subnet(self);
        let attempt = || {
            subnet.claim()?;
            subnet.prepare()?;
            let event = events::of_network(&network.id, name, "create", None);
            let document = |_: &[(String, String)]| serde_json::to_string(&network).map_err(Error::Document);
            store.noting(vec![event], |store| store.record_network(name, document))
        };
        match attempt() {
            Ok(true) => Ok(network),
            failed => {
                let _ = subnet.forget_if_unused(|| Ok::<_, Error>(()));
                failed.and_then(|_| Err(NetworkError::Exists(name.to_string()).into()))
            }
        }
    }

    /// Every network of the user's own, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn networks(&self) -> Result<Vec<Network>> {
        Ok(self.reader()?.networks()?.iter().filter_map(|(_, text)| parse(text)).collect())
    }

    /// The network of the user's own that `name` names: its name, or the unique beginning of its id.
    ///
    /// # Errors
    /// When there is none.
    pub fn network(&self, name: &str) -> Result<Network> {
        let all = self.networks()?;
        let by_name = all.iter().find(|network| network.name == name);
        let mut by_id = all.iter().filter(|network| !name.is_empty() && network.id.starts_with(name));
        match (by_name, by_id.next(), by_id.next()) {
            (Some(network), ..) | (None, Some(network), None) => Ok(network.clone()),
            _ => Err(NetworkError::NoSuch(name.to_owned()).into()),
        }
    }

    /// Removes a network and its bridge.
    ///
    /// # Errors
    /// When there is none, it is in use, or cannot be removed.
    pub fn remove_network(&self, name: &str) -> Result<()> {
        if is_builtin(name) {
            return Err(NetworkError::RemovePredefined(name.to_owned()).into());
        }
        self.network(name)?;
        let _turn = lock_networks(&self.config().state)?;
        let network = self.network(name)?;
        let in_use = |user| Err(NetworkError::InUse { name: network.name.clone(), user }.into());
        let users = self.users_of_network(&network.name)?;
        if let [(name, id), ..] = users.as_slice() {
            return in_use(Some((name.clone(), id.clone())));
        }
        let store = self.writer()?;
        let forget = || {
            let event = events::of_network(&network.id, &network.name, "destroy", None);
            let is_it = |text: &str| parse(text).is_some_and(|now| now.id == network.id);
            store.noting(vec![event], |store| store.remove_network(&network.name, is_it)).map_err(Error::from)
        };
        if self.is_rehearsal() {
            return forget();
        }
        let subnet = network.subnet(self);
        self.release_lost(&subnet, &subnet.owners()?)?;
        // One that is being started has an address already.
        let is_gone = subnet.forget_if_unused(forget)?;
        if is_gone { Ok(()) } else { in_use(None) }
    }

    /// Takes addresses back whose owners, all of this store, are gone or do not run: those who looked after them were
    /// killed. Gives the owners.
    pub(crate) fn release_lost(&self, subnet: &Subnet, owners: &[String]) -> Result<Vec<String>> {
        let store = self.writer()?;
        let mut lost = Vec::new();
        for owner in owners {
            let lock = match store.find_container(owner)? {
                None if store.is_step_running(owner) => continue,
                None => None,
                // Whoever is about to start it holds its lock.
                Some(row) => match store.try_lock_container(&row.id)? {
                    None => continue,
                    lock => lock,
                },
            };
            let is_lost = match store.find_container(owner)? {
                None => true,
                Some(row) => lock.is_some() && !is_alive(&row),
            };
            if is_lost {
                subnet.release(owner)?;
                lost.push(owner.clone());
            }
        }
        Ok(lost)
    }

    /// Removes bridges and tables of this store that belong to no network of it, because who made or removed the network was
    /// killed; networks are locked. Gives their names.
    pub(crate) fn remove_lost_networks(&self) -> Result<Vec<String>> {
        let known: Vec<String> = self.networks()?.iter().map(Network::own_name).collect();
        let mut lost = Vec::new();
        for subnet in Subnet::claimed(&self.config().state, &mark(self))? {
            if subnet.table == crate::container::network::subnet(self).table || known.contains(&subnet.table) {
                continue;
            }
            self.release_lost(&subnet, &subnet.owners_of_store()?)?;
            if subnet.forget_if_unused(|| Ok::<_, Error>(()))? {
                lost.push(subnet.device);
            }
        }
        Ok(lost)
    }

    /// As [`Self::remove_lost_networks`], once nobody makes or removes networks.
    pub(crate) fn remove_lost_networks_in_turn(&self) -> Result<Vec<String>> {
        if self.is_rehearsal()
            || self.config().is_rootless
            || !rustix::process::geteuid().is_root()
            || !std::fs::exists(&self.config().state).unwrap_or(false)
        {
            return Ok(Vec::new());
        }
        let _turn = lock_networks(&self.config().state)?;
        self.remove_lost_networks()
    }

    /// Names and ids of the running containers on a network.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users_of_network(&self, name: &str) -> Result<Vec<(ContainerName, ContainerId)>> {
        let mut users = Vec::new();
        for row in self.containers()?.into_iter().filter(is_alive) {
            if readable_settings(&row).attachments().iter().any(|one| one.network == name) {
                users.push((row.name, row.id));
            }
        }
        Ok(users)
    }
}

/// The network that a container is to be on.
pub(crate) fn named(engine: &Engine, name: &str) -> Result<Network> {
    let found = engine.reader()?.network(name)?.as_deref().and_then(parse);
    found.ok_or_else(|| NetworkError::NoSuch(name.to_owned()).into())
}

/// Makes the bridge of a network that has none, after a boot: another store may have given its addresses to a network of its
/// own meanwhile.
pub(crate) fn make_again(engine: &Engine, network: &Network, subnet: &Subnet) -> Result<()> {
    let _turn = lock_networks(&engine.config().state)?;
    // What is no bridge of ours the user may have meant to overlap.
    let is_bridge = |device: &str| device.starts_with("wb") && device != network.device();
    if routes().iter().any(|(device, range)| is_bridge(device) && range.overlaps(network.range())) {
        return Err(NetworkError::OverlapNow(network.name.clone()).into());
    }
    subnet.claim()?;
    Ok(subnet.prepare()?)
}

/// The addresses of every network that a container with these settings can have one of.
pub(crate) fn subnets(engine: &Engine, settings: &Settings) -> Vec<Subnet> {
    let attachments = settings.attachments();
    let of = |name: &str| match name {
        "bridge" => Some(crate::container::network::subnet(engine)),
        name => named(engine, name).ok().map(|network| network.subnet(engine)),
    };
    attachments.iter().filter_map(|one| of(&one.network)).collect()
}

fn parse(document: &str) -> Option<Network> {
    serde_json::from_str(document).ok()
}

/// The addresses of a network that is to be made beside others.
fn range_of(create: &CreateNetwork, asked: Option<Range>, others: &[Network]) -> Result<Range> {
    let (first, prefix) = Subnet::DEFAULT_RANGE;
    let mut taken = vec![Range { first: first.into(), prefix }];
    taken.extend(others.iter().map(Network::range));
    // Its bridge may not be there yet after a boot.
    if let Some(device) = create.options.get(BRIDGE_NAME)
        && others.iter().any(|other| other.device() == *device)
    {
        return Err(NetworkError::DeviceExists(device.clone()).into());
    }
    match asked {
        Some(range) if taken.iter().any(|other| other.overlaps(range)) => Err(NetworkError::Overlap.into()),
        Some(range) => Ok(range),
        None => free(&taken, &routes().into_iter().map(|(_, range)| range).collect::<Vec<_>>())
            .ok_or_else(|| NetworkError::NoRangeLeft.into()),
    }
}

/// A range of 254 addresses that neither our networks nor the machine's routes know.
fn free(taken: &[Range], routes: &[Range]) -> Option<Range> {
    let candidates = (0..=u8::MAX).map(|third| Range { first: Ipv4Addr::new(10, 90, third, 0).into(), prefix: 24 });
    // A default route is on everything's way.
    let is_free = |one: &Range| !taken.iter().chain(routes).any(|other| other.prefix > 0 && other.overlaps(*one));
    candidates.into_iter().find(is_free)
}

/// Where this machine sends packets, and by which device. Other stores' bridges are among it.
fn routes() -> Vec<(String, Range)> {
    let text = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (first, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        Some((fields[0].to_owned(), Range { first, prefix: u8::try_from(mask.count_ones()).ok()? }))
    };
    text.lines().skip(1).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_or_not() {
        let check = |one: &str, other: &str, expected: bool| {
            let (one, other) = (Range::parse(one).unwrap(), Range::parse(other).unwrap());
            assert_eq!((one.overlaps(other), other.overlaps(one)), (expected, expected));
        };
        check("10.0.0.0/8", "10.9.0.0/24", true);
        check("10.0.0.0/24", "10.0.1.0/24", false);
        check("10.0.0.7/24", "10.0.0.200/25", true);
        assert!(
            ["10.0.0.0", "10.0.0.0/31", "x/8", "10.0.0.0/0", "::1/64"].iter().all(|bad| Range::parse(bad).is_err())
        );
    }

    #[test]
    fn the_next_free_range_is_found() {
        let range = |text: &str| Range::parse(text).unwrap();
        let default = Range { first: 0, prefix: 0 };
        assert_eq!(free(&[range("10.90.0.0/24")], &[range("10.90.1.0/24"), default]), Some(range("10.90.2.0/24")));
        assert_eq!(free(&[range("10.0.0.0/8")], &[]), None);
    }
}

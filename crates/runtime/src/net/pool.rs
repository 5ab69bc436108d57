//! The addresses of a bridge: who has which, in a directory that every process can look into.

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::net::machine::{CLAIM, lock_file};
use crate::net::{bridge, firewall};

/// A bridge and the addresses on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Name of the bridge device, `wharfie0`: 15 characters at most.
    pub device: String,
    /// Name of the firewall's table for it, and of the directory of its addresses. Users choose devices' names, never this.
    pub table: String,
    /// First address of the network.
    pub network: Ipv4Addr,
    /// How many bits are the network's.
    pub prefix: u8,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// Nothing leads out of it.
    pub is_internal: bool,
    /// Where addresses for containers come from if nobody asks for one: first address and bits; the whole network if not
    /// given.
    #[serde(default)]
    pub pool: Option<(Ipv4Addr, u8)>,
    /// Addresses that are never given away.
    #[serde(default)]
    pub reserved: Vec<Ipv4Addr>,
    /// How long a packet may be, in bytes; the kernel's 1500 if not given.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The store whose containers get addresses here, by a word without spaces that no other store of the machine has.
    #[serde(default)]
    pub store: String,
    /// Directory in which the addresses that are taken are remembered; made if missing.
    pub state: PathBuf,
}

/// A container's place on a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The bridge device.
    pub device: String,
    /// Name of the firewall's table for it.
    pub table: String,
    /// The bridge's own address, the way out.
    pub gateway: Ipv4Addr,
    /// How many bits are the network's.
    pub prefix: u8,
    /// The container's address.
    pub address: Ipv4Addr,
    /// Which of the container's devices it is: 0 is `eth0`.
    pub device_number: u8,
    /// Nothing leads out of the bridge.
    pub is_internal: bool,
    /// What is not for another of the container's networks goes here.
    pub is_way_out: bool,
    /// How long a packet may be, in bytes; the kernel's 1500 if not given.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The hardware address that was asked for.
    #[serde(default)]
    pub hardware: Option<[u8; 6]>,
}

impl Bridge {
    /// The container's hardware address, made of its address as docker does unless another one was asked for.
    pub fn hardware_address(&self) -> [u8; 6] {
        let [a, b, c, d] = self.address.octets();
        self.hardware.unwrap_or([0x02, 0x42, a, b, c, d])
    }

    /// The network's first address.
    pub(crate) fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.gateway) & !u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0))
    }
}

impl Subnet {
    /// The addresses of the network that containers are in unless they are told otherwise: beside docker's own.
    pub const DEFAULT_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 29, 0, 0), 16);

    /// [`Self::DEFAULT_RANGE`] on `wharfie0`.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        let (network, prefix) = Self::DEFAULT_RANGE;
        let gateway = Ipv4Addr::from(u32::from(network) + 1);
        let device = "wharfie0".to_owned();
        Self {
            table: device.clone(),
            device,
            network,
            prefix,
            gateway,
            is_internal: false,
            pool: None,
            reserved: Vec::new(),
            mtu: None,
            store: String::new(),
            state: state.into(),
        }
    }

    /// Makes the bridge and the way out of it if they are missing, so that what cannot work fails before a container
    /// starts. Idempotent.
    ///
    /// # Errors
    /// When the kernel refuses, or the program that makes the rules is missing.
    pub fn prepare(&self) -> Result<()> {
        bridge::prepare(&self.place(self.network)).map(|_index| ())
    }

    /// Whether the bridge is there.
    pub fn is_there(&self) -> bool {
        bridge::index_of(&self.device).is_some()
    }

    /// Gives `id` an address, the one it has if it has one.
    ///
    /// # Errors
    /// When all are taken or the directory cannot be used.
    pub fn allocate(&self, id: &str) -> Result<Bridge> {
        self.allocate_at(id, None)
    }

    /// As [`Subnet::allocate`]; `wanted` is the only address that will do.
    ///
    /// # Errors
    /// When it is another's or none of this network, also.
    pub fn allocate_at(&self, id: &str, wanted: Option<Ipv4Addr>) -> Result<Bridge> {
        let _lock = self.lock()?;
        let taken = self.taken()?;
        let found = taken.iter().find(|(_, owner)| owner == id).map(|(address, _)| *address);
        let address = match (found, wanted) {
            (found, Some(wanted)) if found != Some(wanted) => {
                if taken.iter().any(|(other, _)| *other == wanted) {
                    return Err(Error::invalid("address", wanted.to_string(), "already in use"));
                }
                if !self.addresses().any(|address| address == wanted) {
                    let reason = "it does not belong to any of this network's subnets";
                    return Err(Error::invalid("address", wanted.to_string(), reason));
                }
                self.write(wanted, id)?;
                wanted
            }
            (Some(address), _) => address,
            (None, _) => {
                let mut pool = self.addresses().filter(|address| self.is_in_pool(*address));
                let free = pool.find(|address| !taken.iter().any(|(other, _)| other == address));
                let full = || Error::invalid("network", &self.device, "all its addresses are taken");
                let address = free.ok_or_else(full)?;
                self.write(address, id)?;
                address
            }
        };
        Ok(self.place(address))
    }

    fn place(&self, address: Ipv4Addr) -> Bridge {
        Bridge {
            device: self.device.clone(),
            table: self.table.clone(),
            gateway: self.gateway,
            prefix: self.prefix,
            address,
            device_number: 0,
            is_internal: self.is_internal,
            is_way_out: !self.is_internal,
            mtu: self.mtu,
            hardware: None,
        }
    }

    /// Takes back the address of `id`. Idempotent.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn release(&self, id: &str) -> Result<()> {
        if !self.directory().exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for (address, _) in self.taken()?.into_iter().filter(|(_, owner)| owner == id) {
            let path = self.directory().join(address.to_string());
            std::fs::remove_file(&path).map_err(Error::system(format!("remove {}", path.display())))?;
        }
        Ok(())
    }

    /// Ids that have an address, whether they live or not: whoever knows which do can clean up after the others.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn owners(&self) -> Result<Vec<String>> {
        if !self.directory().exists() {
            return Ok(Vec::new());
        }
        Ok(self.taken()?.into_iter().map(|(_, owner)| owner).collect())
    }

    /// As [`Subnet::owners`], those of this store only. A bridge may be shared by all stores of the machine.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn owners_of_store(&self) -> Result<Vec<String>> {
        if !self.directory().exists() || self.store.is_empty() {
            return Ok(Vec::new());
        }
        let ours = self.entries()?.into_iter().filter(|(_, _, store)| *store == self.store);
        Ok(ours.map(|(_, owner, _)| owner).collect())
    }

    /// Removes the bridge and its firewall table if nobody has an address any more. Idempotent. They cost nothing
    /// while they are there, so this is for those who want to see nothing of us on their machine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove_if_unused(&self) -> Result<bool> {
        if !self.directory().exists() {
            return self.remove().map(|()| true);
        }
        let _lock = self.lock()?;
        if !self.taken()?.is_empty() {
            return Ok(false);
        }
        self.remove().map(|()| true)
    }

    /// As [`Subnet::remove_if_unused`], for a network that will not come back: nobody gets an address on it before `forget`
    /// has made it forgotten, and who gets one later finds it forgotten.
    ///
    /// # Errors
    /// When the kernel refuses, or what `forget` says.
    pub fn forget_if_unused<E: From<Error>>(&self, forget: impl FnOnce() -> Result<(), E>) -> Result<bool, E> {
        let _lock = self.lock()?;
        if !self.taken()?.is_empty() {
            return Ok(false);
        }
        self.remove()?;
        forget()?;
        for name in [CLAIM, "new", "lock"] {
            let _ = std::fs::remove_file(self.directory().join(name));
        }
        let _ = std::fs::remove_dir(self.directory());
        Ok(true)
    }

    fn remove(&self) -> Result<()> {
        bridge::remove_device(&self.device)?;
        firewall::remove(&self.device, &self.table)
    }

    /// All that can be given away.
    fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        let first = u32::from(self.network);
        let last = first | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        let addresses = (first + 1..last).map(Ipv4Addr::from).filter(|address| *address != self.gateway);
        addresses.filter(|address| !self.reserved.contains(address))
    }

    fn is_in_pool(&self, address: Ipv4Addr) -> bool {
        let Some((first, bits)) = self.pool else { return true };
        let mask = !u32::MAX.checked_shr(bits.into()).unwrap_or(0);
        u32::from(address) & mask == u32::from(first) & mask
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.state.join(&self.table)
    }

    pub(super) fn lock(&self) -> Result<File> {
        let directory = self.directory();
        loop {
            make_private(&self.state)
                .and_then(|()| make_private(&directory))
                .map_err(Error::system(format!("make {}", directory.display())))?;
            match lock_file(&directory.join("lock")) {
                // Whoever forgets the network has removed the directory meanwhile.
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                result => return result.map_err(Error::system(format!("lock {}", directory.display()))),
            }
        }
    }

    fn taken(&self) -> Result<Vec<(Ipv4Addr, String)>> {
        Ok(self.entries()?.into_iter().map(|(address, owner, _)| (address, owner)).collect())
    }

    /// Addresses, their owners, and the owners' stores.
    fn entries(&self) -> Result<Vec<(Ipv4Addr, String, String)>> {
        let directory = self.directory();
        let entries = std::fs::read_dir(&directory).map_err(Error::system(format!("read {}", directory.display())))?;
        let parse = |entry: std::fs::DirEntry| {
            let address = entry.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read_to_string(entry.path()).ok()?;
            let (owner, store) = text.split_once(' ').unwrap_or((&text, ""));
            Some((address, owner.to_owned(), store.to_owned()))
        };
        Ok(entries.flatten().filter_map(parse).collect())
    }

    /// Written aside and renamed: an address never has half an owner, who would keep it for ever.
    fn write(&self, address: Ipv4Addr, id: &str) -> Result<()> {
        let (aside, path) = (self.directory().join("new"), self.directory().join(address.to_string()));
        let doing = || format!("write {}", path.display());
        let mut file = File::create(&aside).map_err(Error::system(doing()))?;
        write!(file, "{id} {}", self.store).map_err(Error::system(doing()))?;
        std::fs::rename(&aside, &path).map_err(Error::system(doing()))
    }
}

/// A directory that other users cannot enter: a lock that they can open is a lock that they can hold.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // It may be there from before this was so.
    if directory.symlink_metadata()?.mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_and_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let (network, gateway) = (Ipv4Addr::new(10, 9, 0, 0), Ipv4Addr::new(10, 9, 0, 1));
        let subnet = Subnet { network, gateway, prefix: 29, ..Subnet::new(directory.path()) };
        let given: Vec<_> = (0..5).map(|id| subnet.allocate(&id.to_string()).unwrap().address.octets()[3]).collect();
        assert_eq!(given, [2, 3, 4, 5, 6]);
        assert!(subnet.allocate("more").is_err());
        assert_eq!(subnet.allocate("3").unwrap().address.octets()[3], 5);
        subnet.release("3").unwrap();
        subnet.release("3").unwrap();
        let again = subnet.allocate("more").unwrap();
        assert_eq!((again.address.octets()[3], again.gateway.octets()[3]), (5, 1));
        assert_eq!(again.hardware_address(), [2, 0x42, 10, 9, 0, 5]);
        assert_eq!(again.network(), subnet.network);
        let at = |octet| subnet.allocate_at("more", Some(Ipv4Addr::new(10, 9, 0, octet)));
        assert!(at(2).is_err() && at(1).is_err() && at(9).is_err());
        assert_eq!(at(5).unwrap().address.octets()[3], 5);
    }

    #[test]
    fn nobody_shares_an_address() {
        let directory = tempfile::tempdir().unwrap();
        let subnet = Subnet::new(directory.path());
        let all = std::thread::scope(|scope| {
            let each = |id: usize| {
                scope.spawn({
                    let subnet = &subnet;
                    move || subnet.allocate(&id.to_string()).unwrap().address
                })
            };
            let workers: Vec<_> = (0..40).map(each).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(all.len(), 40);
    }
}

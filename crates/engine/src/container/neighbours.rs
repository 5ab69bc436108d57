//! Names of containers as host names: every container on a network of the user's own has the others in its `/etc/hosts`.
//!
//! There is nobody who could answer questions while nothing runs, and nobody is needed: whoever starts or ends a container
//! writes the files of those that run. They are written in place, because they are mounted in the containers; what is in them
//! is never read, because containers can write there. The lines that are a container's own are in a file beside it, which no
//! container sees.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use wharfie_store::containers::ContainerRow;

use super::settings::Settings;
use super::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Between the container's own lines and those of its neighbours.
const MARK: &str = "# Containers on the same networks:\n";

/// The lines that a container has without neighbours; beside the file that is mounted in it.
pub(super) const OWN_HOSTS: &str = "hosts.own";

/// A container's addresses by the networks' names, and which of its devices has each.
type Addresses = BTreeMap<String, (String, u8)>;

/// A container that runs or is about to, and where it is reached.
struct Neighbour {
    row: ContainerRow,
    settings: Settings,
    addresses: Addresses,
}

impl Engine {
    /// Writes the names of the containers on these networks into the files of all that run there. Gives what did not go as
    /// it should: whatever a container does to its file, others start and end.
    pub(super) fn tell_names(&self, networks: &[String]) -> Vec<String> {
        if !networks.iter().any(|name| has_names(name)) {
            return Vec::new();
        }
        self.try_to_tell_names(networks)
            .unwrap_or_else(|why| vec![format!("the containers on its networks do not know its name: {why}")])
    }

    fn try_to_tell_names(&self, networks: &[String]) -> Result<Vec<String>> {
        // One after the other: who comes last has seen what the others did.
        let place = self.writer()?.root().join("containers");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let locked = rustix::fs::open(&place, flags, Mode::empty()).and_then(|directory| {
            rustix::fs::flock(&directory, FlockOperation::LockExclusive)?;
            Ok(directory)
        });
        let _turn = locked.map_err(|why| Error::File { doing: "lock", path: place, source: why.into() })?;
        let all = self.neighbours()?;
        let told = all.iter().filter(|one| one.addresses.keys().any(|name| networks.contains(name)));
        let failed = told.filter_map(|one| {
            let why = self.write_names(&one.row, &one.addresses, &all).err()?;
            Some(format!("container {} does not know all names of its neighbours: {why}", one.row.name))
        });
        Ok(failed.collect())
    }

    /// Writes the names of its neighbours into the file of a container that is about to start with these addresses.
    pub(super) fn tell_names_to(&self, row: &ContainerRow, settings: &Settings, addresses: &Addresses) -> Result<()> {
        if !addresses.keys().any(|name| has_names(name)) {
            return Ok(());
        }
        let mut all = self.neighbours()?;
        all.retain(|other| other.row.id != row.id);
        all.push(Neighbour { row: row.clone(), settings: settings.clone(), addresses: addresses.clone() });
        self.write_names(row, addresses, &all)
    }

    /// As they are written down: to mend a row that is not true tells names itself, and would wait for us.
    fn neighbours(&self) -> Result<Vec<Neighbour>> {
        let neighbour = |row: ContainerRow| {
            let settings = readable_settings(&row);
            let addresses = row.state.running().map(|running| running.addresses.clone()).unwrap_or_default();
            Ok(Neighbour { row, settings, addresses })
        };
        self.reader()?.containers()?.into_iter().filter(is_alive).map(neighbour).collect()
    }

    fn write_names(&self, row: &ContainerRow, addresses: &Addresses, all: &[Neighbour]) -> Result<()> {
        let place = self.container_place(row)?;
        let path = place.join(OWN_HOSTS);
        let mut text = std::fs::read_to_string(&path).map_err(|source| Error::File { doing: "read", path, source })?;
        text.push_str(MARK);
        for network in addresses.keys().filter(|name| has_names(name)) {
            text.push_str(&lines(network, all));
        }
        let path = place.join("hosts");
        overwrite(&path, text.as_bytes()).map_err(|source| Error::File { doing: "write", path, source })
    }
}

/// Gives a file that a container can write to other content, without looking at what it has. A container that holds a lease
/// on it is not waited for.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

/// Docker's own bridge has no names either.
fn has_names(network: &str) -> bool {
    network != "bridge"
}

/// Addresses and names of the containers on a network.
fn lines(network: &str, all: &[Neighbour]) -> String {
    let mut text = String::new();
    for Neighbour { row, settings, addresses } in all {
        let Some((address, _)) = addresses.get(network) else { continue };
        let mut names = vec![row.name.as_str(), row.id.short()];
        let attachments = settings.attachments();
        let own = attachments.iter().filter(|one| one.network == network);
        names.extend(own.flat_map(|one| one.aliases.iter()).map(String::as_str));
        // Nobody may write lines of his own into the files of others.
        names.retain(|name| {
            !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
        });
        writeln!(text, "{address}\t{}", names.join(" ")).expect("a string accepts every write");
    }
    text
}

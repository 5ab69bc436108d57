//! Names of containers as host names: every container on a network of the user's own has the others in its `/etc/hosts`.
//!
//! There is nobody who could answer questions while nothing runs, and nobody is needed: whoever starts or ends a container
//! writes the files of those that run. They are written in place, because they are mounted in the containers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{FlockOperation, Mode, OFlags};
use wharfie_store::containers::ContainerRow;

use super::settings::Settings;
use super::{is_alive, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Where our part of the file begins; what is above belongs to the container.
const MARK: &str = "# Containers on the same networks:\n";

impl Engine {
    /// Writes the names of the containers on these networks into the files of all that run there.
    pub(super) fn tell_names(&self, networks: &[String]) -> Result<()> {
        if !networks.iter().any(|name| has_names(name)) {
            return Ok(());
        }
        let store = self.writer()?;
        // One after the other: who comes last has seen what the others did.
        let place = store.root().join("containers");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let locked = rustix::fs::open(&place, flags, Mode::empty()).and_then(|directory| {
            rustix::fs::flock(&directory, FlockOperation::LockExclusive)?;
            Ok(directory)
        });
        let _turn = locked.map_err(|why| Error::File { doing: "lock", path: place, source: why.into() })?;
        let rows = self.running_rows()?;
        for (row, _) in rows.iter().filter(|(row, _)| row.state.addresses.keys().any(|name| networks.contains(name))) {
            self.write_names(row, &row.state.addresses, &rows)?;
        }
        Ok(())
    }

    /// Writes the names of its neighbours into the file of a container that is about to start with these addresses.
    pub(super) fn tell_names_to(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        addresses: &BTreeMap<String, (String, u8)>,
    ) -> Result<()> {
        if !addresses.keys().any(|name| has_names(name)) {
            return Ok(());
        }
        let mut rows = self.running_rows()?;
        rows.retain(|(other, _)| other.id != row.id);
        let mut own = row.clone();
        own.state.addresses.clone_from(addresses);
        rows.push((own, settings.clone()));
        self.write_names(row, addresses, &rows)
    }

    fn running_rows(&self) -> Result<Vec<(ContainerRow, Settings)>> {
        let with_settings = |row: ContainerRow| settings_of(&row).map(|settings| (row, settings));
        self.containers()?.into_iter().filter(is_alive).map(with_settings).collect()
    }

    fn write_names(
        &self,
        row: &ContainerRow,
        addresses: &BTreeMap<String, (String, u8)>,
        rows: &[(ContainerRow, Settings)],
    ) -> Result<()> {
        let path = self.container_place(row)?.join("hosts");
        let doing = |source| Error::File { doing: "write", path: path.clone(), source };
        let known = std::fs::read_to_string(&path).map_err(doing)?;
        let mut text = known.split(MARK).next().unwrap_or_default().to_owned();
        text.push_str(MARK);
        for network in addresses.keys().filter(|name| has_names(name)) {
            text.push_str(&lines(network, rows));
        }
        let file = File::options().write(true).open(&path).map_err(doing)?;
        file.write_all_at(text.as_bytes(), 0).and_then(|()| file.set_len(text.len() as u64)).map_err(doing)
    }
}

/// Docker's own bridge has no names either.
fn has_names(network: &str) -> bool {
    network != "bridge"
}

/// Addresses and names of the containers on a network.
fn lines(network: &str, rows: &[(ContainerRow, Settings)]) -> String {
    let mut text = String::new();
    for (row, settings) in rows {
        let Some((address, _)) = row.state.addresses.get(network) else { continue };
        let mut names = vec![row.name.as_str(), &row.id[..12]];
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

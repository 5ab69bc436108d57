//! Links: containers that a container knows by other names, as docker's oldest networks have them.
//!
//! A link is a line in `/etc/hosts` and some variables that tell where the other one listens, both as they are when the
//! container starts. The other one must run.

use std::fmt::Write as _;

use wharfie_oci::ContainerId;
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;

use super::ContainerError;
use super::settings::Settings;
use super::words::NetworkMode;
use super::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::Result;

/// What a link brings into a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// Lines of `/etc/hosts`.
    pub(super) hosts: String,
    /// `NAME=value`.
    pub(super) env: Vec<String>,
}

impl Engine {
    /// The id and the alias that `CONTAINER[:ALIAS]` means.
    ///
    /// # Errors
    /// In docker's words, when there is no such container, or it has no network that could be shared.
    pub(super) fn parse_link(&self, text: &str) -> Result<(ContainerId, String)> {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        let row = self.container(name).map_err(|_| ContainerError::NoSuchLink(name.to_owned()))?;
        if readable_settings(&row).network == NetworkMode::Host {
            return Err(ContainerError::LinkToHost.into());
        }
        let alias = alias.trim_start_matches('/');
        super::create::parse_name(alias)?;
        Ok((row.id, alias.to_owned()))
    }
}

/// What the links of a container that is about to start bring into it.
///
/// # Errors
/// In docker's words, when one leads to a container that does not run or is on no network of its own.
pub(super) fn linked(store: &Store, row: &ContainerRow, settings: &Settings) -> Result<Linked> {
    let mut linked = Linked::default();
    for (id, alias) in &settings.links {
        let other = store.find_container(id)?.ok_or_else(|| ContainerError::NoSuch(id.to_string()))?;
        let theirs = readable_settings(&other);
        let shared = settings.attachments().into_iter().find_map(|one| other.state.address_on(&one.network));
        let address = match shared {
            Some((address, _)) if is_alive(&other) => address,
            _ => {
                let (name, alias) = (row.name.clone(), alias.clone());
                return Err(ContainerError::LinkToStopped { other: other.name, name, alias }.into());
            }
        };
        let mut names = vec![alias.as_str(), &theirs.hostname];
        names.extend((other.name != *alias).then_some(other.name.as_str()));
        writeln!(linked.hosts, "{address}\t{}", names.join(" ")).expect("a string accepts every write");
        linked.env.extend(variables(&row.name, alias, address, &theirs));
    }
    Ok(linked)
}

/// Adds the variables of links to an environment; what the container says itself counts more.
pub(super) fn add_variables(env: &mut Vec<String>, of_links: Vec<String>) {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = env.iter().map(|pair| name(pair)).collect();
    env.extend(of_links.into_iter().filter(|pair| !known.contains(&name(pair))));
}

/// The variables of links as a further process of a container gets them. One whose other side has ended has none to give.
pub(super) fn variables_now(engine: &Engine, row: &ContainerRow, settings: &Settings) -> Vec<String> {
    if settings.links.is_empty() {
        return Vec::new();
    }
    // Open for this look only: a monitor keeps no store open.
    let engine = engine.again();
    let found = engine.reader().ok().and_then(|store| linked(store, row, settings).ok());
    found.unwrap_or_default().env
}

/// Docker's variables: where each exposed port is, the first one without its number, and the other's own.
fn variables(own: &str, alias: &str, address: &str, theirs: &Settings) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut ports: Vec<(u16, String)> = theirs
        .config
        .exposed_ports
        .iter()
        .flatten()
        .filter_map(|(port, _)| {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            Some((number.parse().ok()?, protocol.to_owned()))
        })
        .collect();
    ports.sort();
    let mut found = Vec::new();
    if let Some((port, protocol)) = ports.first() {
        found.push(format!("{prefix}_PORT={protocol}://{address}:{port}"));
    }
    for (port, protocol) in &ports {
        let name = format!("{prefix}_PORT_{port}_{}", protocol.to_uppercase());
        found.push(format!("{name}={protocol}://{address}:{port}"));
        found.push(format!("{name}_ADDR={address}"));
        found.push(format!("{name}_PORT={port}"));
        found.push(format!("{name}_PROTO={protocol}"));
    }
    found.push(format!("{prefix}_NAME=/{own}/{alias}"));
    for pair in theirs.config.env.iter().flatten() {
        if let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !matches!(*name, "PATH" | "HOME")) {
            found.push(format!("{prefix}_ENV_{name}={value}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_where_the_other_listens() {
        let mut theirs = Settings::default();
        for port in ["80/tcp", "53/udp"] {
            theirs.config.exposed_ports.get_or_insert_default().insert(port.to_owned(), wharfie_oci::config::Empty {});
        }
        theirs.config.env = Some(vec!["PATH=/bin".to_owned(), "MODE=x".to_owned()]);
        let found = variables("web", "my-db", "10.0.0.2", &theirs);
        assert_eq!(found[0], "MY_DB_PORT=udp://10.0.0.2:53");
        assert!(found.contains(&"MY_DB_PORT_80_TCP_ADDR=10.0.0.2".to_owned()));
        assert_eq!(found[found.len() - 2..], ["MY_DB_NAME=/web/my-db", "MY_DB_ENV_MODE=x"]);
    }
}

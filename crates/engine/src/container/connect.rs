//! Connecting containers to networks after they were made, and disconnecting them.

use std::net::Ipv4Addr;

use wharfie_runtime::{MAX_DEVICE_NUMBER, lead_out, plug, unplug};
use wharfie_store::containers::ContainerRow;

use super::ContainerError;
use super::lifecycle::target_of;
use super::settings::{Attachment, Settings};
use super::words::NetworkMode;
use super::{is_alive, network, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::networks::NetworkError;

/// Which container to put on which network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    /// The network's name or id.
    pub network: String,
    /// The container's name or id.
    pub container: String,
    /// Further names of the container on that network.
    pub aliases: Vec<String>,
    /// Its address; one that is free if not given.
    pub address: Option<Ipv4Addr>,
}

/// Which container to take off which network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disconnect {
    /// The network's name or id.
    pub network: String,
    /// The container's name or id.
    pub container: String,
    /// It is enough that both exist.
    pub force: bool,
}

impl Engine {
    /// Puts a container on one more network, at once if it runs. Gives what did not go as it should all the same.
    ///
    /// # Errors
    /// In docker's words, when there is no such network or container, or it is on it already.
    pub fn connect_network(&self, connect: &Connect) -> Result<Vec<String>> {
        let (_lock, row) = self.locked(&connect.container)?;
        let before = settings_of(&row)?;
        let name = self.network_to_change(&connect.network, &before)?;
        if before.attachments().iter().any(|one| one.network == name) {
            return Err(NetworkError::AlreadyOn { container: row.name.to_string(), network: name }.into());
        }
        check(&name.parse()?, &connect.aliases, connect.address)?;
        let attachment =
            Attachment { network: name.clone(), aliases: connect.aliases.clone(), address: connect.address };
        let mut settings = before.clone();
        match settings.network {
            NetworkMode::None => {
                settings.network = name.parse()?;
                (settings.aliases, settings.address) = (attachment.aliases.clone(), attachment.address);
            }
            _ => settings.more_networks.push(attachment.clone()),
        }
        // Written first: whoever sees the container end, also if we are killed, gives its address back.
        let events = self.network_events([&name].into_iter(), "connect", &row.id);
        self.writer()?.noting(events, |_| self.set_settings(&row, &settings))?;
        if is_alive(&row)
            && let Err(why) = self.plug(&row, &attachment)
        {
            self.set_settings(&row, &before)?;
            return Err(why);
        }
        Ok(self.tell_names(&[name]))
    }

    fn plug(&self, row: &ContainerRow, attachment: &Attachment) -> Result<()> {
        let target = target_of(row).ok_or_else(|| ContainerError::NotRunning(row.id.clone()))?;
        let store = self.writer()?;
        let taken = row.state.running().map(|running| &running.addresses);
        let is_used = |number: &u8| taken.is_some_and(|taken| taken.values().any(|(_, used)| used == number));
        let number = (0..MAX_DEVICE_NUMBER).find(|number| !is_used(number));
        let number = number.ok_or(NetworkError::TooMany)?;
        let mut bridge = network::bridge_of(self, row, attachment)?;
        bridge.device_number = number;
        let address = bridge.address.to_string();
        // Written before there is a cable: whoever takes the container off the network knows which it is.
        let written = store.change_container(&row.id, |state| {
            let is_same_run = state.process() == row.state.process();
            if let Some(running) = state.running_mut().filter(|_| is_same_run) {
                if running.address.is_empty() {
                    running.address.clone_from(&address);
                }
                running.addresses.insert(attachment.network.clone(), (address.clone(), number));
            }
        });
        let result = written.map_err(Error::from).and_then(|_| Ok(plug(&target, &row.id, &bridge)?));
        if result.is_err() {
            network::release(self, row, &attachment.network);
            self.forget_address(row, &attachment.network)?;
        }
        result
    }

    /// Writes down that a container has no address on a network any more.
    fn forget_address(&self, row: &ContainerRow, network: &str) -> Result<()> {
        self.writer()?.change_container(&row.id, |state| {
            if let Some(running) = state.running_mut()
                && let Some((address, _)) = running.addresses.remove(network)
                && running.address == address
            {
                let mut others = running.addresses.values();
                running.address = others.next().map(|(other, _)| other.clone()).unwrap_or_default();
            }
        })?;
        Ok(())
    }

    /// Takes a container off a network, at once if it runs. Gives what did not
    /// go as it should all the same.
    ///
    /// # Errors
    /// In docker's words, when there is no such network or container, or it is not on it.
    pub fn disconnect_network(&self, disconnect: &Disconnect) -> Result<Vec<String>> {
        let (_lock, row) = self.locked(&disconnect.container)?;
        let mut settings = settings_of(&row)?;
        let name = self.network_to_change(&disconnect.network, &settings)?;
        let mut attachments = settings.attachments();
        let before = attachments.len();
        attachments.retain(|one| one.network != name);
        if attachments.len() == before {
            let refusal = NetworkError::NotOn { container: row.id, network: name };
            return if disconnect.force { Ok(Vec::new()) } else { Err(refusal.into()) };
        }
        if let Some((_, number)) = row.state.address_on(&name) {
            unplug(&row.id, *number)?;
            self.forget_address(&row, &name)?;
        }
        network::release(self, &row, &name);
        if let Some(target) = target_of(&row).filter(|_| is_alive(&row)) {
            self.find_way_out(&row, &target, &attachments)?;
        }
        let mut left = attachments.into_iter();
        match left.next() {
            Some(first) => {
                settings.network = first.network.parse()?;
                (settings.aliases, settings.address) = (first.aliases, first.address);
            }
            None => {
                settings.network = NetworkMode::None;
                (settings.aliases, settings.address) = Default::default();
            }
        }
        settings.more_networks = left.collect();
        let events = self.network_events([&name].into_iter(), "disconnect", &row.id);
        self.writer()?.noting(events, |_| self.set_settings(&row, &settings))?;
        // Its own file too still names those whom it cannot reach any more.
        let mut told: Vec<String> = settings.attachments().into_iter().map(|one| one.network).collect();
        told.push(name);
        Ok(self.tell_names(&told))
    }

    /// If its way out has gone with a network, it is through the first one left that has one.
    fn find_way_out(&self, row: &ContainerRow, target: &wharfie_runtime::Target, left: &[Attachment]) -> Result<()> {
        for attachment in left {
            let Some((_, number)) = row.state.address_on(&attachment.network) else { continue };
            // It has its place already, and keeps it.
            let mut bridge = network::bridge_of(self, row, attachment)?;
            bridge.device_number = *number;
            if bridge.is_way_out {
                return Ok(lead_out(target, &bridge)?);
            }
        }
        Ok(())
    }

    /// The full name of a network that a container with these settings can be put on or taken off.
    fn network_to_change(&self, name: &str, settings: &Settings) -> Result<String> {
        if self.config().is_rootless {
            return Err(NetworkError::OnlyRoot("connect containers to networks").into());
        }
        if matches!(settings.network, NetworkMode::Container(_)) {
            return Err(NetworkError::Shared.into());
        }
        match name {
            "host" => Err(NetworkError::Host.into()),
            _ if settings.network == NetworkMode::Host => Err(NetworkError::Host.into()),
            "none" => Err(NetworkError::None.into()),
            "bridge" => Ok(name.to_owned()),
            other => Ok(self.network(other)?.name.into()),
        }
    }

    pub(crate) fn set_settings(&self, row: &ContainerRow, settings: &Settings) -> Result<()> {
        let text = serde_json::to_string(settings).map_err(Error::Document)?;
        Ok(self.writer()?.set_container_settings(&row.id, &text)?)
    }
}

/// Refuses what only networks of the user's own have, in docker's words.
pub(super) fn check(network: &NetworkMode, aliases: &[String], address: Option<Ipv4Addr>) -> Result<()> {
    let is_own = matches!(network, NetworkMode::Named(name) if name != "pasta" && name != "slirp4netns");
    if !is_own && !aliases.is_empty() {
        return Err(NetworkError::Alias.into());
    }
    if !is_own && address.is_some() {
        return Err(NetworkError::Address.into());
    }
    Ok(())
}

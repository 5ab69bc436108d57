//! A container's entry in lists: docker's fields of it.

use wharfie_model::NilList;
use wharfie_model::container::{ContainerSummary, Port, SummaryHostConfig, SummaryNetworks};
use wharfie_oci::Timestamp;
use wharfie_store::containers::{ContainerRow, ContainerState, Health, Status};

use super::is_alive;
use super::network::open_ports;
use super::settings::Settings;
use super::words::NetworkMode;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;

impl Engine {
    /// A container's entry in lists; `with_sizes` counts its bytes, which takes a look at all its files.
    pub(super) fn summary(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        with_sizes: bool,
    ) -> Result<ContainerSummary> {
        let (size_rw, size_root_fs) = if with_sizes { self.container_sizes(row)? } else { (0, 0) };
        let mut networks = self.network_settings(row, settings)?.networks;
        for endpoint in networks.values_mut() {
            // Docker's lists do not tell names.
            (endpoint.aliases, endpoint.dns_names) = (NilList::default(), NilList::default());
        }
        Ok(ContainerSummary {
            id: row.id.to_string(),
            names: vec![format!("/{}", row.name)],
            image: self.image_shown(row, settings)?,
            image_id: row.image.to_string(),
            command: command_line(&settings.command()),
            created: row.created.seconds,
            ports: ports(row, settings),
            size_rw,
            size_root_fs,
            labels: settings.labels(),
            state: row.state.status().as_str().to_owned(),
            status: status(&row.state, self.reader()?.now()),
            host_config: SummaryHostConfig { network_mode: settings.network.to_string() },
            network_settings: SummaryNetworks { networks },
            mounts: self.mount_points(settings)?,
        })
    }

    /// The image as the user called it, if that still means the same one; else its id.
    fn image_shown(&self, row: &ContainerRow, settings: &Settings) -> Result<String> {
        let is_same = match names::find(self.reader()?, &settings.image_name) {
            Ok(found) => found.id == row.image,
            Err(Error::NoSuchImage(_) | Error::BadName(_)) => false,
            Err(why) => return Err(why),
        };
        Ok(if is_same { settings.image_name.clone() } else { row.image.to_string() })
    }
}

/// Command and arguments as docker shows them: an argument with a blank stands in quotes, whatever else it holds.
fn command_line(words: &[String]) -> String {
    let shown = words.iter().enumerate().map(|(at, word)| match at > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// True for a container that runs in a network of its own: ports that it exposes are closed or open there.
pub(super) fn has_ports_of_its_own(row: &ContainerRow, settings: &Settings) -> bool {
    is_alive(row) && !matches!(settings.network, NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_))
}

/// Ports of a container that runs; others have none.
fn ports(row: &ContainerRow, settings: &Settings) -> Vec<Port> {
    if !has_ports_of_its_own(row, settings) {
        return Vec::new();
    }
    let open = open_ports(row);
    let exposed = settings.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
    let closed = exposed.filter_map(|port| {
        let (number, kind) = port.split_once('/').unwrap_or((port, "tcp"));
        let private_port = number.parse().ok()?;
        let is_open = open.iter().any(|known| known.container == private_port && known.protocol.to_string() == kind);
        (!is_open).then(|| Port { private_port, kind: kind.to_owned(), ..Port::default() })
    });
    let closed: Vec<Port> = closed.collect();
    let published = open.iter().map(|port| Port {
        ip: port.address_text(),
        private_port: port.container,
        public_port: port.host.first,
        kind: port.protocol.to_string(),
    });
    published.chain(closed).collect()
}

/// `Up 3 seconds`, `Exited (137) 2 minutes ago`.
fn status(state: &ContainerState, now: Timestamp) -> String {
    let since = |nanos: Option<i64>| {
        let passed = i128::from(now.to_nanos()) - i128::from(nanos.unwrap_or_default());
        wharfie_model::span(passed as f64 / 1e9)
    };
    match state.status() {
        Status::Created => "Created".to_owned(),
        Status::Running if state.health != Health::Unchecked => {
            let health = if state.health == Health::Starting { "health: starting" } else { state.health.as_str() };
            format!("Up {} ({health})", since(state.started_at))
        }
        Status::Running => format!("Up {}", since(state.started_at)),
        Status::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Status::Restarting => format!("Restarting ({}) {} ago", state.exit_code, since(state.finished_at)),
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code, since(state.finished_at)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wharfie_store::containers::{Phase, ProcessMark, Running};

    use super::*;

    #[test]
    fn commands_are_one_line() {
        let check = |words: &[&str], expected: &str| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(command_line(&words), expected);
        };
        check(&["sh", "-c", "echo a"], "sh -c 'echo a'");
        check(&["a b", "it's b", "c"], "a b 'it's b' c");
    }

    #[test]
    fn states_are_told_with_their_time() {
        let running = Running {
            process: ProcessMark { pid: 7, started: 1 },
            target: String::new(),
            address: String::new(),
            addresses: BTreeMap::new(),
            ports: String::new(),
            frozen_by: None,
        };
        let second = 1_000_000_000;
        let now = Timestamp::from_nanos(100 * second);
        let times = ContainerState { started_at: Some(97 * second), finished_at: Some(0), ..ContainerState::default() };
        let check = |state: ContainerState, expected: &str| assert_eq!(status(&state, now), expected);
        check(times.clone(), "Created");
        check(ContainerState { phase: Phase::Running(running.clone()), ..times.clone() }, "Up 3 seconds");
        let health = Health::Starting;
        check(
            ContainerState { phase: Phase::Running(running.clone()), health, ..times.clone() },
            "Up 3 seconds (health: starting)",
        );
        check(ContainerState { phase: Phase::Paused(running), ..times.clone() }, "Up 3 seconds (Paused)");
        check(ContainerState { phase: Phase::Exited, exit_code: 137, ..times }, "Exited (137) About a minute ago");
    }
}

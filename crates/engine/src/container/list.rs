//! Listing containers.

use wharfie_model::container::ContainerSummary;
use wharfie_oci::{ImageId, Timestamp};
use wharfie_store::containers::{ContainerRow, Health, Status};

use super::Settings;
use super::readable_settings;
use super::words::{self, BadWord};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::{Conditions, Labels, matches_name};
use crate::names;

/// Which containers to list.
#[derive(Debug, Clone, Default)]
pub struct ListContainers {
    /// Also those that do not run.
    pub all: bool,
    /// The newest so many, whatever they do.
    pub last: Option<usize>,
    /// `name=value` conditions; different names must all hold, equal ones one of them.
    pub filters: Vec<(String, String)>,
    /// Count their bytes, which takes a look at all their files.
    pub sizes: bool,
}

impl Engine {
    /// Lists containers, newest first.
    ///
    /// # Errors
    /// When a filter is unknown or its value makes no sense, or the store cannot be read.
    pub fn list_containers(&self, list: &ListContainers) -> Result<Vec<ContainerSummary>> {
        let listed = self.listed_containers(list)?;
        listed.iter().map(|(row, settings)| self.summary(row, settings, list.sizes)).collect()
    }

    /// Those that are listed, each with what it was made with.
    pub(super) fn listed_containers(&self, list: &ListContainers) -> Result<Vec<(ContainerRow, Settings)>> {
        let filters = Filters::parse(self, &list.filters)?;
        let mut listed = Vec::new();
        for row in self.containers()? {
            let is_shown = list.all || list.last.is_some() || filters.implies_all || !row.state.status().is_over();
            if !is_shown {
                continue;
            }
            let settings = readable_settings(&row);
            if filters.accept(self, &row, &settings)? {
                listed.push((row, settings));
            }
            if list.last.is_some_and(|last| listed.len() == last) {
                break;
            }
        }
        Ok(listed)
    }
}

/// What is asked of containers, with what had to be looked up.
struct Filters {
    conditions: Conditions,
    labels: Labels,
    exited: Vec<i32>,
    ancestors: Vec<ImageId>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    health: Vec<Health>,
    ports: Vec<String>,
    /// Containers here are no tasks of a cluster.
    wants_tasks: bool,
    implies_all: bool,
}

const KNOWN: &[&str] = &[
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish",
    "since", "status", "volume",
];
const STATUSES: &[&str] = &["created", "restarting", "running", "removing", "paused", "exited", "dead"];

impl Filters {
    fn parse(engine: &Engine, pairs: &[(String, String)]) -> Result<Self> {
        let conditions = Conditions::parse(pairs, KNOWN)?;
        let invalid = |name: &str, value: &str| Error::InvalidFilter(format!("{name}={value}"));
        let mut exited = Vec::new();
        for value in conditions.values("exited") {
            exited.push(value.parse().map_err(|_| invalid("exited", value))?);
        }
        if let Some(value) = conditions.values("status").find(|value| !STATUSES.contains(value)) {
            return Err(invalid("status", value));
        }
        let mut ancestors = Vec::new();
        for value in conditions.values("ancestor") {
            match names::find(engine.reader()?, value) {
                Ok(found) => ancestors.push(found.id),
                Err(Error::NoSuchImage(_) | Error::BadName(_)) => {}
                Err(why) => return Err(why),
            }
        }
        let created = |name: &str| -> Result<Option<Timestamp>> {
            conditions.values(name).last().map(|value| Ok(engine.container(value)?.created)).transpose()
        };
        let mut health = Vec::new();
        for value in conditions.values("health") {
            health.push(match value {
                "none" => Health::Unchecked,
                "starting" => Health::Starting,
                "healthy" => Health::Healthy,
                "unhealthy" => Health::Unhealthy,
                _ => return Err(BadWord::new(format!("Unrecognised filter value for health: {value}")).into()),
            });
        }
        let mut ports = Vec::new();
        for name in ["publish", "expose"] {
            for value in conditions.values(name) {
                ports.extend(words::expose(value).map_err(|_| invalid(name, value))?);
            }
        }
        Ok(Self {
            implies_all: !exited.is_empty() || conditions.values("status").any(|value| value != "running"),
            before: created("before")?,
            since: created("since")?,
            wants_tasks: conditions.truth("is-task")? == Some(true),
            labels: conditions.labels(),
            exited,
            ancestors,
            health,
            ports,
            conditions,
        })
    }

    fn accept(&self, engine: &Engine, row: &ContainerRow, settings: &Settings) -> Result<bool> {
        let asked = &self.conditions;
        let attached: Vec<String> = settings.attachments().into_iter().map(|one| one.network).collect();
        let mode = settings.network.to_string();
        let has_port = |wanted: &String| {
            settings.config.exposed_ports.iter().flatten().any(|(port, _)| port == wanted)
                || settings.ports.iter().any(|port| port.inside() == *wanted)
        };
        Ok(!self.wants_tasks
            && asked.any("id", |id| row.id.starts_with(id))
            && asked.any("name", |name| matches_name(name, &row.name))
            && self.labels.accept(&settings.labels())
            && (self.exited.is_empty()
                || (row.state.status() == Status::Exited && self.exited.contains(&row.state.exit_code)))
            && asked.any("status", |wanted| wanted == row.state.status().as_str())
            && (!asked.has("ancestor") || self.is_descendant(engine, row)?)
            && self.before.is_none_or(|limit| row.created < limit)
            && self.since.is_none_or(|limit| row.created > limit)
            && asked.any("volume", |wanted| {
                settings.mounts.iter().any(|mount| mount.source == wanted || mount.target == wanted)
            })
            && asked.any("network", |wanted| mode == wanted || attached.iter().any(|name| name == wanted))
            && (self.health.is_empty() || self.health.contains(&row.state.health))
            && (self.ports.is_empty() || self.ports.iter().any(has_port)))
    }

    fn is_descendant(&self, engine: &Engine, row: &ContainerRow) -> Result<bool> {
        let mut at = Some(row.image.clone());
        while let Some(id) = at {
            if self.ancestors.contains(&id) {
                return Ok(true);
            }
            at = engine.reader()?.image(&id)?.and_then(|image| image.parent);
        }
        Ok(false)
    }
}

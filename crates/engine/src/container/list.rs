//! Listing containers.

use wharfie_oci::{ImageId, Timestamp};
use wharfie_store::containers::{ContainerRow, Health, Status};

use super::Settings;
use super::settings_of;
use super::words::{self, BadWord};
use crate::engine::Engine;
use crate::error::{Error, Result};
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
}

/// A container as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedContainer {
    /// Its row, as it really is.
    pub row: ContainerRow,
    /// What it was made with.
    pub settings: Settings,
    /// The image as it is called now: the name if that still means the same image, else the short id.
    pub image: String,
}

impl Engine {
    /// Lists containers, newest first.
    ///
    /// # Errors
    /// When a filter is unknown or its value makes no sense, or the store cannot be read.
    pub fn list_containers(&self, list: &ListContainers) -> Result<Vec<ListedContainer>> {
        let filters = Filters::parse(self, &list.filters)?;
        let mut listed = Vec::new();
        for row in self.containers()? {
            let is_shown = list.all || list.last.is_some() || filters.implies_all || is_running(row.state.status);
            if !is_shown {
                continue;
            }
            let settings = settings_of(&row)?;
            if filters.accept(self, &row, &settings)? {
                let image = self.image_shown(&row, &settings)?;
                listed.push(ListedContainer { row, settings, image });
            }
            if list.last.is_some_and(|last| listed.len() == last) {
                break;
            }
        }
        Ok(listed)
    }

    fn image_shown(&self, row: &ContainerRow, settings: &Settings) -> Result<String> {
        let is_same = match names::find(self.reader()?, &settings.image_name) {
            Ok(found) => found.id == row.image && found.reference.is_some(),
            Err(Error::NoSuchImage(_) | Error::BadName(_)) => false,
            Err(why) => return Err(why),
        };
        Ok(if is_same { settings.image_name.clone() } else { row.image.short().to_owned() })
    }
}

fn is_running(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused | Status::Restarting)
}

/// The word that `ps` and filters use.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
    }
}

#[derive(Default)]
struct Filters {
    ids: Vec<String>,
    names: Vec<String>,
    labels: Vec<String>,
    exited: Vec<i32>,
    statuses: Vec<String>,
    ancestors: Vec<ImageId>,
    has_ancestor: bool,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    volumes: Vec<String>,
    networks: Vec<String>,
    health: Vec<Health>,
    /// Nothing fits.
    is_empty: bool,
    ports: Vec<String>,
    implies_all: bool,
}

impl Filters {
    fn parse(engine: &Engine, pairs: &[(String, String)]) -> Result<Self> {
        let mut filters = Self::default();
        for (name, value) in pairs {
            let invalid = || Error::InvalidFilter(format!("{name}={value}"));
            match name.as_str() {
                "id" => filters.ids.push(value.clone()),
                "name" => filters.names.push(value.clone()),
                "label" => filters.labels.push(value.clone()),
                "exited" => {
                    filters.exited.push(value.parse().map_err(|_| invalid())?);
                    filters.implies_all = true;
                }
                "status" => {
                    let known = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
                    if !known.contains(&value.as_str()) {
                        return Err(invalid());
                    }
                    filters.implies_all |= value != "running";
                    filters.statuses.push(value.clone());
                }
                "ancestor" => {
                    filters.has_ancestor = true;
                    match names::find(engine.reader()?, value) {
                        Ok(found) => filters.ancestors.push(found.id),
                        Err(Error::NoSuchImage(_) | Error::BadName(_)) => {}
                        Err(why) => return Err(why),
                    }
                }
                "before" => filters.before = Some(engine.container(value)?.created),
                "since" => filters.since = Some(engine.container(value)?.created),
                "volume" => filters.volumes.push(value.clone()),
                "network" => filters.networks.push(value.clone()),
                "health" => filters.health.push(match value.as_str() {
                    "none" => Health::Unchecked,
                    "starting" => Health::Starting,
                    "healthy" => Health::Healthy,
                    "unhealthy" => Health::Unhealthy,
                    _ => return Err(BadWord::new(format!("Unrecognised filter value for health: {value}")).into()),
                }),
                "publish" | "expose" => filters.ports.extend(words::expose(value).map_err(|_| invalid())?),
                // There are none here, which is what `false` asks for.
                "is-task" => match value.as_str() {
                    "false" | "0" => {}
                    "true" | "1" => filters.is_empty = true,
                    _ => return Err(invalid()),
                },
                other => return Err(Error::InvalidFilter(other.to_owned())),
            }
        }
        Ok(filters)
    }

    fn accept(&self, engine: &Engine, row: &ContainerRow, settings: &Settings) -> Result<bool> {
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(fits);
        let labels = settings.labels();
        let has_label = |label: &String| match label.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(label),
        };
        let status = status_word(row.state.status).to_owned();
        let attached: Vec<String> = settings.attachments().into_iter().map(|one| one.network).collect();
        let mode = settings.network.to_string();
        let is_on = |wanted: &String| mode == *wanted || attached.contains(wanted);
        let has_port = |wanted: &String| {
            settings.config.exposed_ports.iter().flatten().any(|(port, _)| port == wanted)
                || settings.ports.iter().any(|port| port.inside() == *wanted)
        };
        Ok(!self.is_empty
            && any(&self.ids, &|id| row.id.starts_with(id.as_str()))
            && any(&self.names, &|name| matches_name(name, &row.name))
            && self.labels.iter().all(has_label)
            && (self.exited.is_empty()
                || (row.state.status == Status::Exited && self.exited.contains(&row.state.exit_code)))
            && any(&self.statuses, &|wanted| *wanted == status)
            && (!self.has_ancestor || self.is_descendant(engine, row)?)
            && self.before.is_none_or(|limit| row.created < limit)
            && self.since.is_none_or(|limit| row.created > limit)
            && any(&self.volumes, &|wanted| {
                settings.mounts.iter().any(|mount| mount.source == *wanted || mount.target == *wanted)
            })
            && any(&self.networks, &is_on)
            && (self.health.is_empty() || self.health.contains(&row.state.health))
            && any(&self.ports, &has_port))
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

/// Docker takes the value for a regular expression; what people write are parts of names, sometimes anchored.
fn matches_name(pattern: &str, name: &str) -> bool {
    let slashed = format!("/{name}");
    let (from_start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (to_end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
    [name, &slashed].iter().any(|name| match (from_start, to_end) {
        (true, true) => *name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_part_or_anchored() {
        for (pattern, name, expected) in [
            ("we", "web", true),
            ("^/web$", "web", true),
            ("^web$", "webs", false),
            ("eb$", "web", true),
            ("x", "web", false),
        ] {
            assert_eq!(matches_name(pattern, name), expected, "{pattern} {name}");
        }
    }
}

//! Compose files: each service that is built is a target.
//! Source: compose-spec; buildx's `docs/bake-reference.md` and docker's page about `x-bake`.

mod dotenv;
mod fields;
mod interpolate;
mod merge;
mod service;
mod yaml;

use std::collections::BTreeMap;

use crate::definition::{Bases, Defined, folder};
use crate::error::{Error, Result};
use crate::path;
use crate::select::sanitized;
use crate::target::Group;
use yaml::{Mapping, Yaml};

/// Reads a file that another one names; `None` if it is not there.
pub(crate) type Neighbours<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// What compose files are read with.
pub(crate) struct Composer<'a> {
    /// What a name stands for.
    lookup: &'a dyn Fn(&str) -> Option<String>,
    neighbours: Neighbours<'a>,
    /// What `.env` says.
    dotenv: BTreeMap<String, String>,
}

/// What counts of a project.
#[derive(Debug, Default)]
struct Project {
    services: Mapping,
    secrets: Mapping,
}

/// How far services extend each other, and files include each other.
const MAX_DEPTH: usize = 16;

impl<'a> Composer<'a> {
    /// Reads `.env`. `lookup` decides over what it says.
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>, neighbours: Neighbours<'a>) -> Result<Self> {
        let dotenv = match neighbours(".env") {
            None => BTreeMap::new(),
            Some(bytes) => dotenv::parse(&text_of(".env", &bytes)?, lookup).map_err(Error::new)?,
        };
        Ok(Self { lookup, neighbours, dotenv })
    }

    /// The targets of all files together, and the group of them all.
    pub(crate) fn define(&self, files: &[(&str, &str)]) -> Result<Defined> {
        let mut project = Project::default();
        for (name, text) in files {
            project = combined(project, self.project(name, text, 0)?)?;
        }
        service::check(&project).map_err(Error::new)?;
        let mut defined = Defined::default();
        let mut group = Group { name: "default".to_owned(), ..Group::default() };
        for (name, service) in &project.services {
            let target = service::target(self, &project, name, service).map_err(Error::new)?;
            let Some(target) = target else { continue };
            let name = sanitized(name);
            crate::definition::check_name(&name)
                .map_err(|why| why.under(format!("invalid service name \"{name}\"")))?;
            let folder = files.first().map_or("", |(file, _)| folder(file));
            defined.bases.insert(name.clone(), Bases::of_folder(folder, target.contexts.keys()));
            group.targets.push(name);
            defined.targets.push(target);
        }
        if !project.services.is_empty() {
            defined.groups.push(group);
        }
        Ok(defined)
    }

    /// Whether a file by itself is one of compose.
    pub(crate) fn check(&self, name: &str, text: &str) -> Result<()> {
        self.project(name, text, 0).map(drop)
    }

    /// What a file and those that it includes say.
    fn project(&self, name: &str, text: &str, depth: usize) -> Result<Project> {
        let mut document = match Yaml::parse(text).map_err(Error::new)? {
            Yaml::Null => return Err(Error::new("empty compose file")),
            document @ Yaml::Map(_) => document,
            _ => return Err(Error::new("top-level object must be a mapping")),
        };
        interpolate::fill(&mut document, "", &|name| self.value(name)).map_err(Error::new)?;
        let Yaml::Map(mut document) = document else { return Err(Error::new("empty compose file")) };
        let mut section = |name: &str| match document.remove(name) {
            None | Some(Yaml::Null) => Ok(Mapping::new()),
            Some(Yaml::Map(section)) => Ok(section),
            Some(_) => Err(Error::new(format!("{name} must be a mapping"))),
        };
        let (services, secrets) = (section("services")?, section("secrets")?);
        let included = document.remove("include");
        if services.is_empty() && secrets.is_empty() && included.is_none() {
            return Err(Error::new("empty compose file"));
        }
        let mut project = self.included(included.unwrap_or(Yaml::Null), depth)?;
        let extended = services
            .keys()
            .map(|service| Ok((service.clone(), self.extended(name, service, &services, &mut Vec::new())?)))
            .collect::<Result<Mapping>>()?;
        project = combined(project, Project { services: extended, secrets })?;
        service::check_fields(&project).map_err(Error::new)?;
        Ok(project)
    }

    /// What `include` names.
    fn included(&self, include: Yaml, depth: usize) -> Result<Project> {
        let Yaml::List(entries) = include else { return Ok(Project::default()) };
        if depth >= MAX_DEPTH {
            return Err(Error::new("include cycle detected"));
        }
        let mut project = Project::default();
        for entry in &entries {
            let paths = match entry.mapping().map_or(Some(entry), |fields| fields.get("path")) {
                Some(Yaml::List(paths)) => paths.iter().filter_map(Yaml::text).collect(),
                Some(path) => path.text().into_iter().collect(),
                None => Vec::new(),
            };
            for path in paths {
                let text = self.neighbour(&path)?;
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let mut included = self.project(&path, &text, depth + 1)?;
                included.services.values_mut().for_each(|service| rebase(service, folder));
                project = combined(project, included)?;
            }
        }
        Ok(project)
    }

    /// A service on top of what it extends.
    fn extended(&self, file: &str, name: &str, services: &Mapping, path: &mut Vec<String>) -> Result<Yaml> {
        let service = services.get(name).cloned().unwrap_or(Yaml::Null);
        let Yaml::Map(mut fields) = service else {
            return match service {
                Yaml::Null => Ok(Yaml::Map(Mapping::new())),
                _ => Err(Error::new(format!("services.{name} must be a mapping"))),
            };
        };
        let (other, from) = match fields.remove("extends") {
            None | Some(Yaml::Null) => return Ok(Yaml::Map(fields)),
            Some(Yaml::Map(extends)) => {
                let other = extends.get("service").and_then(Yaml::text);
                let other = other.ok_or_else(|| Error::new(format!("extends.{name}.service is required")))?;
                (other, extends.get("file").and_then(Yaml::text))
            }
            Some(one) => (one.text().unwrap_or_default(), None),
        };
        let step = format!("{name} in {file}");
        if path.contains(&step) || path.len() >= MAX_DEPTH {
            path.push(step);
            return Err(Error::new(format!("Circular reference:\n  {}", path.join("\n  extends "))));
        }
        path.push(step);
        let base = match from {
            None if services.contains_key(&other) => self.extended(file, &other, services, path)?,
            None => {
                let text = format!("cannot extend service \"{name}\" in {file}: service \"{other}\" not found");
                return Err(Error::new(text));
            }
            Some(from) => {
                let text = self.neighbour(&from)?;
                let mut document = Yaml::parse(&text).map_err(Error::new)?;
                interpolate::fill(&mut document, "", &|name| self.value(name)).map_err(Error::new)?;
                let theirs = document.mapping().and_then(|document| document.get("services")?.mapping());
                let theirs = theirs.filter(|services| services.contains_key(&other)).ok_or_else(|| {
                    Error::new(format!(
                        "cannot extend service \"{name}\" in {file}: service \"{other}\" not found in {from}"
                    ))
                })?;
                let mut base = self.extended(&from, &other, theirs, path)?;
                rebase(&mut base, from.rsplit_once('/').map_or("", |(folder, _)| folder));
                base
            }
        };
        path.pop();
        merge::merge(base, Yaml::Map(fields), &format!("services.{name}")).map_err(Error::new)
    }

    /// What a name stands for.
    fn value(&self, name: &str) -> Option<String> {
        let known = (self.lookup)(name).or_else(|| self.dotenv.get(name).cloned());
        match name {
            "COMPOSE_PROJECT_NAME" => known.filter(|name| !name.is_empty()).or_else(|| Some("bake".to_owned())),
            _ => known,
        }
    }

    fn neighbour(&self, path: &str) -> Result<String> {
        let bytes = (self.neighbours)(path);
        let bytes = bytes.ok_or_else(|| Error::missing(format!("open {path}: no such file or directory")))?;
        text_of(path, &bytes)
    }
}

fn text_of(name: &str, bytes: &[u8]) -> Result<String> {
    /// 1 MiB: as for bake files themselves.
    const MAX_BYTES: usize = 1 << 20;
    match std::str::from_utf8(bytes) {
        Ok(_) if bytes.len() > MAX_BYTES => Err(Error::new(format!("{name} has more than {MAX_BYTES} bytes"))),
        Ok(text) => Ok(text.to_owned()),
        Err(why) => Err(Error::new(format!("{name}: {why}"))),
    }
}

fn combined(base: Project, over: Project) -> Result<Project> {
    let merged = |base: Mapping, over: Mapping, name: &str| match merge::merge(Yaml::Map(base), Yaml::Map(over), name)
        .map_err(Error::new)?
    {
        Yaml::Map(fields) => Ok(fields),
        _ => Ok::<_, Error>(Mapping::new()),
    };
    Ok(Project {
        services: merged(base.services, over.services, "services")?,
        secrets: merged(base.secrets, over.secrets, "secrets")?,
    })
}

/// Says the paths of a service from where the first file stands.
fn rebase(service: &mut Yaml, folder: &str) {
    let Yaml::Map(fields) = service else { return };
    let Some(build) = fields.get_mut("build").filter(|_| !folder.is_empty()) else { return };
    let mut build_fields = merge::as_build(std::mem::replace(build, Yaml::Null));
    let own = build_fields.get("context").and_then(Yaml::text).unwrap_or_else(|| ".".to_owned());
    if !path::is_remote(&own) && !own.contains("://") && !own.starts_with('/') {
        build_fields.insert("context".to_owned(), Yaml::Text(path::clean(&format!("{folder}/{own}"))));
    }
    *build = Yaml::Map(build_fields);
}

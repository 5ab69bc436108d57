//! Create: an image and what was asked for become a container that has not run yet.

use std::collections::BTreeMap;

use wharfie_content::Observer;
use wharfie_oci::config::{ContainerConfig, Empty, Healthcheck};
use wharfie_oci::{ContainerId, ContainerName, ImageId, Platform, VolumeName};
use wharfie_store::containers::{ContainerRow, ContainerState, NewContainer};
use wharfie_store::volumes::VolumeRow;
use wharfie_store::{ContainerLock, Store};

use super::ContainerError;
use super::random;
use super::settings::{MountKind, MountOrigin, MountPoint, Settings};
use super::settle::us;
use super::volumes::VolumeDetails;
use super::words::{Namespace, NetworkMode};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;
use crate::names;

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// Name or id of the image.
    pub image: String,
    /// Name for the container; a random one if not given.
    pub name: Option<String>,
    /// Words instead of the image's `Cmd`.
    pub command: Vec<String>,
    /// One word instead of the image's `Entrypoint`; an empty one clears it.
    pub entrypoint: Option<String>,
    /// `NAME=value`, after the image's own.
    pub env: Vec<String>,
    /// Labels besides the image's.
    pub labels: BTreeMap<String, String>,
    /// Instead of the image's.
    pub user: Option<String>,
    /// Instead of the image's.
    pub working_dir: Option<String>,
    /// Ports besides the image's, `80/tcp`.
    pub expose: Vec<String>,
    /// Anonymous volumes besides the image's.
    pub volumes: Vec<String>,
    /// Containers whose mounts it gets too, `ID[:ro]`.
    pub volumes_from: Vec<String>,
    /// Instead of the image's.
    pub stop_signal: Option<String>,
    /// Instead of the image's.
    pub healthcheck: Option<Healthcheck>,
    /// What it must run on.
    pub platform: Option<Platform>,
    /// Containers that it knows by another name, `CONTAINER[:ALIAS]`.
    pub links: Vec<String>,
    /// What volumes are made with that are not there yet, by the paths where they are mounted.
    pub volume_details: BTreeMap<String, VolumeDetails>,
    /// Who makes it starts it at once, and looks after it until then.
    pub starts_at_once: bool,
    /// Everything else. `config` and `image_name` are filled in here.
    pub settings: Settings,
}

/// A container that was made.
#[derive(Debug)]
pub struct Created {
    /// Its row.
    pub row: ContainerRow,
    /// Its lock: who means to start it keeps everybody else off until then.
    pub lock: ContainerLock,
}

impl Engine {
    /// Makes a container. What may be used and would be refused under a stricter policy is told.
    ///
    /// # Errors
    /// When the image is not here, the name is taken or no name, there is nothing to run, or the store cannot be written.
    pub fn create(&self, create: &Create, observer: &dyn Observer) -> Result<Created> {
        let name = create.name.as_deref().map(parse_name).transpose()?;
        if let Some(signal) = &create.stop_signal {
            signal.parse::<super::signal::Signal>()?;
        }
        super::judge::check(create)?;
        if create.settings.init && create.settings.runtime.is_some() {
            return Err(ContainerError::InitOfOtherRuntime.into());
        }
        let is_root = !self.config().is_rootless && rustix::process::geteuid().is_root();
        if create.settings.runtime.is_some() && !is_root {
            return Err(ContainerError::OnlyRoot("use another runtime than wharfie's own").into());
        }
        super::connect::check(&create.settings.network, &create.settings.aliases, create.settings.address)?;
        if create.settings.mac_address.is_some() && self.config().is_rootless {
            return Err(ContainerError::OnlyRoot("choose a hardware address").into());
        }
        let links = create.links.iter().map(|text| self.parse_link(text)).collect::<Result<Vec<_>>>()?;
        let store = self.writer()?;
        let found = names::find_for(store, &create.image, create.platform.as_ref()).map_err(|why| match why {
            // Docker's client reads the image's name of this one, not its daemon.
            Error::BadName(why) => Error::Reference(why),
            why => why,
        })?;
        if let Some(named) = &found.reference {
            self.check_local_trust(named, &found.id, observer)?;
        }
        let image = self.config_of(store, &found.id)?;
        let mut settings = create.settings.clone();
        settings.image_name.clone_from(&create.image);
        settings.links = links;
        settings.volumes_from.clone_from(&create.volumes_from);
        settings.config = merged(&image.config.unwrap_or_default(), create);
        if settings.command().is_empty() {
            return Err(ContainerError::NoCommand.into());
        }
        let directory = &settings.config.working_dir;
        if !directory.is_empty() && !directory.starts_with('/') {
            return Err(ContainerError::RelativeDirectory(directory.clone()).into());
        }
        let id = ContainerId::from_random(random::bytes()?);
        if settings.hostname.is_empty() && settings.uts_mode != Namespace::Host && settings.network != NetworkMode::Host
        {
            settings.hostname = id.short().to_owned();
        }
        self.inherit_mounts(store, create, &mut settings)?;
        self.image_volumes(&mut settings)?;
        for mount in settings.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            super::volumes::parse_name(&mount.source)?;
        }
        for details in create.volume_details.values() {
            super::volumes::check_options(&details.options)?;
        }
        for mount in settings.mounts.iter().filter(|mount| mount.kind == MountKind::Bind) {
            make_source(&mount.source)?;
        }
        let (row, lock) = self.record(store, create, &settings, id, name.as_ref(), found.id)?;
        let made = store.make_ends(&row.id).map_err(Error::from);
        if let Err(why) = made.and_then(|_| self.fill_volumes(store, &settings, &row)) {
            // Whatever becomes of this, why it could not be made is what the user has to know.
            let _ = self.unmount_volumes(&row, &settings);
            let _ = self.discard(&row, &lock);
            return Err(why);
        }
        Ok(Created { row, lock })
    }

    fn record(
        &self,
        store: &Store,
        create: &Create,
        settings: &Settings,
        id: ContainerId,
        chosen: Option<&ContainerName>,
        image: ImageId,
    ) -> Result<(ContainerRow, ContainerLock)> {
        let now = store.now();
        let volumes = settings.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
        let volumes = volumes.map(|mount| {
            let name = super::volumes::parse_name(&mount.source)?;
            let asked = create.volume_details.get(&mount.target).cloned().unwrap_or_default();
            Ok(VolumeRow {
                is_anonymous: name.is_random(),
                name,
                created: now,
                labels: serde_json::to_string(&asked.labels).map_err(Error::Document)?,
                options: asked.options,
            })
        });
        let volumes = volumes.collect::<Result<Vec<_>>>()?;
        let mut state = ContainerState::default();
        if create.starts_at_once {
            state.monitor = Some(us());
        }
        let mut row = ContainerRow {
            id,
            name: chosen.cloned().map_or_else(random::name, Ok)?,
            image,
            created: now,
            settings: serde_json::to_string(settings).map_err(Error::Document)?,
            state,
        };
        // Chosen names are tried once, random ones until one is free.
        loop {
            let event = events::of_known_container(&row, settings, "create", &[]);
            let new = NewContainer { row: &row, volumes: &volumes };
            match store.noting(vec![event], |store| store.record_container(&new)) {
                Err(wharfie_store::Error::NameTaken { .. }) if chosen.is_none() => row.name = random::name()?,
                Err(wharfie_store::Error::NameTaken { name, id }) => {
                    return Err(ContainerError::NameTaken { name, id }.into());
                }
                // Somebody removed it since we looked it up.
                Err(wharfie_store::Error::MissingImage(_)) => return Err(Error::NoSuchImage(create.image.clone())),
                result => return result.map(|lock| (row, lock)).map_err(Into::into),
            }
        }
    }

    fn inherit_mounts(&self, store: &Store, create: &Create, settings: &mut Settings) -> Result<()> {
        for from in &create.volumes_from {
            let (name, mode) = from.split_once(':').unwrap_or((from, ""));
            let row = store.find_container(name)?.ok_or_else(|| ContainerError::NoSuch(name.to_owned()))?;
            let other: Settings = super::settings_of(&row)?;
            // Memory is a container's own.
            for mut mount in other.mounts.into_iter().filter(|mount| mount.kind != MountKind::Tmpfs) {
                mount.read_only |= mode == "ro";
                mount.origin = MountOrigin::Inherited;
                if !settings.mounts.iter().any(|known| known.target == mount.target) {
                    settings.mounts.push(mount);
                }
            }
        }
        Ok(())
    }

    /// What the image or the user declares as a volume and nothing is mounted on gets an anonymous one.
    fn image_volumes(&self, settings: &mut Settings) -> Result<()> {
        for target in settings.config.volumes.clone().unwrap_or_default().into_keys() {
            if !settings.mounts.iter().any(|mount| mount.target == target) {
                let source = VolumeName::from_random(random::bytes()?).into();
                let (kind, origin) = (MountKind::Volume, MountOrigin::Volume);
                let mount = MountPoint { kind, source, target, read_only: false, options: Vec::new(), origin };
                settings.mounts.push(mount);
            }
        }
        Ok(())
    }

    /// Fills the volumes that are empty with what the image has in their place.
    fn fill_volumes(&self, store: &Store, settings: &Settings, row: &ContainerRow) -> Result<()> {
        // What volumes hold that are more than directories is mounted for this, and until the container has ended.
        let _in_use = self.mount_volumes(settings)?;
        for mount in settings.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            if !mount.options.iter().any(|option| option == "nocopy") {
                self.fill_volume(store, row, &mount.target, &super::volumes::parse_name(&mount.source)?)?;
            }
        }
        Ok(())
    }
}

/// Makes a host directory that is to be mounted and is missing, as docker does.
fn make_source(path: &str) -> Result<()> {
    if std::path::Path::new(path).exists() {
        return Ok(());
    }
    let made = std::fs::create_dir_all(path);
    made.map_err(|source| ContainerError::MountSource { path: path.to_owned(), source }.into())
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
///
/// # Errors
/// Docker's text for anything else.
pub fn parse_name(name: &str) -> Result<ContainerName> {
    let name = name.strip_prefix('/').unwrap_or(name);
    name.parse().map_err(|_| ContainerError::BadName(name.to_owned()).into())
}

/// The image's configuration with what was asked for instead.
fn merged(image: &ContainerConfig, create: &Create) -> ContainerConfig {
    let mut config = image.clone();
    if let Some(entrypoint) = &create.entrypoint {
        config.entrypoint = if entrypoint.is_empty() { None } else { Some(vec![entrypoint.clone()]) };
        config.cmd = None;
    }
    if !create.command.is_empty() {
        config.cmd = Some(create.command.clone());
    }
    let mut env = config.env.take().unwrap_or_default();
    for pair in &create.env {
        let name = pair.split('=').next().unwrap_or_default();
        env.retain(|known| known.split('=').next() != Some(name));
        if pair.contains('=') {
            env.push(pair.clone());
        }
    }
    config.env = Some(env).filter(|env| !env.is_empty());
    if !create.labels.is_empty() {
        config.labels.get_or_insert_default().extend(create.labels.clone());
    }
    if let Some(user) = &create.user {
        config.user.clone_from(user);
    }
    if let Some(directory) = &create.working_dir {
        config.working_dir.clone_from(directory);
    }
    for port in &create.expose {
        config.exposed_ports.get_or_insert_default().insert(port.clone(), Empty {});
    }
    for volume in &create.volumes {
        config.volumes.get_or_insert_default().insert(volume.clone(), Empty {});
    }
    config.stop_signal = create.stop_signal.clone().or(config.stop_signal);
    config.healthcheck = health(create.healthcheck.as_ref(), config.healthcheck);
    config.on_build = None;
    config
}

/// The image's check with what the user said about it: a field that nobody mentioned stays the image's. `NONE` ends all
/// checks, whatever else is known of them.
fn health(asked: Option<&Healthcheck>, of_image: Option<Healthcheck>) -> Option<Healthcheck> {
    let (Some(asked), Some(image)) = (asked, &of_image) else { return asked.cloned().or(of_image) };
    if asked.test.as_ref().is_some_and(|test| test.first().is_some_and(|word| word == "NONE")) {
        return Some(asked.clone());
    }
    let or = |own: i64, other: i64| if own == 0 { other } else { own };
    Some(Healthcheck {
        test: asked.test.clone().or_else(|| image.test.clone()),
        interval: or(asked.interval, image.interval),
        timeout: or(asked.timeout, image.timeout),
        start_period: or(asked.start_period, image.start_period),
        start_interval: or(asked.start_interval, image.start_interval),
        retries: or(asked.retries, image.retries),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_flags_change_one_field_each() {
        let test = |word: &str| Some(vec![word.to_owned(), "x".to_owned()]);
        let image = Healthcheck { test: test("CMD"), interval: 5, retries: 7, ..Healthcheck::default() };
        let check = |asked: Option<Healthcheck>, expected: &Healthcheck| {
            assert_eq!(health(asked.as_ref(), Some(image.clone())).as_ref(), Some(expected));
        };
        check(None, &image);
        let timeout = Healthcheck { timeout: 3, ..Healthcheck::default() };
        check(Some(timeout.clone()), &Healthcheck { timeout: 3, ..image.clone() });
        let command = Healthcheck { test: test("CMD-SHELL"), ..Healthcheck::default() };
        check(Some(command), &Healthcheck { test: test("CMD-SHELL"), ..image.clone() });
        let none = Healthcheck { test: Some(vec!["NONE".to_owned()]), ..Healthcheck::default() };
        check(Some(none.clone()), &none);
        assert_eq!(health(Some(&timeout), None), Some(timeout.clone()));
    }
}

//! Volumes: named places for files that outlive containers.

use std::collections::{BTreeMap, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, statat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use wharfie_layer::trail::Trail;
use wharfie_model::NilMap;
use wharfie_model::volume::Volume;
use wharfie_oci::{ContainerId, Timestamp, VolumeName};
use wharfie_store::containers::ContainerRow;
use wharfie_store::volumes::{VolumeRow, is_mount_point, release};

use super::settings::Settings;
use super::{is_alive, random};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::volumes::VolumeError;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateVolume {
    /// Its name; an anonymous one without.
    pub name: Option<String>,
    /// What it is made with.
    pub details: VolumeDetails,
}

/// What a volume is made with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeDetails {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `type`, `device` and `o`, as mount(8) has them, and `size`; none for a plain directory.
    pub options: BTreeMap<String, String>,
}

impl Engine {
    /// Mounts what a container's volumes hold that are more than directories, unless it is mounted already. Nobody unmounts
    /// them while what this gives lives.
    pub(crate) fn mount_volumes(&self, settings: &Settings) -> Result<InUse> {
        let mut in_use = InUse(Vec::new());
        for name in settings.volumes() {
            let store = self.writer()?;
            let Some(volume) = store.volume(&name)?.filter(|volume| !volume.options.is_empty()) else {
                continue;
            };
            let place = store.volume_directory(&volume.name);
            let _turn = turn(&place)?;
            let failed = |why: Errno| {
                let [device, kind, data] = ["device", "type", "o"].map(|name| option(&volume, name).to_owned());
                VolumeError::Mount { place: place.clone(), device, kind, data, source: why.into() }
            };
            if !is_mount_point(&place).map_err(failed)? {
                mount_volume(&volume, &place).map_err(failed)?;
            }
            in_use.0.extend(use_lock(&place, FlockOperation::NonBlockingLockShared)?);
        }
        Ok(in_use)
    }

    /// Unmounts what [`Self::mount_volumes`] mounted, once nobody uses it: neither somebody who is about to start a container,
    /// nor a container that runs, also one whose monitor was killed.
    pub(crate) fn unmount_volumes(&self, row: &ContainerRow, settings: &Settings) -> Result<()> {
        for name in settings.volumes() {
            let store = self.writer()?;
            if store.volume(&name)?.is_none_or(|volume| volume.options.is_empty()) {
                continue;
            }
            let place = store.volume_directory(&name);
            let _turn = turn(&place)?;
            let mut users = store.users_of_volume(&name)?;
            users.retain(|id| *id != row.id);
            let is_used =
                |id: &ContainerId| store.find_container(id).ok().flatten().is_some_and(|other| is_alive(&other));
            let alone = use_lock(&place, FlockOperation::NonBlockingLockExclusive)?;
            if alone.is_some() && !users.iter().any(is_used) {
                release(&place)?;
            }
        }
        Ok(())
    }

    /// Where a volume's files are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn volume_place(&self, name: &VolumeName) -> Result<String> {
        Ok(self.reader()?.volume_directory(name).display().to_string())
    }

    /// A volume's document; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn inspect_volume(&self, name: &str) -> Result<Option<Volume>> {
        self.volume(name)?.map(|volume| self.volume_document(volume)).transpose()
    }

    /// A volume's document. Nothing is counted.
    pub(crate) fn volume_document(&self, volume: VolumeRow) -> Result<Volume> {
        Ok(Volume {
            created_at: Timestamp { nanos: 0, ..volume.created }.to_string(),
            driver: "local".to_owned(),
            labels: NilMap(serde_json::from_str(&volume.labels).map_err(Error::Document)?),
            mountpoint: self.volume_place(&volume.name)?,
            name: volume.name.into(),
            options: NilMap(volume.options),
            scope: "local".to_owned(),
            usage_data: None,
        })
    }

    /// The volume of that name; `None` if there is none.
    fn volume(&self, name: &str) -> Result<Option<VolumeRow>> {
        let Ok(name) = name.parse() else { return Ok(None) };
        Ok(self.reader()?.volume(&name)?)
    }

    /// True if a container uses the volume.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_volume_used(&self, name: &VolumeName) -> Result<bool> {
        Ok(!self.reader()?.users_of_volume(name)?.is_empty())
    }

    /// Makes a volume unless it is there. Gives its name.
    ///
    /// # Errors
    /// When the name is none, or the store cannot be written.
    pub fn create_volume(&self, create: &CreateVolume) -> Result<VolumeName> {
        check_options(&create.details.options)?;
        let name = match &create.name {
            Some(name) => parse_name(name)?,
            None => VolumeName::from_random(random::bytes()?),
        };
        let store = self.writer()?;
        store.create_volume(&VolumeRow {
            is_anonymous: name.is_random(),
            name: name.clone(),
            created: store.now(),
            labels: serde_json::to_string(&create.details.labels).map_err(Error::Document)?,
            options: create.details.options.clone(),
        })?;
        Ok(name)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeRow>> {
        Ok(self.reader()?.volumes()?)
    }

    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// When there is none of that name, or a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        let store = self.writer()?;
        let Some(VolumeRow { name, .. }) = self.volume(name)? else {
            return Err(VolumeError::NoSuch(name.to_owned()).into());
        };
        if store.remove_volume(&name)? {
            return Ok(());
        }
        let users = store.users_of_volume(&name)?;
        Err(VolumeError::InUse { name, users }.into())
    }
}

/// The right to fill a volume, or to mount or unmount what it holds, until it is dropped. No container has the directory that
/// is locked: what containers have they can lock themselves, for ever.
pub(super) fn turn(place: &Path) -> Result<OwnedFd> {
    let outer = place.parent().unwrap_or(place);
    let locked = rustix::fs::open(outer, DIRECTORY, Mode::empty()).and_then(|directory| {
        flock(&directory, FlockOperation::LockExclusive)?;
        Ok(directory)
    });
    locked.map_err(|why| Error::File { doing: "lock", path: outer.into(), source: why.into() })
}

/// Volumes whose mounts are in use, until this is dropped.
pub(crate) struct InUse(Vec<OwnedFd>);

/// A lock on what a volume's mount is used for; `None` if others' locks are against it. It is asked for in [`turn`] alone.
fn use_lock(place: &Path, how: FlockOperation) -> Result<Option<OwnedFd>> {
    let path = place.parent().unwrap_or(place).join("users");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let locked = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).and_then(|file| match flock(&file, how) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(why) => Err(why),
    });
    locked.map_err(|why| Error::File { doing: "lock", path, source: why.into() })
}

fn option<'a>(volume: &'a VolumeRow, name: &str) -> &'a str {
    volume.options.get(name).map(String::as_str).unwrap_or_default()
}

/// Mounts what a volume's options say on its directory.
fn mount_volume(volume: &VolumeRow, place: &Path) -> rustix::io::Result<()> {
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for word in option(volume, "o").split(',').filter(|word| !word.is_empty()) {
        match FLAGS.iter().find(|(name, ..)| *name == word) {
            Some((_, flag, true)) => flags |= *flag,
            Some((_, flag, false)) => flags -= *flag,
            None => data.push(word),
        }
    }
    let data = CString::new(data.join(",")).map_err(|_| Errno::INVAL)?;
    let device = option(volume, "device");
    if !flags.intersects(MountFlags::BIND) {
        return mount(device, place, option(volume, "type"), flags, data.as_c_str());
    }
    mount(device, place, c"", flags & (MountFlags::BIND | MountFlags::REC), None)?;
    // The other flags of a bind mount count only in a second call.
    let rest = flags - MountFlags::REC;
    if rest == MountFlags::BIND {
        return Ok(());
    }
    rustix::mount::mount_remount(place, rest, c"")
}

/// Words of `o` that are flags of mount(2), and whether they set or clear them; all others are the file system's.
const FLAGS: &[(&str, MountFlags, bool)] = &[
    ("bind", MountFlags::BIND, true),
    ("rbind", MountFlags::BIND.union(MountFlags::REC), true),
    ("ro", MountFlags::RDONLY, true),
    ("rw", MountFlags::RDONLY, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("suid", MountFlags::NOSUID, false),
    ("nodev", MountFlags::NODEV, true),
    ("dev", MountFlags::NODEV, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("exec", MountFlags::NOEXEC, false),
    ("noatime", MountFlags::NOATIME, true),
    ("atime", MountFlags::NOATIME, false),
    ("nodiratime", MountFlags::NODIRATIME, true),
    ("relatime", MountFlags::RELATIME, true),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("async", MountFlags::SYNCHRONOUS, false),
    ("defaults", MountFlags::empty(), true),
];

/// Judges the options of a volume, in docker's words.
///
/// # Errors
/// For an unknown option, or when not all are there that a mount needs.
pub(crate) fn check_options(options: &BTreeMap<String, String>) -> Result<()> {
    if options.is_empty() {
        return Ok(());
    }
    if let Some(name) = options.keys().find(|name| !matches!(name.as_str(), "type" | "o" | "device" | "size")) {
        return Err(VolumeError::BadOption(name.clone()).into());
    }
    if options.contains_key("size") {
        return Err(VolumeError::Quota.into());
    }
    for name in ["device", "type"] {
        if options.get(name).is_none_or(String::is_empty) {
            return Err(VolumeError::MissingOption(name).into());
        }
    }
    Ok(())
}

/// Reads the name of a volume.
///
/// # Errors
/// Docker's text for what is none.
pub fn parse_name(name: &str) -> Result<VolumeName> {
    name.parse().map_err(|_| match name.len() {
        1 => VolumeError::ShortName.into(),
        _ => VolumeError::BadName(name.to_owned()).into(),
    })
}

/// Bytes of the files in a tree, and of what symbolic links say, each once whatever names it has: as docker counts them.
pub(crate) fn tree_bytes(path: &Path) -> u64 {
    let Ok(top) = rustix::fs::open(path, DIRECTORY, Mode::empty()) else { return 0 };
    let mut counted = Counted::default();
    let mut stack = vec![count(top.as_fd(), &mut counted)];
    let mut trail = Trail::new(top);
    while let Some(directories) = stack.last_mut() {
        let Some(name) = directories.pop() else {
            stack.pop();
            if trail.leave().is_err() {
                break;
            }
            continue;
        };
        // What is gone meanwhile, or is something else, counts nothing.
        if let Ok(directory) = openat(trail.here(), &name, DIRECTORY, Mode::empty()) {
            stack.push(count(directory.as_fd(), &mut counted));
            if trail.enter(directory).is_err() {
                break;
            }
        }
    }
    counted.bytes
}

/// What a tree amounts to so far.
#[derive(Default)]
struct Counted {
    bytes: u64,
    /// Files with several names, by device and number.
    seen: HashSet<(u64, u64)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Adds the bytes of the files in a directory; gives the names of the directories in it.
fn count(directory: BorrowedFd<'_>, counted: &mut Counted) -> Vec<CString> {
    let mut directories = Vec::new();
    for entry in Dir::read_from(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Ok(found) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory if !matches!(name.to_bytes(), b"." | b"..") => directories.push(name.to_owned()),
            FileType::RegularFile | FileType::Symlink
                if found.st_nlink == 1 || counted.seen.insert((found.st_dev, found.st_ino)) =>
            {
                counted.bytes += u64::try_from(found.st_size).unwrap_or_default();
            }
            _ => {}
        }
    }
    directories
}

//! The memory at `/dev/shm` of containers that share it.
//!
//! It belongs to the System V and POSIX objects of the same namespace, so who joins a container's `ipc` namespace has its
//! `/dev/shm` as well. A container that lets others in (`--ipc shareable`) gets it from a mount beside its other files, which
//! the others bind too; that of all others is made inside, where nobody else can find it.

use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::mount::{MountFlags, mount};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;
use wharfie_store::volumes::{is_mount_point, release};

use super::settings::Settings;
use super::settings_of;
use crate::error::{Error, Result};

/// Where it is in a container.
pub(super) const TARGET: &str = "/dev/shm";
/// Docker's size, 64 MiB.
const DEFAULT_BYTES: u64 = 64 << 20;

/// Whose memory a container has.
pub(super) enum Shared {
    /// Its own, of so many bytes, which others may have too.
    Own(u64),
    /// That of the container of this name or id.
    Others(String),
}

/// What a container with these settings shares; `None` if nothing.
pub(super) fn of(settings: &Settings) -> Option<Shared> {
    match settings.ipc_mode.as_str() {
        "shareable" if settings.shm_size > 0 => Some(Shared::Own(settings.shm_size)),
        "shareable" => Some(Shared::Own(DEFAULT_BYTES)),
        mode => mode.strip_prefix("container:").map(|name| Shared::Others(name.to_owned())),
    }
}

/// The directory to bind at [`TARGET`]; the container's own is mounted if it is not yet.
pub(super) fn source(store: &Store, row: &ContainerRow, shared: &Shared) -> Result<PathBuf> {
    match shared {
        Shared::Own(size) => {
            let place = store.container_directory(&row.id).join("shm");
            mount_own(&place, *size).map_err(|source| Error::File {
                doing: "mount memory on",
                path: place.clone(),
                source,
            })?;
            Ok(place)
        }
        Shared::Others(name) => {
            let other = store.find_container(name)?.ok_or_else(|| Error::NoSuchContainer(name.clone()))?;
            let place = store.container_directory(&other.id).join("shm");
            match settings_of(&other)?.ipc_mode.as_str() {
                "shareable" => Ok(place),
                "host" => Ok(TARGET.into()),
                _ => Err(Error::Container(format!(
                    "can't join IPC of container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor \
                     container)",
                    other.id
                ))),
            }
        }
    }
}

fn mount_own(place: &Path, size: u64) -> std::io::Result<()> {
    std::fs::create_dir_all(place)?;
    if is_mount_point(place)? {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = std::ffi::CString::new(format!("mode=1777,size={size}"))?;
    mount("shm", place, "tmpfs", flags, options.as_c_str())?;
    let _ = rustix::fs::chmod(place, Mode::from_raw_mode(0o1777));
    Ok(())
}

/// Takes a container's own memory away when it has ended. Those who share it keep what they have.
pub(super) fn forget(store: &Store, id: &str) {
    // What cannot be unmounted is tried again when the container is removed.
    let _ = release(&store.container_directory(id).join("shm"));
}

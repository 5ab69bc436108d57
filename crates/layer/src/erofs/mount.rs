//! Mounts a layer file through the kernel's new mount API, without a loop device and without a place in the tree.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};

/// Why a layer could not be mounted. All but [`MountError::Failed`] say that no layer can be, here and now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// Mounting EROFS takes the privilege of the machine's own root; a user namespace's is not enough.
    #[error("mounting a layer is not permitted")]
    NotPermitted,
    /// The file system that holds the layer cannot back a mount (tmpfs and overlayfs cannot), or the kernel is older
    /// than 6.12.
    #[error("the file system that holds the layer cannot back a mount")]
    NotBackable,
    /// The kernel has no EROFS, or no new mount API.
    #[error("the kernel cannot mount EROFS")]
    NoErofs,
    /// Anything else, for example a damaged layer file.
    #[error("cannot mount the layer{messages}")]
    Failed {
        /// What the kernel said beside the error number, each with ": " before it.
        messages: String,
        /// The error number.
        #[source]
        source: io::Error,
    },
}

/// Mounts the layer in `file`, read-only, without device files or set-id programs being restricted: a root file
/// system needs them. The mount lives as long as the returned descriptor, or what was made of it. Needs /proc.
///
/// # Errors
/// See [`MountError`].
pub fn mount_detached(file: BorrowedFd<'_>) -> Result<OwnedFd, MountError> {
    let fs = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|error| refused(error, None))?;
    let configure = || {
        fsconfig_set_string(&fs, "source", format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        fsconfig_set_flag(&fs, "ro")?;
        fsconfig_create(&fs)?;
        fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
    };
    configure().map_err(|error| refused(error, Some(&fs)))
}

fn refused(error: Errno, fs: Option<&OwnedFd>) -> MountError {
    match error {
        Errno::PERM | Errno::ACCESS => MountError::NotPermitted,
        Errno::NOTBLK => MountError::NotBackable,
        Errno::NODEV | Errno::NOSYS => MountError::NoErofs,
        _ => MountError::Failed { messages: fs.map_or_else(String::new, messages), source: error.into() },
    }
}

/// What the kernel has to say about a failed configuration: one message for each read.
fn messages(fs: &OwnedFd) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = rustix::io::read(fs, &mut buffer) {
        let message = String::from_utf8_lossy(&buffer[..len]);
        // "e ", "w " or "i " says how bad it is.
        let message = message.trim_end();
        let message = message.get(2..).unwrap_or(message);
        write!(text, ": {message}").expect("writing to a string cannot fail");
    }
    text
}

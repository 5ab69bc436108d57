//! One file that is described without being opened: a link, a device, a pipe.
//!
//! A name in a directory that others can write to may mean another file from one call to the next. A descriptor that was
//! opened with `O_PATH` and without following a link means the same file for ever, and no driver hears of it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fstat, getxattr, linkat, listxattr, openat, openat2, readlinkat, setxattr, utimensat,
};
use rustix::io::Errno;

/// 4095 bytes: PATH_MAX without its NUL.
const MAX_PATH: usize = 4095;

/// A file by itself, under whatever name.
pub(crate) struct Node(OwnedFd);

impl Node {
    /// What `name` in `parent` is now; a link is itself.
    pub(crate) fn open(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(parent, name, flags, Mode::empty())?))
    }

    /// As [`Self::open`], of what was made under this name a moment ago: anything of another kind is somebody else's.
    pub(crate) fn open_made(parent: BorrowedFd<'_>, name: &[u8], kind: FileType) -> rustix::io::Result<Self> {
        let node = Self::open(parent, name)?;
        if FileType::from_raw_mode(node.stat()?.st_mode) != kind {
            return Err(Errno::STALE);
        }
        Ok(node)
    }

    /// The file at `path` beneath `root`, which may be longer than what the kernel takes at once. No link is followed, also
    /// none that somebody puts in the place of a directory meanwhile.
    pub(crate) fn open_beneath(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let (mut at, mut rest): (Option<OwnedFd>, _) = (None, path);
        while rest.len() > MAX_PATH {
            let Some(slash) = rest[..MAX_PATH].iter().rposition(|byte| *byte == b'/') else {
                return Err(Errno::NAMETOOLONG);
            };
            let from = at.as_ref().map_or(root, AsFd::as_fd);
            at = Some(openat2(from, &rest[..slash], flags | OFlags::DIRECTORY, Mode::empty(), resolve)?);
            rest = &rest[slash + 1..];
        }
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        Ok(Self(openat2(from, rest, flags, Mode::empty(), resolve)?))
    }

    /// Gives it a further name: the very file, whatever has taken its other names meanwhile.
    pub(crate) fn link(&self, parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
        linkat(CWD, self.path(), parent, name, AtFlags::SYMLINK_FOLLOW)
    }

    /// What it is.
    pub(crate) fn stat(&self) -> rustix::io::Result<Stat> {
        fstat(&self.0)
    }

    /// A regular file for reading; anything else is refused before a driver or a peer could notice.
    pub(crate) fn open_file(&self) -> rustix::io::Result<OwnedFd> {
        if FileType::from_raw_mode(self.stat()?.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        self.open_as_file()
    }

    /// As [`Self::open_file`], of what [`Self::stat`] has called a regular file already.
    pub(crate) fn open_as_file(&self) -> rustix::io::Result<OwnedFd> {
        openat(CWD, self.path(), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
    }

    /// Where a link leads.
    pub(crate) fn target(&self) -> rustix::io::Result<Vec<u8>> {
        Ok(readlinkat(&self.0, "", Vec::new())?.into_bytes())
    }

    /// Gives it away.
    pub(crate) fn chown(&self, uid: Option<Uid>, gid: Option<Gid>) -> rustix::io::Result<()> {
        chownat(&self.0, "", uid, gid, AtFlags::EMPTY_PATH)
    }

    /// Sets the mode of anything but a link, which has none.
    pub(crate) fn chmod(&self, mode: Mode) -> rustix::io::Result<()> {
        if FileType::from_raw_mode(self.stat()?.st_mode) == FileType::Symlink {
            return Ok(());
        }
        chmodat(CWD, self.path(), mode, AtFlags::empty())
    }

    /// Sets its times.
    pub(crate) fn set_times(&self, times: &Timestamps) -> rustix::io::Result<()> {
        match utimensat(&self.0, "", times, AtFlags::EMPTY_PATH) {
            // Kernels before 5.8 take no empty path here.
            Err(Errno::NOENT | Errno::INVAL) => utimensat(CWD, self.path(), times, AtFlags::empty()),
            other => other,
        }
    }

    /// Sets an extended attribute.
    pub(crate) fn set_xattr(&self, name: &[u8], value: &[u8]) -> rustix::io::Result<()> {
        setxattr(self.path(), name, value, XattrFlags::empty())
    }

    /// Names of its extended attributes.
    pub(crate) fn list_xattrs(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        listxattr(self.path(), buffer)
    }

    /// One extended attribute.
    pub(crate) fn xattr(&self, name: &[u8], buffer: &mut [u8]) -> rustix::io::Result<usize> {
        getxattr(self.path(), name, buffer)
    }

    /// A path that leads to the very file, and no further if that is a link: the kernel jumps instead of walking.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_took_the_name_meanwhile_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let (file, victim) = (place.path().join("file"), place.path().join("victim"));
        std::fs::write(&victim, "secret").unwrap();
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "mine").unwrap();
        let parent: OwnedFd = std::fs::File::open(place.path()).unwrap().into();
        let node = Node::open(parent.as_fd(), b"file").unwrap();
        std::fs::rename(&file, place.path().join("moved")).unwrap();
        symlink("victim", &file).unwrap();
        node.chmod(Mode::from_raw_mode(0o666)).unwrap();
        let mode = |name: &str| std::fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("moved"), mode("victim")), (0o666, 0o600));
    }

    #[test]
    fn a_link_is_described_and_not_what_it_names() {
        let place = tempfile::tempdir().unwrap();
        let victim = place.path().join("victim");
        std::fs::write(&victim, "secret").unwrap();
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o600)).unwrap();
        let before = std::fs::metadata(&victim).unwrap().modified().unwrap();
        symlink("victim", place.path().join("link")).unwrap();
        let parent: OwnedFd = std::fs::File::open(place.path()).unwrap().into();
        let node = Node::open(parent.as_fd(), b"link").unwrap();
        let long_ago = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
        node.set_times(&Timestamps { last_access: long_ago, last_modification: long_ago }).unwrap();
        node.chmod(Mode::from_raw_mode(0o777)).unwrap();
        assert_eq!(node.target().unwrap(), b"victim");
        let victim = std::fs::metadata(&victim).unwrap();
        assert_eq!((victim.permissions().mode() & 0o777, victim.modified().unwrap()), (0o600, before));
        assert_eq!(node.stat().unwrap().st_mtime, 1);
    }

    #[test]
    fn a_further_name_is_the_files_and_no_link_is_on_the_way() {
        let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("dir")).unwrap();
        std::fs::write(at("dir/file"), "mine").unwrap();
        symlink("nowhere", at("dir/link")).unwrap();
        std::fs::write(outside.path().join("file"), "secret").unwrap();
        let root: OwnedFd = std::fs::File::open(place.path()).unwrap().into();
        let file = Node::open_beneath(root.as_fd(), b"dir/file").unwrap();
        let link = Node::open_beneath(root.as_fd(), b"dir/link").unwrap();
        std::fs::rename(at("dir"), at("moved")).unwrap();
        symlink(outside.path(), at("dir")).unwrap();
        file.link(root.as_fd(), b"again").unwrap();
        link.link(root.as_fd(), b"link again").unwrap();
        assert_eq!(std::fs::read_to_string(at("again")).unwrap(), "mine");
        assert_eq!(std::fs::read_link(at("link again")).unwrap(), std::path::Path::new("nowhere"));
        for path in [&b"dir/file"[..], b"../file", b"dir/../moved/file/"] {
            assert!(Node::open_beneath(root.as_fd(), path).is_err(), "{path:?}");
        }
        let long = [b"moved/./".repeat(1000).as_slice(), b"file"].concat();
        assert_eq!(Node::open_beneath(root.as_fd(), &long).map(drop).unwrap_err(), Errno::NOENT);
        let long = [b"moved/".as_slice(), &b"./".repeat(4000), b"file"].concat();
        assert!(Node::open_beneath(root.as_fd(), &long).is_ok());
    }

    #[test]
    fn a_pipe_is_not_opened_as_a_file() {
        let place = tempfile::tempdir().unwrap();
        let parent: OwnedFd = std::fs::File::open(place.path()).unwrap().into();
        rustix::fs::mknodat(&parent, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let node = Node::open(parent.as_fd(), b"pipe").unwrap();
        assert_eq!(node.open_file().unwrap_err(), Errno::INVAL);
    }
}

//! What a layer looks like once it is a tree, in lines that can be compared.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use tempfile::TempDir;
use wharfie_oci::{DiffId, Digest, Timestamp};
use wharfie_store::snapshots::{Kind, Tree};
use wharfie_store::{Error, Ingest, Options, Store};
use wharfie_testkit::needs;

/// A store in a folder of its own, and a place to mount things on.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("wharfie-store-").expect("temporary folders can be made");
        let options = Options {
            platform: wharfie_oci::Platform::host(),
            clock: || Timestamp::from_nanos(0),
            grace: 0,
            keep_limit: 0,
            keep_free: 0,
            snapshots: None,
            remove: |_| false,
        };
        let store = Store::open(&folder.path().join("store"), options).expect("an empty folder becomes a store");
        fs::create_dir(folder.path().join("mount")).expect("the folder is ours");
        Self { folder, store }
    }

    /// Takes a layer in.
    pub(crate) fn ingest(&self, tar: &[u8]) -> Result<DiffId, Error> {
        let lease = self.store.lease()?;
        let ingested = lease.ingest(&mut &*tar, Ingest::default(), &|| ())?;
        assert_eq!(*ingested.layer.diff_id.digest(), Digest::of(tar));
        Ok(ingested.layer.diff_id)
    }

    /// The kinds that this machine and user can show; a missing one is said.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        if !needs::root("owners, devices and mounts of layers") {
            return Vec::new();
        }
        match self.store.snapshot_kind().expect("the store can be written") {
            Kind::Erofs => vec![Kind::Erofs, Kind::Unpacked, Kind::UnpackedRootless],
            _ => {
                needs::skipped(
                    "EROFS cannot be mounted from a file here (Linux 6.12 or newer): only the unpacked kind",
                );
                vec![Kind::Unpacked, Kind::UnpackedRootless]
            }
        }
    }

    /// Calls `look` with the folder in which a layer can be seen.
    pub(crate) fn look<T>(&self, diff_id: &DiffId, kind: Kind, look: impl FnOnce(&Path) -> T) -> T {
        match self.store.tree(diff_id, kind).unwrap_or_else(|why| panic!("{kind:?}: {why}: {:?}", why)) {
            Tree::Directory(path) => look(&path),
            Tree::Mount(mount) => {
                let mounted = Mounted(self.folder.path().join("mount"));
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                move_mount(mount.as_fd(), "", rustix::fs::CWD, &mounted.0, flags).expect("root can mount");
                look(&mounted.0)
            }
        }
    }

    /// Every line of a tar's tree, after insisting that all kinds show the same.
    #[track_caller]
    pub(crate) fn shown(&self, tar: &[u8], detail: Detail) -> Vec<String> {
        let diff_id = self.ingest(tar).expect("the tar is sound");
        let kinds = self.kinds();
        let full: Vec<Vec<String>> =
            kinds.iter().map(|kind| self.look(&diff_id, *kind, |folder| lines(folder, Detail::Full))).collect();
        for other in &full[1..] {
            same(&full[0], other);
        }
        match detail {
            Detail::Full => full.into_iter().next().unwrap_or_default(),
            Detail::Brief => self.look(&diff_id, kinds[0], |folder| lines(folder, Detail::Brief)),
        }
    }
}

/// Insists that two trees are the same, and shows only what differs.
#[track_caller]
pub(crate) fn same(one: &[String], two: &[String]) {
    if one != two {
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let known: std::collections::HashSet<&String> = those.iter().collect();
            these.iter().filter(|line| !known.contains(line)).take(20).cloned().collect()
        };
        panic!("only in the first: {:#?}\nonly in the second: {:#?}", only(one, two), only(two, one));
    }
}

/// Unmounts when it goes.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nothing may be mounted after a test that failed half way.
        let _unmounted = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// How much a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Path, kind, mode, owner unless it is root, content.
    Brief,
    /// Times as well, owners always.
    Full,
}

/// One line per file beneath `root`, in byte order. Sizes and links of directories are the file system's own affair.
pub(crate) fn lines(root: &Path, detail: Detail) -> Vec<String> {
    let mut out = Vec::new();
    let mut inodes = HashMap::new();
    let mut stack = vec![root.to_owned()];
    let mut paths = vec![root.to_owned()];
    while let Some(folder) = stack.pop() {
        for entry in fs::read_dir(&folder).expect("directories can be read") {
            let entry = entry.expect("directories can be read");
            if entry.file_type().expect("files have types").is_dir() {
                stack.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let name =
            path.strip_prefix(root).expect("it was found there").as_os_str().as_bytes().escape_ascii().to_string();
        let name = if name.is_empty() { ".".to_owned() } else { name };
        let meta = fs::symlink_metadata(&path).expect("files can be looked at");
        let kind = meta.file_type();
        let mode = meta.mode() & 0o7777;
        let mut line = if kind.is_symlink() {
            let target = fs::read_link(&path).expect("links can be read");
            format!("{name} link -> {}", target.as_os_str().as_bytes().escape_ascii())
        } else if kind.is_dir() {
            format!("{name} dir {mode:04o}")
        } else if kind.is_file() {
            format!("{name} file {mode:04o} {}", content(&path, meta.len()))
        } else if kind.is_fifo() {
            format!("{name} fifo {mode:04o}")
        } else {
            let word = if kind.is_char_device() { "char" } else { "block" };
            let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
            format!("{name} {word} {mode:04o} {major}:{minor}")
        };
        if detail == Detail::Full || (meta.uid(), meta.gid()) != (0, 0) {
            line += &format!(" {}:{}", meta.uid(), meta.gid());
        }
        if !kind.is_dir() && meta.nlink() > 1 {
            let first = inodes.entry(meta.ino()).or_insert_with(|| name.clone());
            line += &format!(" {} names", meta.nlink());
            if *first != name {
                line += &format!(", as {first}");
            }
        }
        if detail == Detail::Full {
            line += &format!(" @{}.{:09}", meta.mtime(), meta.mtime_nsec());
        }
        for (key, value) in xattrs(&path) {
            line += &format!(" {key}={value}");
        }
        out.push(line);
    }
    out
}

/// Short text as it is; else the length and the digest.
fn content(path: &Path, len: u64) -> String {
    const SHORT: u64 = 24;
    let mut bytes = Vec::new();
    if len <= SHORT {
        bytes = fs::read(path).expect("files can be read");
        return format!("={}", bytes.escape_ascii());
    }
    let mut file = fs::File::open(path).expect("files can be read");
    let mut digester = wharfie_oci::Digester::new(wharfie_oci::digest::Algorithm::Sha256);
    bytes.resize(1 << 16, 0);
    let mut total = 0;
    loop {
        match file.read(&mut bytes).expect("files can be read") {
            0 => break,
            n => {
                total += n as u64;
                digester.update(&bytes[..n]);
            }
        }
    }
    assert_eq!(total, len, "{}", path.display());
    format!("{len} bytes {}", digester.finish().short())
}

/// Extended attributes that a layer may bring, in the order of their names.
fn xattrs(path: &Path) -> Vec<(String, String)> {
    let mut names = vec![0; 1 << 16];
    let len = rustix::fs::llistxattr(path, &mut names).expect("attributes can be listed");
    let mut found: Vec<(String, String)> = names[..len]
        .split(|&b| b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 1 << 16];
            let len = rustix::fs::lgetxattr(path, name, &mut value).expect("attributes can be read");
            // What stands for an opaque directory depends on who may set it.
            let name = if name == b"user.overlay.opaque" { b"trusted.overlay.opaque" } else { name };
            (name.escape_ascii().to_string(), value[..len].escape_ascii().to_string())
        })
        .collect();
    found.sort();
    found
}

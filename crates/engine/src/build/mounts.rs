//! What RUN mounts: files of elsewhere, shared directories, memory, secrets, agents.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use wharfie_build::plan::{Cache, Copy, Mount as Wanted, Ownership, Run, Sharing};
use wharfie_layer::graft::{Graft, Style};
use wharfie_layer::unpack::unpack;
use wharfie_oci::{DiffId, Digest};
use wharfie_runtime::{Bind, Handed, Mount, MountKind, Tmpfs};
use wharfie_store::LeasedScratch;
use wharfie_store::mounts::View;

use super::agents::Forward;
use super::copy::{chain, of_layer};
use super::error::BuildError;
use super::fetch::file_error;
use super::files::Files;
use super::request::SecretSource;
use super::worker::{Ground, Worker};
use crate::error::{Error, Result};

/// Files from elsewhere that are about to be mounted.
pub(super) struct Bound {
    /// The layers that they are in.
    layers: Vec<DiffId>,
    /// Which of them.
    path: PathBuf,
}

/// Everything that a command has mounted, as long as it runs.
pub(super) struct Mounts<'a> {
    /// Where, what, and whether it is read-only.
    places: Vec<(String, Kind, bool)>,
    /// Trees that are attached nowhere.
    trees: Vec<OwnedFd>,
    /// Variables that come with mounts.
    pub(super) variables: Vec<(String, String)>,
    /// Locks of shared directories.
    _locks: Vec<File>,
    /// Sockets that lead to agents.
    _forwards: Vec<Forward>,
    /// Where writing to files from elsewhere goes.
    _scratches: Vec<LeasedScratch<'a>>,
}

enum Kind {
    /// Part of one of the trees.
    Tree(usize, PathBuf),
    /// A file or directory of this machine.
    Path(PathBuf),
    /// Memory.
    Memory(u64),
}

impl Mounts<'_> {
    /// Where something is mounted.
    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(target, ..)| target.as_str())
    }

    /// As the runtime takes them, whose descriptors before these are `first`; with the descriptors.
    ///
    /// # Errors
    /// When no more files can be opened.
    pub(super) fn numbered(&self, first: usize) -> Result<(Vec<Mount>, Vec<OwnedFd>)> {
        let mount = |(target, kind, read_only): &(String, Kind, bool)| {
            let kind = match kind {
                Kind::Tree(tree, path) => MountKind::Handed(Handed { index: first + tree, path: path.clone() }),
                Kind::Path(path) => MountKind::Bind(Bind::new(path)),
                Kind::Memory(size) => {
                    let mut options = vec!["exec".to_owned()];
                    if *size > 0 {
                        options.push(format!("size={size}"));
                    }
                    MountKind::Tmpfs(Tmpfs { options })
                }
            };
            Mount { target: target.into(), kind, read_only: *read_only }
        };
        let descriptors = self.trees.iter().map(OwnedFd::try_clone).collect::<std::io::Result<_>>();
        let descriptors = descriptors.map_err(file_error("open", "a mount".as_ref()))?;
        Ok((self.places.iter().map(mount).collect(), descriptors))
    }
}

/// What a key says of mounts: what they are, and what is in those whose files count.
pub(super) fn mount_parts(run: &Run, bound: &[Bound]) -> Vec<(String, String)> {
    let mut bound = bound.iter();
    let mut parts = Vec::new();
    for mount in &run.mounts {
        parts.push(match mount {
            Wanted::Bind { target, is_readonly, .. } => {
                let files = bound.next().map(|one| format!("{} {}", chain(&one.layers), one.path.display()));
                (format!("the files mounted on {target}"), format!("{} {is_readonly}", files.unwrap_or_default()))
            }
            // What is in it counts for nothing.
            Wanted::Cache(cache) => (format!("the cache on {}", cache.target), format!("{}", cache.is_readonly)),
            Wanted::Tmpfs { target, size } => (format!("the memory on {target}"), size.to_string()),
            Wanted::Secret(secret) => {
                let place = format!("{:?} {:?} {:?}", secret.target, secret.variable, secret.ownership);
                (format!("the secret {}", secret.id), place)
            }
            Wanted::Ssh(ssh) => (format!("the agent {}", ssh.id), format!("{:?} {:?}", ssh.target, ssh.ownership)),
        });
    }
    parts
}

impl<'s> Worker<'_, 's> {
    /// The files from elsewhere that a command has mounted, in the order of its mounts.
    pub(super) fn bound_trees(&self, run: &Run, ground: &Ground<'_>) -> Result<Vec<Bound>> {
        let mut bound = Vec::new();
        for mount in &run.mounts {
            let Wanted::Bind { from, source, .. } = mount else { continue };
            let files = self.files(from.as_ref(), ground.platform)?;
            bound.push(match &files.layers {
                Some(layers) => Bound { layers: layers.clone(), path: PathBuf::from(source) },
                None => self.bound_directory(files, source, ground)?,
            });
        }
        Ok(bound)
    }

    /// A directory of this machine can change, and what is ignored in it is not there: what a command sees of it is a layer.
    fn bound_directory(&self, files: Arc<Files>, source: &str, ground: &Ground<'_>) -> Result<Bound> {
        let selected = files.select_plain(source)?;
        let is_directory = selected.kind == rustix::fs::FileType::Directory;
        let copy = Copy {
            from: None,
            sources: Vec::new(),
            destination: "/".to_owned(),
            owner: None,
            mode: None,
            link: true,
            parents: false,
            exclude: Vec::new(),
            is_add: false,
            checksum: None,
            unpack: None,
        };
        let slot = super::key::Key::new("bound").with("step", ground.slot.as_str()).with("source", source).digest();
        let ground = Ground { layers: &[], base: None, may_reuse: true, slot, text: "files for RUN", ..*ground };
        let done = self.copy_one(&copy, files, selected, &ground)?;
        let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let path = if is_directory { PathBuf::from("/") } else { PathBuf::from(format!("/{name}")) };
        Ok(Bound { layers: done.layer.into_iter().collect(), path })
    }

    /// Makes what a command has mounted.
    pub(super) fn mounts(&self, run: &Run, ground: &Ground<'_>, bound: &[Bound]) -> Result<Mounts<'s>> {
        let mut mounts = Mounts {
            places: Vec::new(),
            trees: Vec::new(),
            variables: Vec::new(),
            _locks: Vec::new(),
            _forwards: Vec::new(),
            _scratches: Vec::new(),
        };
        let mut bound = bound.iter();
        for mount in &run.mounts {
            match mount {
                Wanted::Bind { target, is_readonly, .. } => {
                    let Some(Bound { layers, path }) = bound.next() else { continue };
                    let tree = if *is_readonly {
                        self.store.view(layers, &View::Image)?
                    } else {
                        let scratch = self.lease.scratch(layers.clone())?;
                        let tree = scratch.view(self.store)?;
                        mounts._scratches.push(scratch);
                        tree
                    };
                    mounts.places.push((target.clone(), Kind::Tree(mounts.trees.len(), path.clone()), *is_readonly));
                    mounts.trees.push(tree);
                }
                Wanted::Cache(cache) => self.cache_mount(cache, ground, &mut mounts)?,
                Wanted::Tmpfs { target, size } => mounts.places.push((target.clone(), Kind::Memory(*size), false)),
                Wanted::Secret(secret) => {
                    let value = match self.build.secrets.get(&secret.id) {
                        Some(SecretSource::Value(value)) => value.clone(),
                        Some(SecretSource::File(path)) => std::fs::read(path).map_err(file_error("read", path))?,
                        None if secret.is_required => return Err(BuildError::NoSecret(secret.id.clone()).into()),
                        None => continue,
                    };
                    if let Some(target) = &secret.target {
                        let tree = memory_file(&value, &secret.ownership, 0o400)?;
                        let kind = Kind::Tree(mounts.trees.len(), MEMORY_FILE.into());
                        mounts.places.push((target.clone(), kind, true));
                        mounts.trees.push(tree);
                    }
                    if let Some(variable) = &secret.variable {
                        let text = String::from_utf8_lossy(&value).into_owned();
                        mounts.variables.push((variable.clone(), text));
                    }
                }
                Wanted::Ssh(ssh) => {
                    let forward = match self.agents.forward(&ssh.id, &ssh.ownership)? {
                        Some(forward) => forward,
                        None if ssh.is_required => return Err(BuildError::NoAgent(ssh.id.clone()).into()),
                        None => continue,
                    };
                    let number = mounts.variables.iter().filter(|(name, _)| name == AGENT).count();
                    let target = ssh.target.clone().unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{number}"));
                    mounts.variables.push((AGENT.to_owned(), target.clone()));
                    mounts.places.push((target, Kind::Tree(mounts.trees.len(), MEMORY_FILE.into()), false));
                    mounts.trees.push(forward.tree().map_err(file_error("open", "a mount".as_ref()))?);
                    mounts._forwards.push(forward);
                }
            }
        }
        for script in &run.files {
            let tree = memory_file(script.body.as_bytes(), &Ownership::default(), 0o755)?;
            let kind = Kind::Tree(mounts.trees.len(), MEMORY_FILE.into());
            mounts.places.push((format!("/dev/pipes/{}", script.name), kind, true));
            mounts.trees.push(tree);
        }
        Ok(mounts)
    }

    /// A directory that steps share, locked as they share it.
    fn cache_mount(&self, cache: &Cache, ground: &Ground<'_>, mounts: &mut Mounts<'s>) -> Result<()> {
        let name = mount_directory(&cache.id);
        let (place, shared) = loop {
            let place = self.store.use_cache_mount(&cache.id, &name)?;
            // As long as somebody has it, it is not pruned.
            let Ok(shared) = File::open(&place) else { continue };
            flock(&shared, FlockOperation::LockShared).map_err(|why| file_error("lock", &place)(why.into()))?;
            // It may have been pruned before it was ours.
            use std::os::unix::fs::MetadataExt;
            let of = |found: std::io::Result<std::fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
            if of(shared.metadata()) == of(place.symlink_metadata()) {
                break (place, shared);
            }
            self.observer.check().map_err(|_| Error::Cancelled)?;
        };
        mounts._locks.push(shared);
        let directory = match cache.sharing {
            Sharing::Shared => "data".to_owned(),
            Sharing::Locked => {
                mounts._locks.push(self.lock_cache(&place.join("lock"), true)?.ok_or(Error::Cancelled)?);
                "data".to_owned()
            }
            Sharing::Private => {
                let mut number = 0;
                loop {
                    match self.lock_cache(&place.join(format!("lock-{number}")), false)? {
                        Some(lock) => {
                            mounts._locks.push(lock);
                            break if number == 0 { "data".to_owned() } else { format!("data-{number}") };
                        }
                        None => number += 1,
                    }
                }
            }
        };
        let directory = place.join(directory);
        // One at a time makes it and fills it.
        let making = self.lock_cache(&place.join("making"), true)?;
        if !directory.exists() {
            let new = place.join("new");
            let _ = std::fs::remove_dir_all(&new);
            std::fs::create_dir(&new).map_err(file_error("create", &new))?;
            let open = File::open(&new).map_err(file_error("open", &new))?;
            let is_brought = self.imports.fill_mount(&cache.id, &open)?;
            if let Some(from) = &cache.from
                && !is_brought
            {
                let files = self.files(Some(from), ground.platform)?;
                fill(&files, &cache.source, &open)?;
            }
            own(open.as_fd(), &cache.ownership, 0o755).map_err(|why| file_error("describe", &new)(why.into()))?;
            std::fs::rename(&new, &directory).map_err(file_error("name", &directory))?;
        }
        drop(making);
        mounts.places.push((cache.target.clone(), Kind::Path(directory), cache.is_readonly));
        Ok(())
    }

    /// Locks a file for ourselves, at once or never unless `waits`.
    fn lock_cache(&self, path: &std::path::Path, waits: bool) -> Result<Option<File>> {
        let file =
            File::options().create(true).truncate(false).write(true).open(path).map_err(file_error("open", path))?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if waits => {
                    self.observer.check().map_err(|_| Error::Cancelled)?;
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(why) => return Err(file_error("lock", path)(why.into())),
            }
        }
    }
}

/// What the directory of a cache mount is called in the store.
pub(super) fn mount_directory(id: &str) -> String {
    Digest::of(id.as_bytes()).hex()[..32].to_owned()
}

/// Copies a directory of a tree into an empty one.
fn fill(files: &Arc<Files>, source: &str, to: &File) -> Result<()> {
    let found = files.find(source.as_bytes())?.ok_or_else(|| BuildError::NoSource(source.to_owned()))?;
    let top = files.open_directory(&found.path)?;
    let (mut reader, writer) = std::io::pipe().map_err(file_error("make", "a pipe".as_ref()))?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| pack_directory(top, std::io::BufWriter::new(writer)).map(drop));
        let unpacked = unpack(&mut reader, to.as_fd()).map_err(of_layer);
        drop(reader);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        unpacked.and(written)
    })
}

/// Writes all that is in a directory to `out` as a tar, and gives `out` back.
pub(super) fn pack_directory<W: Write>(top: impl Into<OwnedFd>, out: W) -> Result<W> {
    use wharfie_layer::scan::{Leaf, Verdict, Visitor, scan};
    struct Moving<'g, 'a, W: Write>(&'g mut Graft<'a, W>);
    impl<W: Write> Visitor for Moving<'_, '_, W> {
        fn directory(
            &mut self,
            path: &[u8],
            stat: &rustix::fs::Stat,
            xattrs: wharfie_layer::pack::Xattrs,
        ) -> wharfie_layer::Result<()> {
            self.0.directory(path, stat, xattrs)
        }

        fn leaf(&mut self, path: &[u8], leaf: &Leaf<'_>) -> wharfie_layer::Result<()> {
            self.0.leaf(path, leaf.parent, leaf.name).map(drop)
        }
    }
    let style = Style::default();
    let mut nobody = ();
    let mut graft = Graft::new(None, &style, &mut nobody, out);
    scan(top.into(), &mut |_, _| Verdict::Take, &mut Moving(&mut graft)).map_err(of_layer)?;
    Ok(graft.finish().map_err(of_layer)?.0)
}

/// A variable that says where the agent's socket is.
const AGENT: &str = "SSH_AUTH_SOCK";

/// What is in a file system of [`memory_tree`] is called so.
pub(super) const MEMORY_FILE: &str = "file";

/// A file system of its own that never reaches a disk and is attached nowhere.
pub(super) fn memory_tree() -> std::io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "mode", "0755")?;
    // Memory that is never written to a disk: secrets are small.
    let _ = rustix::mount::fsconfig_set_flag(&fs, "noswap");
    fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// A file in a [`memory_tree`].
fn memory_file(bytes: &[u8], ownership: &Ownership, mode: u32) -> Result<OwnedFd> {
    let make = || -> std::io::Result<OwnedFd> {
        let tree = memory_tree()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&tree, MEMORY_FILE, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        own(file.as_fd(), ownership, mode)?;
        Ok(tree)
    };
    make().map_err(|source| Error::File { doing: "make", path: "a file in memory".into(), source })
}

fn own(file: std::os::fd::BorrowedFd<'_>, ownership: &Ownership, mode: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (ownership.uid.unwrap_or(0), ownership.gid.unwrap_or(0));
    fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(file, Mode::from_raw_mode(ownership.mode.unwrap_or(mode)))
}

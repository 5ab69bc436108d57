//! Writable root file systems: layers, and the changes made over them. A container has one for as long as it lives; whoever
//! needs one without a container has it for as long as a lease.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wharfie_layer::pack::{self, pack};
use wharfie_oci::{ContainerId, DiffId};

use crate::conveyor;
use crate::error::{Error, Result};
use crate::ingest::Ingest;
use crate::lease::{LayerRow, Lease};
use crate::mounts::View;
use crate::store::{Store, make_private};

/// A writable root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// What it stands on, bottom first.
    pub layers: Vec<DiffId>,
    /// The changes, as overlayfs writes them.
    pub upper: PathBuf,
    /// Where overlayfs works.
    pub work: PathBuf,
}

/// A [`Scratch`] of a lease: its files go when this is dropped, and if the owner is killed, with the lease.
pub struct LeasedScratch<'a> {
    store: &'a Store,
    scratch: Scratch,
    directory: PathBuf,
}

impl Store {
    /// A container's root file system.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn scratch_of_container(&self, id: &ContainerId) -> Result<Scratch> {
        let directory = self.container_directory(id);
        let layers = self.layers_of_container(id)?;
        Ok(Scratch { layers, upper: directory.join("upper"), work: directory.join("work") })
    }

    /// Where the root file systems of a lease are.
    pub(crate) fn scratch_directory(&self, lease: &str) -> PathBuf {
        self.root.join("scratch").join(lease)
    }
}

impl Scratch {
    /// The root, for writing, attached nowhere: it lives as long as its descriptor.
    ///
    /// # Errors
    /// When a layer is missing or mounting is not possible here.
    pub fn view(&self, store: &Store) -> Result<OwnedFd> {
        store.view(&self.layers, &View::Writable { upper: &self.upper, work: &self.work })
    }

    /// Stores the changes as a layer, without the paths in `skip` (no slash in front), also without directories that are there
    /// only for what is skipped, and with no time later than `latest`, in seconds since 1970. Gives `None` if nothing is left.
    ///
    /// # Errors
    /// When the changes cannot be read, or the store cannot be written.
    pub fn capture_changes(
        &self,
        lease: &Lease<'_>,
        skip: BTreeSet<Vec<u8>>,
        latest: Option<i64>,
    ) -> Result<Option<LayerRow>> {
        let below = match self.layers.is_empty() {
            true => None,
            false => Some(Arc::new(lease.store().view(&self.layers, &View::Image)?)),
        };
        let layer = self.pack_into(lease, &pack::Options { skip, below, latest, ..pack::Options::default() })?;
        Ok(Some(layer).filter(|layer| layer.tar_size > EMPTY_TAR))
    }

    fn pack_into(&self, lease: &Lease<'_>, options: &pack::Options) -> Result<LayerRow> {
        let upper = File::open(&self.upper).map_err(Error::io("open", &self.upper))?;
        let ((), layer) =
            lease.ingest_written(|out| pack(upper.as_fd(), options, out).map(drop).map_err(Error::Layer))?;
        Ok(layer)
    }
}

impl Lease<'_> {
    /// Stores the layer that `write` writes as a tar, written and taken in at the same time. Gives what `write` gave, too.
    ///
    /// # Errors
    /// When writing fails, or the store cannot be written.
    pub fn ingest_written<T: Send, E: From<Error> + Send>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E> + Send,
    ) -> Result<(T, LayerRow), E> {
        let (writer, mut reader) = conveyor::new();
        let is_broken = AtomicBool::new(false);
        let (written, ingested) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut out = Breakable { inner: writer, is_broken: &is_broken };
                let written = write(&mut out)?;
                // Dropping would hide that the last bytes did not arrive.
                out.flush().map_err(Error::io("write", "a layer"))?;
                Ok::<T, E>(written)
            });
            let ingested = self.ingest(&mut reader, Ingest::default(), &|| ());
            drop(reader);
            (writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ingested)
        });
        match (written, ingested) {
            (Ok(written), Ok(ingested)) => Ok((written, ingested.layer)),
            (Ok(_), Err(why)) => Err(why.into()),
            // Who gives up makes the other fail as well: a broken pipe is nobody's reason.
            (Err(_), Err(why)) if is_broken.load(Ordering::Relaxed) => Err(why.into()),
            (Err(why), _) => Err(why),
        }
    }
}

/// A way that notes that nobody reads from it any more.
struct Breakable<'a, W> {
    inner: W,
    is_broken: &'a AtomicBool,
}

impl<W: Write> Write for Breakable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).inspect_err(|why| {
            self.is_broken.fetch_or(why.kind() == io::ErrorKind::BrokenPipe, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().inspect_err(|why| {
            self.is_broken.fetch_or(why.kind() == io::ErrorKind::BrokenPipe, Ordering::Relaxed);
        })
    }
}

/// 1,024 bytes: a tar without entries.
const EMPTY_TAR: u64 = 1024;

impl<'a> Lease<'a> {
    /// An empty root file system over `layers`, bottom first, which the lease holds from now on.
    ///
    /// # Errors
    /// When a layer is missing, or the store cannot be written.
    pub fn scratch(&self, layers: Vec<DiffId>) -> Result<LeasedScratch<'a>> {
        for layer in &layers {
            self.hold_layer(layer)?.ok_or_else(|| Error::MissingLayer(layer.clone()))?;
        }
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed).to_string();
        let directory = self.store().scratch_directory(self.id()).join(serial);
        let scratch = Scratch { layers, upper: directory.join("upper"), work: directory.join("work") };
        make_private(&directory).map_err(Error::io("create", &directory))?;
        for path in [&scratch.upper, &scratch.work] {
            // The root of the file system is what anybody in it sees.
            std::fs::create_dir(path).and_then(|()| open_to_all(path)).map_err(Error::io("create", path))?;
        }
        Ok(LeasedScratch { store: self.store(), scratch, directory })
    }
}

fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

impl std::ops::Deref for LeasedScratch<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl Drop for LeasedScratch<'_> {
    fn drop(&mut self) {
        // What stays is deleted when the lease is buried.
        let _ = self.store.remove_tree(&self.directory);
        let _ = self.directory.parent().map(std::fs::remove_dir);
    }
}

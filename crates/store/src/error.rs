//! What can go wrong in a store.

use std::io;
use std::path::PathBuf;

use wharfie_content::Mismatch;
use wharfie_oci::{ContainerId, ContainerName, DiffId, Digest, Fault, ImageId, Kind};

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing a file of the store failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// `read`, `write`, `create`…
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The metadata cannot be read or written.
    #[error("cannot use the store's metadata in {path}")]
    Metadata {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer wharfie made it.
    #[error("the store in {root} has format {found}, this wharfie knows formats up to {known}")]
    TooNew {
        /// Which store.
        root: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Bytes are not what they were announced as.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A layer unpacks to something else than its image says.
    #[error("filesystem layer verification failed: expected diff id {expected}, got {actual}")]
    DiffId {
        /// Promised by the image's configuration.
        expected: DiffId,
        /// Computed.
        actual: DiffId,
    },
    /// The stream that was being stored failed.
    #[error("cannot read the content to store")]
    Source(#[source] io::Error),
    /// A layer's tar is damaged or absurd.
    #[error("cannot read the layer")]
    Layer(#[source] wharfie_layer::Error),
    /// A document of the store cannot be read as a manifest or index.
    #[error("cannot read the manifest {digest} of the store")]
    Document {
        /// Which.
        digest: Digest,
        /// Why.
        #[source]
        source: wharfie_oci::manifest::ParseManifestError,
    },
    /// A blob should be here and is not.
    #[error("content {0} is missing from the store")]
    MissingBlob(Digest),
    /// An image has more layers than can be mounted at once. The text is docker's.
    #[error("max depth exceeded")]
    MaxDepth,
    /// A layer should be here and is not.
    #[error("layer {0} is missing from the store")]
    MissingLayer(DiffId),
    /// An image should be here and is not, or somebody has removed it.
    #[error("image {0} is missing from the store")]
    MissingImage(ImageId),
    /// Files that could not be deleted.
    #[error("cannot delete all of {path}")]
    Stuck {
        /// What they are in.
        path: PathBuf,
        /// Why; for want of permission if their owners are not, or not any more, the user's.
        #[source]
        source: io::Error,
    },
    /// The store's folder, or something in it, is somebody else's, or not what we make.
    #[error("the store in {root} is not used: {why}")]
    Unsafe {
        /// Which store.
        root: PathBuf,
        /// What is wrong with which part of it.
        why: String,
    },
    /// Mounting failed.
    #[error("cannot mount on {target}")]
    Mount {
        /// Where.
        target: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing of ours is mounted there.
    #[error("nothing is mounted on {0} by this store")]
    NotMounted(PathBuf),
    /// Another container has the name.
    #[error("the name {name} is taken by container {id}")]
    NameTaken {
        /// The name.
        name: ContainerName,
        /// The container that has it.
        id: ContainerId,
    },
    /// More layers than the kernel stacks.
    #[error("the image has {0} layers; the kernel stacks at most 500")]
    TooManyLayers(usize),
}

impl Error {
    /// The shape that `map_err` wants.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// As [`Self::io`], for a tree that cannot be deleted.
    pub(crate) fn stuck(path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Stuck { path, source }
    }

    /// Sorts an error of a stream being stored: a mismatch, a damaged layer, or the source's own.
    pub(crate) fn of_source(error: io::Error) -> Self {
        if let Some(mismatch) = Mismatch::within(&error) {
            return Self::Mismatch(mismatch.clone());
        }
        Self::Source(error)
    }

    /// True if the disk was too full for it.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Metadata { source: rusqlite::Error::SqliteFailure(why, _), .. } => {
                why.code == rusqlite::ErrorCode::DiskFull || why.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }
            other => matches!(
                other.io_source().map(io::Error::kind),
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            ),
        }
    }

    fn io_source(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } | Self::Mount { source, .. } | Self::Stuck { source, .. } => Some(source),
            Self::Layer(wharfie_layer::Error::Io { source, .. } | wharfie_layer::Error::Unpack { source, .. }) => {
                Some(source)
            }
            _ => None,
        }
    }
}

const FULL: &str =
    "free some space, for instance with `wharfie image prune`, and run the command again; nothing was lost";

impl Fault for Error {
    fn kind(&self) -> Kind {
        let full = [Some(io::ErrorKind::StorageFull), Some(io::ErrorKind::QuotaExceeded)];
        match self {
            Self::Layer(_) if full.contains(&self.io_source().map(io::Error::kind)) => Kind::Unavailable,
            Self::TooNew { .. } | Self::TooManyLayers(_) | Self::MaxDepth => Kind::Unsupported,
            Self::Mismatch(_)
            | Self::DiffId { .. }
            | Self::Layer(_)
            | Self::Document { .. }
            | Self::MissingBlob(_)
            | Self::MissingLayer(_) => Kind::Corrupt,
            Self::NotMounted(_) | Self::MissingImage(_) => Kind::NotFound,
            Self::Unsafe { .. } => Kind::Denied,
            Self::NameTaken { .. } => Kind::Exists,
            Self::Source(_) => Kind::Unavailable,
            Self::Metadata { .. } if self.is_full() => Kind::Unavailable,
            Self::Metadata { source, .. } => match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy) => Kind::Unavailable,
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => Kind::Corrupt,
                _ => Kind::Internal,
            },
            Self::Io { .. } | Self::Mount { .. } | Self::Stuck { .. } => match self.io_source().map(io::Error::kind) {
                Some(io::ErrorKind::PermissionDenied) => Kind::Denied,
                Some(io::ErrorKind::NotFound) => Kind::NotFound,
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Kind::Unavailable,
                _ => Kind::Internal,
            },
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::TooNew { .. } => "use the wharfie that made it, or another store with --root DIR",
            Self::Unsafe { .. } => {
                "choose another store with --root DIR or WHARFIE_ROOT, or give this folder to the user who runs wharfie"
            }
            Self::Stuck { .. } if self.kind() != Kind::Denied => {
                "it is forgotten all the same; `wharfie system fsck` deletes what is left when nothing is in the way"
            }
            Self::Stuck { .. } => {
                "not everything in it belongs to this user; it is forgotten all the same; delete what is left as root, or give the user the ids of /etc/subuid back \
                 that it had and run `wharfie system fsck`"
            }
            Self::MissingBlob(_) | Self::MissingLayer(_) => {
                "run `wharfie system fsck` to see what is damaged, then pull or load the image again"
            }
            Self::Metadata { .. } if self.kind() == Kind::Corrupt => {
                "run `wharfie system fsck` to rebuild the metadata"
            }
            Self::Metadata { .. } if self.is_full() => FULL,
            Self::Mount { .. } if self.kind() == Kind::Denied => {
                "mounting needs root, or the namespaces of an ordinary user's containers: `wharfie unshare`"
            }
            _ => match (self.kind(), self.io_source().map(io::Error::kind)) {
                (_, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => FULL,
                (Kind::Denied, _) => "run as the store's owner, or choose another store with --root DIR",
                _ => return None,
            },
        };
        Some(text.to_owned())
    }
}

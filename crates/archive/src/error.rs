//! What can be wrong with an archive. The texts of the manifest checks are docker's.

use std::io;
use std::path::PathBuf;

use wharfie_content::BoxError;
use wharfie_oci::manifest::ParseManifestError;
use wharfie_oci::{DiffId, Fault, Kind};

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tar around the images is damaged, or is none.
    #[error("{0}")]
    Tar(#[source] wharfie_layer::Error),
    /// The stream failed.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] wharfie_layer::Error),
    /// A document of the archive cannot be made.
    #[error("cannot write the archive's documents")]
    Document(#[source] serde_json::Error),
    /// Neither docker-archive nor OCI layout.
    #[error("invalid archive: does not contain a manifest.json")]
    NoManifest,
    /// A layout lists nothing under that name, or nothing at all if it is empty.
    #[error("{} lists no image{}", path.display(), if name.is_empty() { String::new() } else { format!(" called {name}") })]
    NoSuchName {
        /// Its directory.
        path: PathBuf,
        /// Which was asked for.
        name: String,
    },
    /// A document of the archive is not the JSON it should be.
    #[error("invalid archive: failed to decode {member}: {source}")]
    Json {
        /// Which document.
        member: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// `null` where a list of images should be.
    #[error("invalid manifest, manifest cannot be null (but can be [])")]
    NullManifest,
    /// An image names more or fewer layers than its configuration.
    #[error("invalid manifest, layers length mismatch: expected {expected}, got {actual}")]
    LayerCount {
        /// In the manifest.
        expected: usize,
        /// In the configuration.
        actual: usize,
    },
    /// A layer is not the one that the configuration names.
    #[error("invalid diffID for layer {position}: expected \"{expected}\", got \"{actual}\"")]
    DiffId {
        /// Which, counted from the bottom.
        position: usize,
        /// In the configuration.
        expected: DiffId,
        /// Computed.
        actual: DiffId,
    },
    /// The manifest names a file that is not there.
    #[error("open {0}: no such file or directory")]
    MissingMember(String),
    /// The manifest names something as a layer that looks like none.
    #[error("invalid archive: {0} is no layer")]
    NoLayer(String),
    /// The archive's documents together are larger than any honest archive's.
    #[error("the archive's documents exceed {limit} bytes")]
    TooLarge {
        /// Bytes that are taken at most.
        limit: u64,
    },
    /// A blob of an OCI layout is not what its name says.
    #[error("invalid archive: blob {0} does not match its digest")]
    Digest(String),
    /// An OCI manifest that cannot be read.
    #[error("invalid archive: {0}")]
    Manifest(#[from] ParseManifestError),
    /// What an index lists makes no sense, all of it.
    #[error("invalid archive: index.json lists nothing that can be read: its digests or sizes are none")]
    NoMembers,
    /// No image for the platform asked for.
    #[error("no matching manifest for {0} in the archive")]
    Platform(String),
    /// A directory has no image layout in it.
    #[error("{} is not an OCI image layout: it has no oci-layout file", .0.display())]
    NoLayout(PathBuf),
    /// An image layout of a version that we do not know.
    #[error("the image layout has version {0}; wharfie reads version 1")]
    LayoutVersion(String),
    /// Something that an image layout names is not in it.
    #[error("open {}: no such file or directory", path.display())]
    Missing {
        /// What.
        path: PathBuf,
    },
    /// A file or directory of an image layout cannot be read or written.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whoever takes the layers failed.
    #[error("{0}")]
    Intake(#[source] BoxError),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(_) | Self::Write(_) | Self::Intake(_) => Kind::Unavailable,
            Self::Platform(_) | Self::Missing { .. } => Kind::NotFound,
            Self::Directory { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Kind::Denied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Unavailable,
                _ => Kind::Invalid,
            },
            Self::DiffId { .. } | Self::Digest(_) => Kind::Corrupt,
            _ => Kind::Invalid,
        }
    }
}

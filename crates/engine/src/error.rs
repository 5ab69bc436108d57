//! What can go wrong with a verb. The texts are docker's where docker has one.

use std::io;
use std::path::PathBuf;

use wharfie_content::graph;
use wharfie_content::{BoxError, Observer};
use wharfie_oci::platform::ParsePlatformError;
use wharfie_oci::reference::ParseReferenceError;
use wharfie_oci::{Digest, Fault, ImageId, Kind, Speaker};

use crate::container::ContainerError;
use crate::help;
use crate::networks::NetworkError;
use crate::trust::TrustError;
use crate::volumes::VolumeError;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] wharfie_store::Error),
    /// What was asked of a container means nothing.
    #[error(transparent)]
    BadWord(#[from] crate::container::words::BadWord),
    /// The archive is no good, or cannot be written.
    #[error(transparent)]
    Archive(#[from] wharfie_archive::Error),
    /// A registry refused, failed or could not be reached.
    #[error(transparent)]
    Remote(#[from] wharfie_remote::Error),
    /// The registry does not give what a pull asks for.
    #[error("cannot pull {reference}")]
    Pull {
        /// Familiar, with the tag or digest asked for.
        reference: String,
        /// What the registry said.
        #[source]
        source: wharfie_remote::Error,
    },
    /// An index has nothing for the platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(String),
    /// The manifest describes something else than an image.
    #[error("unsupported media type {0}")]
    NoImage(String),
    /// A manifest and its configuration contradict each other.
    #[error("invalid manifest: it has {layers} layers, its configuration {diff_ids}")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// Indexes within indexes, deeper than anybody means.
    #[error("the manifest list contains lists within lists, deeper than wharfie follows")]
    Nested,
    /// A document that is larger than any honest one.
    #[error("the {what} of {size} bytes is larger than wharfie reads into memory")]
    TooLarge {
        /// Which.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
    },
    /// Nothing of that name to push; the familiar repository name.
    #[error("An image does not exist locally with the tag: {0}")]
    NothingToPush(String),
    /// A name in an archive that is no tag.
    #[error("invalid tag {0:?}")]
    InvalidTag(String),
    /// A layout lists several images, and one was to be copied; holds their names.
    #[error("there are several images: {}", .0.join(", "))]
    SeveralRoots(Vec<String>),
    /// A registry removes no tags alone, and the manifest behind this one has others, which are named.
    #[error("cannot remove {reference}: the registry removes manifests, not tags, and {} need the same one", .others.join(", "))]
    SharedManifest {
        /// Familiar.
        reference: String,
        /// The other tags.
        others: Vec<String>,
    },
    /// Pushing names a tag, never content.
    #[error("cannot push a digest reference")]
    PushDigest,
    /// A text is no reference.
    #[error(transparent)]
    Reference(#[from] ParseReferenceError),
    /// What should name a local image could name nothing at all. Apart from [`Self::Reference`], since docker's daemon finds
    /// this out and not its client.
    #[error(transparent)]
    BadName(ParseReferenceError),
    /// A text is no platform.
    #[error(transparent)]
    Platform(#[from] ParsePlatformError),
    /// No local image of that name; the familiar spelling, or the whole id.
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// The image exists, but not for that platform.
    #[error(
        "image with reference {reference} was found but its platform ({found}) does not match the specified platform ({wanted})"
    )]
    OtherPlatform {
        /// As the user wrote it.
        reference: String,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A new name may not contain a digest.
    #[error("refusing to create a tag with a digest reference")]
    DigestTarget,
    /// A new name may not look like a digest.
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    AlgorithmTarget,
    /// An import cannot be named by digest.
    #[error("cannot import digest reference")]
    ImportDigest,
    /// `scratch` is the empty image that cannot be pulled.
    #[error("'scratch' is a reserved name")]
    Scratch,
    /// The container could not be started.
    #[error(transparent)]
    Runtime(#[from] wharfie_runtime::Error),
    /// A container is not there, or not as it must be.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// An image is not trusted, or cannot be signed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A build failed.
    #[error(transparent)]
    Build(#[from] crate::build::BuildError),
    /// A network is not there, or not as it must be.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A volume is not there, or not as it must be.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Whoever wanted it wants it no more; docker's words.
    #[error("context canceled")]
    Cancelled,
    /// The kernel did not give what every program needs.
    #[error("cannot {doing}: {source}")]
    System {
        /// `make a pipe`, `read random numbers`.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something keeps an image from being removed.
    #[error("conflict: {0}")]
    Conflict(Conflict),
    /// A filter that there is not.
    #[error("invalid filter '{name}'")]
    UnknownFilter {
        /// Its name.
        name: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// A filter's value that makes no sense, with the filter's name.
    #[error("invalid filter '{0}'")]
    InvalidFilter(String),
    /// Two `until` filters contradict each other.
    #[error("more than one until filter specified")]
    SeveralUntil,
    /// A value that is no time.
    #[error("{0}")]
    BadTime(String),
    /// A malformed glob.
    #[error("syntax error in pattern")]
    Pattern,
    /// A digest reference that the store does not have.
    #[error("reference does not exist")]
    NoSuchReference,
    /// An id prefix that fits several images, where docker says so.
    #[error("ambiguous digest string")]
    AmbiguousId,
    /// A `--change` line that cannot be applied.
    #[error("{0}")]
    Change(String),
    /// Nothing under that name in the bin.
    #[error("nothing removed is kept under the name {0}")]
    NotKept(String),
    /// A configuration in the store cannot be read.
    #[error("cannot read the configuration of image {id}")]
    Config {
        /// Whose.
        id: ImageId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An image's history has more layers than the image.
    #[error("too many non-empty layers in History section")]
    History,
    /// A document cannot be written as JSON.
    #[error("cannot write a document")]
    Document(#[source] serde_json::Error),
    /// Reading or writing a file of the user's failed; docker's words.
    #[error("{doing} {path}: {source}")]
    File {
        /// `open`, `stat`, `write`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The place `save -o` names cannot take a file.
    #[error("failed to save image: {0}")]
    Output(String),
    /// A document about packages is none, or cannot be read.
    #[error("{path} {source}")]
    Inventory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: wharfie_scan::content::Trouble,
    },
    /// Documents lie beside images with names, and not beside what was looked at.
    #[error("{0} is no image with a name: nothing can be attached to it")]
    NotAttachable(String),
    /// What should have advisories has none, or cannot be read.
    #[error("{path} {source}")]
    Advisories {
        /// Which.
        path: PathBuf,
        /// Why.
        source: wharfie_scan::content::Trouble,
    },
    /// On a registry there is something else than advisories.
    #[error("{0} holds no data base of advisories")]
    NotAdvisories(String),
    /// There are no advisories to scan with; says where they would be.
    #[error("there is no data base of advisories in {0}")]
    NoAdvisories(PathBuf),
    /// A directory has an image in a form that is not read.
    #[error("{} has an image as skopeo's `dir:` writes it, and is no root file system", .0.display())]
    ForeignLayout(PathBuf),
    /// What was named has packages, and no layers.
    #[error("{} is a document: it has no layers to look at", .0.display())]
    NoLayers(PathBuf),
    /// An archive has several images where one is asked for; their names.
    #[error("there are several images in the archive: {}", .0.join(", "))]
    SeveralImages(Vec<String>),
    /// Content that a manifest names is not what it should be.
    #[error("{what} verification failed for digest {digest}")]
    Verification {
        /// `manifest`, `filesystem layer`.
        what: &'static str,
        /// Of what was asked for.
        digest: Digest,
    },
}

/// What keeps an image from being removed. Ids are short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Other images were made from it.
    #[error("unable to delete {0} (cannot be forced) - image has dependent child images")]
    Children(String),
    /// It has names in several repositories, or several tags.
    #[error("unable to delete {0} (must be forced) - image is referenced in multiple repositories")]
    References(String),
    /// A container was made from it under this name.
    #[error(
        "unable to remove repository reference \"{name}\" (must force) - container {container} is using its referenced image {image}"
    )]
    Reference {
        /// As it was typed.
        name: String,
        /// Which container.
        container: String,
        /// Which image.
        image: String,
    },
    /// A running container uses it.
    #[error("unable to delete {image} (cannot be forced) - image is being used by running container {container}")]
    RunningContainer {
        /// Which.
        image: String,
        /// By which.
        container: String,
    },
    /// A stopped container uses it.
    #[error("unable to delete {image} (must be forced) - image is being used by stopped container {container}")]
    StoppedContainer {
        /// Which.
        image: String,
        /// By which.
        container: String,
    },
    /// It is mounted for looking at.
    #[error("unable to delete {image} (cannot be forced) - image is mounted on {target}")]
    Mounted {
        /// Which.
        image: String,
        /// Where.
        target: String,
    },
}

impl Error {
    /// The shape that `map_err` wants.
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    /// That the work was called off, if it was: what failed then failed for that.
    pub(crate) fn of_work(self, observer: &dyn Observer) -> Self {
        if observer.check().is_err() { Self::Cancelled } else { self }
    }

    /// Its text with its reasons, none of which is said twice.
    pub(crate) fn with_reasons(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(why) = source {
            let reason = why.to_string();
            if !text.ends_with(&reason) {
                text = format!("{text}: {reason}");
            }
            source = why.source();
        }
        text
    }
}

/// What kind of fault the system's is.
pub(crate) fn kind_of(why: &io::Error) -> Kind {
    match why.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        _ => Kind::Unavailable,
    }
}

impl From<wharfie_build::dockerfile::Error> for Error {
    /// Of `--change`, whose words are docker's own.
    fn from(why: wharfie_build::dockerfile::Error) -> Self {
        Self::Change(why.to_string())
    }
}

impl From<BoxError> for Error {
    /// Takes the error of a place out of its wrapping.
    fn from(why: BoxError) -> Self {
        of_place(why)
    }
}

impl From<graph::Error> for Error {
    /// Takes the errors of the two places out of their wrapping.
    fn from(why: graph::Error) -> Self {
        match why {
            graph::Error::Place(why) => of_place(why),
            graph::Error::NoPlatform(wanted) => Self::NoPlatform(wanted),
            graph::Error::NoImage(kind) => Self::NoImage(kind),
            graph::Error::Nested => Self::Nested,
            graph::Error::LayerCount { layers, diff_ids } => Self::LayerCount { layers, diff_ids },
            graph::Error::Config { id, source } => Self::Config { id, source },
            graph::Error::TooLarge(size) => Self::TooLarge { what: "configuration", size },
            graph::Error::Mismatch(why) => Self::Verification { what: "image config", digest: why.expected().clone() },
        }
    }
}

fn of_place(why: BoxError) -> Error {
    let why = match why.downcast::<Error>() {
        Ok(why) => return *why,
        Err(why) => why,
    };
    let why = match why.downcast::<wharfie_remote::Error>() {
        Ok(why) => return (*why).into(),
        Err(why) => why,
    };
    let why = match why.downcast::<wharfie_archive::Error>() {
        Ok(why) => return (*why).into(),
        Err(why) => why,
    };
    match why.downcast::<wharfie_store::Error>() {
        Ok(why) => match *why {
            wharfie_store::Error::Mismatch(why) => {
                Error::Verification { what: "filesystem layer", digest: why.expected().clone() }
            }
            why => why.into(),
        },
        Err(why) => wharfie_store::Error::Source(io::Error::other(why)).into(),
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(why) => why.kind(),
            Self::Archive(why) => why.kind(),
            Self::Remote(why) | Self::Pull { source: why, .. } => why.kind(),
            Self::Runtime(why) => why.kind(),
            Self::Container(why) => why.kind(),
            Self::Trust(why) => why.kind(),
            Self::Build(why) => why.kind(),
            Self::Network(why) => why.kind(),
            Self::Volume(why) => why.kind(),
            Self::System { source, .. } | Self::File { source, .. } => kind_of(source),
            Self::NoPlatform(_)
            | Self::NoAdvisories(_)
            | Self::NoLayers(_)
            | Self::NothingToPush(_)
            | Self::NoSuchImage(_)
            | Self::NoSuchReference
            | Self::NotKept(_)
            | Self::OtherPlatform { .. } => Kind::NotFound,
            Self::Conflict(_) | Self::SharedManifest { .. } => Kind::InUse,
            Self::Config { .. }
            | Self::Verification { .. }
            | Self::LayerCount { .. }
            | Self::Inventory { .. }
            | Self::Advisories { .. } => Kind::Corrupt,
            Self::Document(_) => Kind::Internal,
            Self::Cancelled => Kind::Cancelled,
            Self::Output(_) => Kind::Unavailable,
            Self::NoImage(_) | Self::Nested | Self::TooLarge { .. } => Kind::Unsupported,
            Self::BadWord(_)
            | Self::InvalidTag(_)
            | Self::PushDigest
            | Self::Reference(_)
            | Self::NotAttachable(_)
            | Self::BadName(_)
            | Self::Platform(_)
            | Self::DigestTarget
            | Self::AlgorithmTarget
            | Self::ImportDigest
            | Self::Scratch
            | Self::UnknownFilter { .. }
            | Self::InvalidFilter(_)
            | Self::SeveralUntil
            | Self::BadTime(_)
            | Self::Pattern
            | Self::AmbiguousId
            | Self::Change(_)
            | Self::SeveralImages(_)
            | Self::NotAdvisories(_)
            | Self::ForeignLayout(_)
            | Self::SeveralRoots(_)
            | Self::History => Kind::Invalid,
        }
    }

    fn speaker(&self) -> Speaker {
        match self {
            Self::BadWord(_)
            | Self::Pull { .. }
            | Self::Runtime(_)
            | Self::Container(_)
            | Self::Network(_)
            | Self::Volume(_)
            | Self::System { .. }
            | Self::Cancelled
            | Self::BadName(_)
            | Self::NoSuchImage(_)
            | Self::OtherPlatform { .. }
            | Self::AlgorithmTarget
            | Self::ImportDigest
            | Self::Scratch
            | Self::Conflict(_)
            | Self::UnknownFilter { .. }
            | Self::InvalidFilter(_)
            | Self::SeveralUntil
            | Self::BadTime(_)
            | Self::Pattern
            | Self::NoSuchReference
            | Self::AmbiguousId
            | Self::Change(_) => Speaker::Daemon,
            Self::Store(_)
            | Self::Archive(_)
            | Self::Remote(_)
            | Self::NoPlatform(_)
            | Self::NoImage(_)
            | Self::LayerCount { .. }
            | Self::Nested
            | Self::TooLarge { .. }
            | Self::NothingToPush(_)
            | Self::InvalidTag(_)
            | Self::PushDigest
            | Self::Reference(_)
            | Self::Platform(_)
            | Self::DigestTarget
            | Self::NotKept(_)
            | Self::Config { .. }
            | Self::History
            | Self::Document(_)
            | Self::File { .. }
            | Self::Output(_)
            | Self::Build(_)
            | Self::Trust(_)
            | Self::Inventory { .. }
            | Self::Advisories { .. }
            | Self::NoAdvisories(_)
            | Self::NotAttachable(_)
            | Self::NoLayers(_)
            | Self::SeveralImages(_)
            | Self::NotAdvisories(_)
            | Self::ForeignLayout(_)
            | Self::SeveralRoots(_)
            | Self::SharedManifest { .. }
            | Self::Verification { .. } => Speaker::Client,
        }
    }

    fn help(&self) -> Option<String> {
        help::of(self)
    }
}

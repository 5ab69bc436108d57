//! What can go wrong with a volume. The texts are docker's where docker has one.

use std::io;
use std::path::PathBuf;

use wharfie_oci::{ContainerId, Fault, Kind, VolumeName};

/// Why something cannot be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// No volume of that name.
    #[error("get {0}: no such volume")]
    NoSuch(String),
    /// Containers use it.
    #[error("remove {name}: volume is in use - [{}]", joined(.users))]
    InUse {
        /// Its name.
        name: VolumeName,
        /// Who.
        users: Vec<ContainerId>,
    },
    /// A name of one letter.
    #[error("create: volume name is too short, names should be at least two alphanumeric characters")]
    ShortName,
    /// A name that volumes cannot have.
    #[error(
        "create {0}: {0:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    BadName(String),
    /// No option of that name.
    #[error("create: invalid option: {0:?}")]
    BadOption(String),
    /// An option that the others need.
    #[error("create: missing required option: {0:?}")]
    MissingOption(&'static str),
    /// Directories here have no quota.
    #[error("create: quota size requested but no quota support")]
    Quota,
    /// What its options name cannot be mounted.
    #[error(
        "error while mounting volume '{}': failed to mount local volume: mount {device}:{}, type: {kind}, data: {data}: {source}", .place.display(), .place.display()
    )]
    Mount {
        /// Where.
        place: PathBuf,
        /// What.
        device: String,
        /// The file system's type.
        kind: String,
        /// Its options.
        data: String,
        /// Why.
        source: io::Error,
    },
}

impl Fault for VolumeError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuch(_) => Kind::NotFound,
            Self::InUse { .. } => Kind::InUse,
            Self::ShortName | Self::BadName(_) | Self::BadOption(_) | Self::MissingOption(_) => Kind::Invalid,
            Self::Quota => Kind::Unsupported,
            Self::Mount { source, .. } => crate::error::kind_of(source),
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoSuch(_) => "`wharfie volume ls` lists all volumes",
            Self::InUse { name, .. } => {
                return Some(format!("`wharfie ps -a --filter volume={name}` shows who uses it"));
            }
            Self::BadOption(_) | Self::MissingOption(_) => {
                "the options are `type`, `device` and `o`, as for mount(8): `-o type=tmpfs -o device=tmpfs`"
            }
            Self::Quota => "a volume of limited size is one in memory: `-o type=tmpfs -o device=tmpfs -o o=size=100m`",
            Self::ShortName | Self::BadName(_) | Self::Mount { .. } => return None,
        };
        Some(text.to_owned())
    }
}

fn joined(ids: &[ContainerId]) -> String {
    ids.iter().map(ContainerId::as_str).collect::<Vec<_>>().join(", ")
}

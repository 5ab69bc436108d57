//! What did not go as asked, and does not keep the container from running.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something the user may want to know. `Display` is one sentence without a final stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Warning {
    /// A limit above the hard one, and no right to raise that.
    RlimitClamped {
        /// `nofile`, …
        name: String,
        /// What was asked for.
        asked: u64,
        /// What it is.
        actual: u64,
    },
    /// A cgroup controller cannot be used, so nothing is limited or counted by it.
    NoController {
        /// `memory`, …
        name: String,
        /// Why not.
        reason: String,
    },
    /// Device nodes in the container's own file systems are disabled, since no cgroup can tell good from bad ones.
    NoDeviceFilter,
    /// A `/proc` of the container's own cannot be mounted: it has the one around it, with the processes there.
    OuterProc,
    /// One of the many ids of the container is not mapped, so files and users beyond the first stay out of reach.
    SingleId {
        /// Why not more.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RlimitClamped { name, asked, actual } => {
                write!(f, "ulimit {name}={asked} is above this machine's hard limit, {actual} is used")
            }
            Self::NoController { name, reason } => write!(f, "the cgroup controller {name} is not used: {reason}"),
            Self::NoDeviceFilter => {
                f.write_str("no cgroup can filter devices here, so device nodes work in the container's /dev only")
            }
            Self::OuterProc => f.write_str(
                "the container sees the processes around it: parts of /proc are hidden here, so it cannot have a /proc of its own",
            ),
            Self::SingleId { reason } => write!(f, "the container has one user id only: {reason}"),
        }
    }
}

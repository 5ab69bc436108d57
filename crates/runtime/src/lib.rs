//! The craft that turns a root file system and a configuration into a process: namespaces, mounts, cgroups, network,
//! terminal, capabilities, exit status.
//!
//! It knows neither images nor the store, no terminal's look, no environment and no clock: everything a container is
//! arrives as a [`Spec`] and, for what only descriptors can say, as open files. Calls block. Nothing here forks a
//! process that may have threads: [`start`] runs our own program again as an init of one thread, which calls
//! [`init_main`], makes the container around itself and becomes the command.

mod accounts;
mod beneath;
pub mod bundle;
mod capability;
mod cgroup;
mod channel;
mod cleanup;
mod error;
mod exit;
mod foreign;
mod idmap;
mod init;
mod launch;
mod memory;
mod net;
mod process_table;
mod rlimit;
pub mod rootless;
mod runtime;
mod seccomp;
mod signal;
mod spec;
mod surroundings;
mod sys;
mod target;
mod warning;

pub use accounts::ids_of as look_up;
pub use capability::{Capabilities, bits as capability_bits};
pub use cgroup::{Cgroup, Stats, stats};
pub use channel::Channel;
pub use cleanup::cleanup;
pub use error::{Error, Result};
pub use exit::Exit;
pub use foreign::Foreign;
pub use init::{HIDDEN_PATHS, READ_ONLY_PATHS, init_main};
pub use launch::{Io, Started, exec, start};
pub use memory::{give_memory_back, keep_small};
pub use net::{Bridge, Helper, MAX_DEVICE_NUMBER, Outlet, Subnet, lead_out, lock_networks, plug, proxy, unplug};
pub use rlimit::Rlimit;
pub use runtime::{Own, Runtime};
pub use signal::signal;
pub use spec::{
    Bind, Device, Files, Handed, IdMap, Lower, Mount, MountKind, Network, Process, Propagation, Resources, Rootfs,
    Seccomp, Security, Share, Sharing, Size, Spec, Tmpfs, UserNamespace,
};
pub use surroundings::{forget_ignored_signals, keep_from_children};
pub use target::Target;
pub use warning::Warning;

/// The word after our own program's name that makes it an init. The command line looks for it before anything else.
pub const INIT_WORD: &str = "__runtime-init";

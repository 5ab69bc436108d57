//! The words that flags take, for shells to offer. A flag may take more than stands here: what it refuses, its own check says.

use crate::flags::Complete;

/// Platforms that images are built for.
pub(crate) const PLATFORMS: Complete = Complete::Words(&[
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "windows/amd64",
]);

/// Output formats that are no template.
pub(crate) const FORMATS: Complete = Complete::Words(&["json", "table"]);

/// Renderers of progress.
pub(crate) const PROGRESS: Complete = Complete::Words(&["auto", "tty", "plain", "json", "quiet"]);

/// Levels of logging.
pub(crate) const LOG_LEVELS: Complete = Complete::Words(&["debug", "info", "warn", "error", "fatal"]);

/// Signals that people send to containers.
pub(crate) const SIGNALS: Complete = Complete::Words(&[
    "ABRT", "ALRM", "CONT", "HUP", "INT", "KILL", "QUIT", "STOP", "TERM", "TSTP", "USR1", "USR2", "WINCH",
]);

/// When a container is started again.
pub(crate) const RESTART: Complete = Complete::Words(&["no", "always", "on-failure", "unless-stopped"]);

/// When an image is pulled before it runs.
pub(crate) const PULL: Complete = Complete::Words(&["always", "missing", "never"]);

/// Whose namespace a container is in.
pub(crate) const HOST: Complete = Complete::Words(&["host"]);

/// The cgroup namespaces of a container.
pub(crate) const CGROUP_NAMESPACES: Complete = Complete::Words(&["host", "private"]);

/// Who may share a container's memory.
pub(crate) const IPC: Complete = Complete::Words(&["host", "none", "private", "shareable"]);

/// Where a container's output is kept.
pub(crate) const LOG_DRIVERS: Complete = Complete::Words(&["json-file", "none"]);

/// A container's streams.
pub(crate) const STREAMS: Complete = Complete::Words(&["stdin", "stdout", "stderr"]);

/// Kinds of things that have a name.
pub(crate) const TYPES: Complete = Complete::Words(&["container", "image", "network", "volume"]);

/// What a process of a container may be allowed.
pub(crate) const CAPABILITIES: Complete = Complete::Words(&[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
]);

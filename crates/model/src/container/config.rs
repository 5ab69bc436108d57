//! What runs in a container and how.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Duration, NilList, NilMap};

/// What does not depend on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// Name of the host inside.
    pub hostname: String,
    /// Its domain.
    pub domainname: String,
    /// Who runs it.
    pub user: String,
    /// Standard input is attached when it starts.
    pub attach_stdin: bool,
    /// Standard output is.
    pub attach_stdout: bool,
    /// Standard error is.
    pub attach_stderr: bool,
    /// Ports that it listens on, `80/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input is kept open.
    pub open_stdin: bool,
    /// It is closed after the first client has gone.
    pub stdin_once: bool,
    /// `NAME=value`.
    pub env: NilList<String>,
    /// Arguments.
    pub cmd: NilList<String>,
    /// How it is asked how it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Arguments are escaped already (Windows).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// The image as it was asked for.
    pub image: String,
    /// Paths that are volumes.
    pub volumes: NilMap<Empty>,
    /// Working directory.
    pub working_dir: String,
    /// The program and its first arguments.
    pub entrypoint: NilList<String>,
    /// Instructions for builds on top.
    pub on_build: NilList<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What asks it to stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds between asking and killing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// What shell forms of instructions run in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// An object without members: Go's empty struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Empty {}

/// How a container is asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `CMD` and words, `CMD-SHELL` and text, or `NONE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between probes.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub interval: Duration,
    /// How long one may take.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub timeout: Duration,
    /// After the start, while failures do not count.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub start_period: Duration,
    /// Between probes meanwhile.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub start_interval: Duration,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

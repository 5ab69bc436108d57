//! What a container was made with: a document that stays with it, and from which every start is made anew.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wharfie_oci::config::ContainerConfig;
use wharfie_oci::{ContainerId, VolumeName};
use wharfie_runtime::Resources;

use super::words::{
    CapabilityName, DeviceMapping, ExtraHost, LogDriver, MacAddress, Namespace, NetworkMode, PortBinding,
    SecurityOption, Ulimit,
};

/// Everything that was decided when the container was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Settings {
    /// The image as the user called it; lists show it while it means the same image.
    pub image_name: String,
    /// What runs and how: the image's configuration with what was asked for instead.
    pub config: ContainerConfig,
    /// Name of the host inside; empty is the short id.
    pub hostname: String,
    /// Its domain.
    pub domainname: String,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input is kept open.
    pub open_stdin: bool,
    /// It goes when it ends.
    pub auto_remove: bool,
    /// What is mounted into it.
    pub mounts: Vec<MountPoint>,
    /// Where its packets go.
    pub network: NetworkMode,
    /// What it is called on that network besides its name.
    pub aliases: Vec<String>,
    /// The address that it must have there.
    pub address: Option<Ipv4Addr>,
    /// The hardware address that its device there must have.
    pub mac_address: Option<MacAddress>,
    /// Containers that it knows by another name: id and alias.
    pub links: Vec<(ContainerId, String)>,
    /// Networks besides that one.
    pub more_networks: Vec<Attachment>,
    /// Ports that are published on the host.
    pub ports: Vec<PortBinding>,
    /// Publish every exposed port on a free one.
    pub publish_all: bool,
    /// Capabilities added to the default set.
    pub cap_add: Vec<CapabilityName>,
    /// Capabilities taken from it.
    pub cap_drop: Vec<CapabilityName>,
    /// As if there were no container.
    pub privileged: bool,
    /// What its processes must not, beyond capabilities.
    pub security_opt: Vec<SecurityOption>,
    /// Nothing but mounts can be written.
    pub read_only: bool,
    /// What it may use.
    pub resources: Resources,
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// A small init is its first process.
    pub init: bool,
    /// What happens when it ends.
    pub restart: Restart,
    /// What becomes of its output.
    pub log_driver: LogDriver,
    /// Devices of the host.
    pub devices: Vec<DeviceMapping>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Bytes of `/dev/shm`; 0 is the default.
    pub shm_size: u64,
    /// Whose processes it sees.
    pub pid_mode: Namespace,
    /// Whose memory it shares.
    pub ipc_mode: Namespace,
    /// Whose host name it has.
    pub uts_mode: Namespace,
    /// Which cgroups it sees.
    pub cgroupns_mode: Namespace,
    /// Names that it knows.
    pub extra_hosts: Vec<ExtraHost>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domains to search.
    pub dns_search: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Groups besides the user's own.
    pub group_add: Vec<String>,
    /// Directory of its cgroup.
    pub cgroup_parent: String,
    /// The kernel's eagerness to kill it.
    pub oom_score_adj: Option<i32>,
    /// Seconds between asking it to stop and killing it.
    pub stop_timeout: Option<i64>,
    /// Containers whose mounts it has too, as they were named.
    pub volumes_from: Vec<String>,
    /// The file that its id was written to.
    pub id_file: String,
    /// Who runs it instead of us.
    pub runtime: Option<OtherRuntime>,
}

/// A runtime that is a program of its own: runc, crun, youki.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherRuntime {
    /// As it was asked for.
    pub name: String,
    /// Where it is.
    pub program: PathBuf,
    /// Words before every other one.
    #[serde(default)]
    pub args: Vec<String>,
}

/// What our own runtime is called.
pub const OWN_RUNTIME: &str = "wharfie";

/// A network that a container is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    pub network: String,
    /// What the container is called there besides its name.
    pub aliases: Vec<String>,
    /// The address that it must have there.
    pub address: Option<Ipv4Addr>,
}

/// One thing mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// What it is.
    pub kind: MountKind,
    /// Host path, or name of the volume; empty for memory.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// It cannot be written through.
    pub read_only: bool,
    /// Options as they were given.
    pub options: Vec<String>,
    /// Who asked for it.
    #[serde(default)]
    pub origin: MountOrigin,
}

/// Who asked for a mount, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum MountOrigin {
    /// `-v SOURCE:TARGET`.
    #[default]
    Bind,
    /// `--mount`.
    Mount,
    /// `--tmpfs`.
    Tmpfs,
    /// `-v TARGET`, or the image.
    Volume,
    /// `--volumes-from`.
    Inherited,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind,
    /// A volume.
    Volume,
    /// Memory.
    Tmpfs,
}

impl MountPoint {
    /// The volume that it is, if it is one.
    pub fn volume(&self) -> Option<VolumeName> {
        if self.kind == MountKind::Volume { self.source.parse().ok() } else { None }
    }
}

impl MountKind {
    /// The word that `inspect` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
        }
    }
}

/// What happens when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// It is started again.
    Always,
    /// It is started again unless the user stopped it.
    UnlessStopped,
    /// It is started again after a failure, so many times; 0 is always.
    OnFailure(u32),
}

impl Restart {
    /// Reads `no`, `always`, `unless-stopped`, `on-failure[:N]`.
    ///
    /// # Errors
    /// Docker's text for anything else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, count) = text.split_once(':').map_or((text, None), |(kind, count)| (kind, Some(count)));
        let is_number = count.is_none_or(|count| count.parse::<u32>().is_ok());
        if !is_number {
            return Err("invalid restart policy format: maximum retry count must be an integer".to_owned());
        }
        match (kind, count) {
            ("no" | "", None) => Ok(Self::No),
            ("always", None) => Ok(Self::Always),
            ("unless-stopped", None) => Ok(Self::UnlessStopped),
            ("on-failure", None) => Ok(Self::OnFailure(0)),
            ("on-failure", Some(count)) => Ok(Self::OnFailure(count.parse().unwrap_or_default())),
            ("no" | "always" | "unless-stopped", Some(_)) => {
                Err("invalid restart policy: maximum retry count can only be used with 'on-failure'".to_owned())
            }
            (other, _) => Err(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or \
                 'unless-stopped'"
            )),
        }
    }

    /// The policy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure(_) => "on-failure",
        }
    }
}

/// Where the `PATH` of containers leads if nobody says.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Settings {
    /// What can be read of a stored document, also where a word in it is none any more: such a word is left out, and so is a
    /// field that is nothing without it.
    pub fn readable_part(document: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str(document) else { return Self::default() };
        let mut readable = Map::new();
        for (name, mut value) in fields {
            let is_readable = |value: &Value| {
                let alone = Map::from_iter([(name.clone(), value.clone())]);
                serde_json::from_value::<Self>(Value::Object(alone)).is_ok()
            };
            if let Value::Array(list) = &mut value {
                list.retain(|one| is_readable(&Value::Array(vec![one.clone()])));
            }
            if is_readable(&value) {
                readable.insert(name, value);
            }
        }
        serde_json::from_value(Value::Object(readable)).unwrap_or_default()
    }

    /// The environment of its processes. A default `PATH` is no part of the configuration: commits do not keep it.
    pub fn environment(&self) -> Vec<String> {
        let mut env = self.config.env.clone().unwrap_or_default();
        if !env.iter().any(|pair| pair.starts_with("PATH=")) {
            env.insert(0, DEFAULT_PATH.to_owned());
        }
        env
    }

    /// The networks that it is on, the first one first; none for who shares the host's or another's, or has none.
    pub fn attachments(&self) -> Vec<Attachment> {
        let network = match &self.network {
            NetworkMode::Default | NetworkMode::Bridge => "bridge".to_owned(),
            NetworkMode::Host | NetworkMode::None | NetworkMode::Container(_) => return Vec::new(),
            NetworkMode::Named(name) => name.clone(),
        };
        let first = Attachment { network, aliases: self.aliases.clone(), address: self.address };
        std::iter::once(first).chain(self.more_networks.iter().cloned()).collect()
    }

    /// The volumes that are mounted into it.
    pub fn volumes(&self) -> impl Iterator<Item = VolumeName> {
        self.mounts.iter().filter_map(MountPoint::volume)
    }

    /// Command and arguments, as one list.
    pub fn command(&self) -> Vec<String> {
        let entrypoint = self.config.entrypoint.iter().flatten();
        entrypoint.chain(self.config.cmd.iter().flatten()).cloned().collect()
    }

    /// Labels; empty if there are none.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.config.labels.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_none_any_more_hide_nothing_else() {
        let old =
            r#"{"hostname":"box","ulimits":["nofile=10:20","foo=1"],"pid_mode":"moon","cap_add":["NOPE"],"tty":true}"#;
        assert!(serde_json::from_str::<Settings>(old).is_err());
        let readable = Settings::readable_part(old);
        assert_eq!((readable.hostname.as_str(), readable.tty), ("box", true));
        assert_eq!(readable.ulimits, ["nofile=10:20".parse().unwrap()]);
        assert_eq!(readable.pid_mode, Namespace::default());
        assert_eq!(Settings::readable_part("no document"), Settings::default());
    }

    #[test]
    fn restart_policies() {
        assert_eq!(Restart::parse("on-failure:3"), Ok(Restart::OnFailure(3)));
        assert_eq!(Restart::parse("always"), Ok(Restart::Always));
        assert!(Restart::parse("always:3").is_err() && Restart::parse("sometimes").is_err());
    }
}

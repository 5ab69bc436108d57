//! A container as lists show it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{EndpointSettings, MountPoint};

/// A container in a list: `GET /containers/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name behind a slash.
    pub names: Vec<String>,
    /// The image as the user called it; its id if that means another image by now.
    pub image: String,
    /// The image's id.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// Command and arguments on one line.
    pub command: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Ports that it listens on while it runs, and those of the host that lead there.
    pub ports: Vec<Port>,
    /// Bytes that it wrote, if they were counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_rw: u64,
    /// Bytes of its whole root file system, if they were counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_root_fs: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `paused`, `restarting`, `exited`.
    pub state: String,
    /// The same for people: `Up 3 seconds`, `Exited (137) 2 minutes ago`.
    pub status: String,
    /// What the host does for it, in part.
    pub host_config: SummaryHostConfig,
    /// Where its packets go.
    pub network_settings: SummaryNetworks,
    /// What is mounted into it.
    pub mounts: Vec<MountPoint>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Port {
    /// The address of the host where it is open; empty if it is not.
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Its number inside.
    pub private_port: u16,
    /// Its number on the host; 0 if it is not open there.
    #[serde(skip_serializing_if = "is_no_port")]
    pub public_port: u16,
    /// `tcp`, `udp`.
    #[serde(rename = "Type")]
    pub kind: String,
}

/// What lists show of what the host does for a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    /// Where its packets go, as it was asked for.
    pub network_mode: String,
}

/// What lists show of a container's networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SummaryNetworks {
    /// Its networks by their names.
    pub networks: BTreeMap<String, EndpointSettings>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_no_port(number: &u16) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_dockers() {
        let ports = vec![
            Port { ip: "0.0.0.0".to_owned(), private_port: 80, public_port: 8080, kind: "tcp".to_owned() },
            Port { private_port: 53, kind: "udp".to_owned(), ..Port::default() },
        ];
        let summary = ContainerSummary { id: "a1".to_owned(), ports, ..ContainerSummary::default() };
        let expected = concat!(
            r#"{"Id":"a1","Names":[],"Image":"","ImageID":"","Command":"","Created":0,"#,
            r#""Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},"#,
            r#"{"PrivatePort":53,"Type":"udp"}],"Labels":{},"State":"","Status":"","#,
            r#""HostConfig":{"NetworkMode":""},"NetworkSettings":{"Networks":{}},"Mounts":[]}"#,
        );
        assert_eq!(serde_json::to_string(&summary).unwrap(), expected);
        let counted = ContainerSummary { size_rw: 1, size_root_fs: 2, ..summary };
        assert!(serde_json::to_string(&counted).unwrap().contains(r#"],"SizeRw":1,"SizeRootFs":2,"Labels""#));
    }
}

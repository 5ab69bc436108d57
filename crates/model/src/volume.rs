//! Volumes.

use serde::Serialize;

use crate::{NilList, NilMap};

/// A volume as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Volume {
    /// When it was made, RFC 3339 in whole seconds.
    pub created_at: String,
    /// What keeps it.
    pub driver: String,
    /// Labels.
    pub labels: NilMap<String>,
    /// Where its files are on the host.
    pub mountpoint: String,
    /// Its name.
    pub name: String,
    /// Options of the driver.
    pub options: NilMap<String>,
    /// `local`: this machine.
    pub scope: String,
    /// How much there is of it, if it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// How much there is of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UsageData {
    /// Bytes of its files.
    pub size: u64,
    /// Containers that use it.
    pub ref_count: usize,
}

/// All volumes: `GET /volumes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeList {
    /// By name.
    pub volumes: Vec<Volume>,
    /// What the user should know.
    pub warnings: NilList<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_dockers() {
        let usage_data = Some(UsageData { size: 5, ref_count: 1 });
        let volume = Volume { name: "data".to_owned(), usage_data, ..Volume::default() };
        let list = VolumeList { volumes: vec![volume], ..VolumeList::default() };
        let expected = concat!(
            r#"{"Volumes":[{"CreatedAt":"","Driver":"","Labels":null,"Mountpoint":"","Name":"data","#,
            r#""Options":null,"Scope":"","UsageData":{"Size":5,"RefCount":1}}],"Warnings":null}"#,
        );
        assert_eq!(serde_json::to_string(&list).unwrap(), expected);
        assert_eq!(serde_json::to_string(&VolumeList::default()).unwrap(), r#"{"Volumes":[],"Warnings":null}"#);
    }
}

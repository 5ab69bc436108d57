//! Volumes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::NilMap;

/// A volume as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    pub usage_data: Option<BTreeMap<String, i64>>,
}

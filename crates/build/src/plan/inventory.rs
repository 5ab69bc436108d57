//! What a stage can be given: build arguments, secrets and ssh agents. `--call outline` lists it.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::Lines;

/// What a stage can be given, as far as it has been gone through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Inventory {
    /// Arguments by their names.
    pub(super) arguments: BTreeMap<String, Argument>,
    /// Names of those that are used.
    pub(super) used: BTreeSet<String>,
    /// Secrets by their ids.
    pub(super) secrets: BTreeMap<String, Need>,
    /// Ssh agents by their ids.
    pub(super) agents: BTreeMap<String, Need>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) value: String,
    pub(super) description: String,
    pub(super) lines: Lines,
    /// Other arguments that its default is made of.
    pub(super) of: BTreeSet<String>,
}

/// A secret or an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) is_required: bool,
    pub(super) lines: Lines,
}

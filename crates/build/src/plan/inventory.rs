//! What a stage can be given: build arguments, secrets and ssh agents. `--call outline` lists it.

use std::collections::{BTreeMap, BTreeSet};

use super::planner::Planner;
use crate::call::{self, Outline};
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

impl Inventory {
    /// What is used, also by the defaults of what is used.
    pub(super) fn all_used(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut next: Vec<&str> = self.used.iter().map(String::as_str).collect();
        while let Some(name) = next.pop() {
            if found.insert(name)
                && let Some(argument) = self.arguments.get(name)
            {
                next.extend(argument.of.iter().map(String::as_str));
            }
        }
        found
    }
}

impl Planner<'_> {
    /// What `target` and everything that it needs can be given. Of two of one name the nearest to the target counts.
    pub(crate) fn outline(&self, target: usize) -> Outline {
        let mut outline = Outline {
            name: self.states.all[target].name.clone(),
            description: self.states.all[target].description.clone(),
            ..Outline::default()
        };
        let mut seen = BTreeSet::new();
        self.collect(target, &mut seen, &mut outline);
        outline.arguments.sort_by_key(|argument| argument.lines.first);
        outline.secrets.sort_by_key(|secret| secret.lines.first);
        outline.agents.sort_by_key(|agent| agent.lines.first);
        outline
    }

    fn collect(&self, at: usize, seen: &mut BTreeSet<usize>, outline: &mut Outline) {
        if !seen.insert(at) {
            return;
        }
        let state = &self.states.all[at];
        let inventory = &state.inventory;
        for name in inventory.all_used() {
            if let Some(argument) = inventory.arguments.get(name)
                && outline.arguments.iter().all(|known| known.name != name)
            {
                outline.arguments.push(call::Argument {
                    name: name.to_owned(),
                    description: argument.description.clone(),
                    value: argument.value.clone(),
                    lines: argument.lines,
                });
            }
        }
        take(&mut outline.secrets, &inventory.secrets);
        take(&mut outline.agents, &inventory.agents);
        for other in state.base.into_iter().chain(state.needs.iter().map(|(need, _)| *need)) {
            self.collect(other, seen, outline);
        }
    }
}

fn take(all: &mut Vec<call::Need>, more: &BTreeMap<String, Need>) {
    for (name, need) in more {
        if all.iter().all(|known| known.name != *name) {
            all.push(call::Need { name: name.clone(), is_required: need.is_required, lines: need.lines });
        }
    }
}

//! Which targets are built, and what each of them comes to in the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::overrides::Overrides;
use crate::path;
use crate::target::{Export, Group, Target};

/// What `--set` allows by naming it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Granted {
    /// Paths that may be read.
    pub read: Vec<String>,
    /// Paths that may be written.
    pub write: Vec<String>,
    /// Whether steps may use this machine's network.
    pub network_host: bool,
    /// Whether steps may be privileged.
    pub security_insecure: bool,
}

/// How far targets refer to each other: further than anyone writes, nearer than the stack ends.
const MAX_DEPTH: usize = 64;

/// What is chosen.
pub(crate) struct Selected {
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) order: Vec<String>,
    pub(crate) granted: Granted,
}

/// Looks up what was asked for, and everything that it is a context of.
pub(crate) fn select(
    targets: &[Target],
    groups: &[Group],
    asked: &[String],
    overrides: &Overrides,
) -> Result<Selected> {
    let mut names = Vec::new();
    for one in asked {
        names.extend(matching(&sanitized(one), targets, groups)?);
    }
    without_repeats(&mut names);
    let mut choice = Choice {
        targets: targets.iter().map(|target| (target.name.as_str(), target)).collect(),
        // Of several groups with one name, the first counts.
        groups: groups.iter().rev().map(|group| (group.name.as_str(), group)).collect(),
        overrides,
        granted: Granted::default(),
        chosen: BTreeMap::new(),
    };
    let (mut chosen_groups, mut order) = (BTreeMap::new(), Vec::new());
    for name in &names {
        let mut found = Members::default();
        choice.members(name, &mut found, 0)?;
        for target in &found.targets.list {
            let resolved = choice.resolve(target)?;
            choice.chosen.insert(target.clone(), resolved);
        }
        order.extend(found.targets.list);
        for group in found.groups {
            let known = choice.groups.get(group.as_str()).map(|known| (*known).clone());
            chosen_groups.extend(known.map(|known| (group, known)));
        }
    }
    without_repeats(&mut order);
    let has_default = chosen_groups.contains_key("default");
    for name in names.iter().filter(|name| !has_default || *name != "default") {
        let default = chosen_groups
            .entry("default".to_owned())
            .or_insert_with(|| Group { name: "default".to_owned(), ..Group::default() });
        default.targets.push(name.clone());
    }
    if let Some(default) = chosen_groups.get_mut("default") {
        default.targets.sort();
        default.targets.dedup();
    }
    for name in order.clone() {
        choice.link(&name, &mut vec![], &mut BTreeSet::new(), &mut order)?;
    }
    Ok(Selected { targets: choice.chosen, groups: chosen_groups, order, granted: choice.granted })
}

/// Names of compose's services may have dots, names of targets may not.
pub(crate) fn sanitized(name: &str) -> String {
    name.replace('.', "_")
}

fn without_repeats(names: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

fn matching(pattern: &str, targets: &[Target], groups: &[Group]) -> Result<Vec<String>> {
    if !pattern.contains(['*', '?', '[', ']']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let all = groups.iter().map(|group| &group.name).chain(targets.iter().map(|target| &target.name));
    let names: Vec<_> = all.filter(|name| path::matches(pattern, name) == Ok(true)).cloned().collect();
    match names.is_empty() {
        true => Err(Error::missing(format!("could not find any target matching \"{pattern}\""))),
        false => Ok(names),
    }
}

/// Names, each once, in the order in which they were added.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    seen: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.seen.insert(name.to_owned()) {
            self.list.push(name.to_owned());
        }
    }
}

/// The targets and groups that a name stands for.
#[derive(Default)]
struct Members {
    targets: Names,
    groups: Vec<String>,
    /// The groups that were looked at: whether they have targets, if that is known.
    known: BTreeMap<String, Option<bool>>,
}

struct Choice<'a> {
    targets: BTreeMap<&'a str, &'a Target>,
    groups: BTreeMap<&'a str, &'a Group>,
    overrides: &'a Overrides,
    granted: Granted,
    chosen: BTreeMap<String, Target>,
}

impl Choice<'_> {
    /// The targets of a group and of its groups, and whether there are any. Inside itself, a group's name is a target's.
    fn members(&self, name: &str, found: &mut Members, depth: usize) -> Result<bool> {
        check_depth(depth)?;
        let Some(group) = self.groups.get(name) else {
            found.targets.add(name);
            return Ok(true);
        };
        if let Some(known) = found.known.get(name) {
            return Ok(known.unwrap_or(false));
        }
        found.known.insert(name.to_owned(), None);
        found.groups.push(name.to_owned());
        for inner in &group.targets {
            if !self.members(inner, found, depth + 1)? {
                found.targets.add(inner);
            }
        }
        found.known.insert(name.to_owned(), Some(!group.targets.is_empty()));
        Ok(!group.targets.is_empty())
    }

    /// What a target comes to.
    fn resolve(&mut self, name: &str) -> Result<Target> {
        let mut known = BTreeMap::new();
        let mut target = self.inherited(name, &mut known, 0)?.unwrap_or_default();
        name.clone_into(&mut target.name);
        target.inherits.clear();
        let default = target.base.take().unwrap_or_else(|| ".".to_owned());
        target.context.get_or_insert(default);
        if target.dockerfile.as_deref().is_none_or(str::is_empty) {
            target.dockerfile = Some("Dockerfile".to_owned());
        }
        Ok(target)
    }

    /// A target with what it takes over; nothing for one that is looked up already.
    fn inherited(
        &mut self,
        name: &str,
        known: &mut BTreeMap<String, Option<Target>>,
        depth: usize,
    ) -> Result<Option<Target>> {
        if let Some(known) = known.get(name) {
            return Ok(known.clone());
        }
        check_depth(depth)?;
        known.insert(name.to_owned(), None);
        let own = self.targets.get(name).copied();
        let own = own.ok_or_else(|| Error::missing(format!("failed to find target {name}")))?;
        let mut made = Target::default();
        for parent in &own.inherits {
            if let Some(parent) = self.inherited(parent, known, depth + 1)? {
                made.merge(&parent);
            }
        }
        made.merge(own);
        self.overrides.apply(name, &mut made, &mut self.granted)?;
        made.normalize();
        known.insert(name.to_owned(), Some(made.clone()));
        Ok(Some(made))
    }

    /// Chooses the targets that are contexts of this one, and what they need.
    fn link(
        &mut self,
        name: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
        order: &mut Vec<String>,
    ) -> Result<()> {
        check_depth(path.len())?;
        path.push(name.to_owned());
        let contexts: Vec<String> = self.chosen[name].contexts.values().cloned().collect();
        for other in contexts.iter().filter_map(|context| context.strip_prefix("target:")) {
            if other == name {
                return Err(Error::new(format!("target {other} cannot link to itself")));
            }
            if path.iter().any(|before| before == other) {
                return Err(Error::new(format!("infinite loop from {name} to {other}")));
            }
            if !self.chosen.contains_key(other) {
                let mut linked = self.resolve(other)?;
                linked.outputs = Some(vec![Export { kind: "cacheonly".to_owned(), ..Export::default() }]);
                linked.is_linked = true;
                self.chosen.insert(other.to_owned(), linked);
                order.push(other.to_owned());
            }
            if !done.contains(other) {
                self.link(other, path, done, order)?;
            }
            self.check_link(name, other)?;
        }
        path.pop();
        done.insert(name.to_owned());
        Ok(())
    }

    /// A target must be allowed what its contexts must, and be built for no platform that they are not.
    fn check_link(&mut self, name: &str, other: &str) -> Result<()> {
        let (needed, theirs) = (self.chosen[other].entitlements.clone(), self.chosen[other].platforms.clone());
        let target = self.chosen.get_mut(name).expect("it was chosen before it was linked");
        for one in needed {
            if !target.entitlements.contains(&one) {
                target.entitlements.push(one);
            }
        }
        let (own, theirs) = (target.platforms.as_deref().unwrap_or_default(), theirs.unwrap_or_default());
        if own.len() > 1 && theirs.len() > 1 && !own.iter().all(|one| theirs.contains(one)) {
            return Err(Error::new(format!(
                "target {other} can't be used by {name} because its platforms [{}] are not a subset of [{}]",
                own.join(" "),
                theirs.join(" ")
            )));
        }
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<()> {
    if depth > MAX_DEPTH { Err(Error::new("targets refer to each other too deeply")) } else { Ok(()) }
}

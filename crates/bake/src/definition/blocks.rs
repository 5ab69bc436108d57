//! Groups and targets, attribute by attribute, so that they can refer to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Defined, Definition};
use crate::error::{Error, Failures, Result};
use crate::evaluate::{Scope, evaluate};
use crate::syntax::{Attribute, Block};
use crate::target::{Group, attributes};
use crate::value::Value;

/// How far a block is evaluated.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What it makes: one thing, or as many as its matrix says.
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    name: String,
    /// What the names of the matrix stand for.
    combination: BTreeMap<String, Value>,
    values: BTreeMap<String, Value>,
    begun: BTreeSet<String>,
    done: BTreeSet<String>,
}

/// Where groups and targets of these names are among those that are made.
struct Places {
    groups: BTreeMap<String, usize>,
    targets: BTreeMap<String, usize>,
}

/// The names of what blocks make, by their kind and label.
type Renamed = Vec<((String, String), Vec<String>)>;

impl Definition<'_> {
    /// Evaluates all groups and targets, and adds them to `defined`.
    pub(super) fn resolve_blocks(&mut self, defined: &mut Defined) -> Result<()> {
        let renamed = self.name_blocks()?;
        self.has_blocks = true;
        let mut places = Places {
            groups: defined.groups.iter().enumerate().map(|(at, group)| (group.name.clone(), at)).collect(),
            targets: defined.targets.iter().enumerate().map(|(at, target)| (target.name.clone(), at)).collect(),
        };
        let mut failures = Failures::default();
        for at in 0..self.blocks.len() {
            let block = self.blocks[at];
            let resolved = self.resolve_block(at, None).map_err(|why| match why.diagnostics().is_empty() {
                true => why.located("Invalid block", Some(block.place.clone())),
                false => why,
            });
            if failures.note(resolved).is_some() {
                self.add_made(at, defined, &mut places);
            }
        }
        failures.or(())?;
        for ((_, label), mut names) in renamed {
            let mut seen = BTreeSet::new();
            names.retain(|name| seen.insert(name.clone()));
            if names.len() != 1 || names[0] != label {
                defined.groups.push(Group { name: label, description: String::new(), targets: names });
            }
        }
        Ok(())
    }

    /// Finds out what each block makes. Gives the names by kind and label, in the order of the files.
    fn name_blocks(&mut self) -> Result<Renamed> {
        let (mut renamed, mut labels) = (Renamed::new(), BTreeMap::new());
        let mut by_name: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for at in 0..self.blocks.len() {
            let block = self.blocks[at];
            let place = || Some(block.place.clone());
            // Targets cannot be looked at while they get their names.
            self.globals.set(block.kind.as_str(), Value::Map(crate::value::Type::String, BTreeMap::new()));
            let combinations = self.combinations(block).map_err(|why| why.located("Invalid name", place()))?;
            let names = self.names(block, &combinations).map_err(|why| why.located("Invalid name", place()))?;
            let key = (block.kind.clone(), block.labels[0].clone());
            let known = *labels.entry(key.clone()).or_insert(renamed.len());
            match renamed.get_mut(known) {
                Some((_, all)) => all.extend(names.iter().cloned()),
                None => renamed.push((key, names.clone())),
            }
            for name in &names {
                by_name.entry((block.kind.as_str(), name.clone())).or_default().push(at);
            }
            let made = names.into_iter().zip(combinations).map(|(name, combination)| Made {
                name,
                combination,
                values: BTreeMap::new(),
                begun: BTreeSet::new(),
                done: BTreeSet::new(),
            });
            self.states.push(State { made: made.collect() });
        }
        self.by_name = by_name;
        Ok(renamed)
    }

    /// Evaluates one attribute of a block, or all that are left.
    pub(super) fn resolve_block(&mut self, at: usize, only: Option<&str>) -> Result<()> {
        for index in 0..self.states[at].made.len() {
            let (block, made) = (self.blocks[at], &mut self.states[at].made[index]);
            if let Some(name) = only {
                if made.done.contains(name) {
                    return Ok(());
                }
                if !made.begun.insert(name.to_owned()) {
                    let text = format!("reference cycle not allowed for {}.{}.{name}", block.kind, made.name);
                    return Err(Error::new(text));
                }
            }
            let is_meant = |attribute: &&Attribute| {
                only.is_none_or(|name| attribute.name == name)
                    && attributes::is_known(&block.kind, &attribute.name)
                    && !made.done.contains(&attribute.name)
            };
            let meant: Vec<&Attribute> = block.body.attributes.iter().filter(is_meant).collect();
            self.deeper(|it| it.evaluate_attributes(at, index, &meant))?;
            let made = &mut self.states[at].made[index];
            made.done.extend(meant.iter().map(|attribute| attribute.name.clone()));
            made.done.extend(only.map(str::to_owned));
            if only.is_none() && block.kind == "group" && block.body.attribute("targets").is_none() {
                return Err(missing_targets(block));
            }
            self.publish(at, index)?;
        }
        Ok(())
    }

    fn evaluate_attributes(&mut self, at: usize, index: usize, meant: &[&Attribute]) -> Result<()> {
        let block = self.blocks[at];
        let own = self.states[at].made[index].combination.clone();
        for attribute in meant {
            let scope = Scope::inside(EMPTY, own.clone());
            self.load(&attribute.value, Some(&scope), &[], false)?;
        }
        let mut failures = Failures::default();
        let mut values = Vec::new();
        let scope = Scope::inside(&self.globals, own);
        for attribute in meant {
            let value = evaluate(&attribute.value, &scope, self).and_then(|value| {
                attributes::typed(&block.kind, &attribute.name, value).map_err(|why| {
                    let detail = format!("Unsuitable value: {why}");
                    Error::found("Unsuitable value type", detail, Some(attribute.value.place()))
                })
            });
            values.extend(failures.note(value).map(|value| (attribute.name.clone(), value)));
        }
        failures.or(())?;
        self.states[at].made[index].values.extend(values);
        Ok(())
    }

    /// Lets others see what is known of a block.
    fn publish(&mut self, at: usize, index: usize) -> Result<()> {
        let (block, made) = (self.blocks[at], &self.states[at].made[index]);
        let object = attributes::object(&block.kind, &made.name, &made.values);
        self.budget.spend(object.size())?;
        let mut all = match self.globals.take(&block.kind) {
            Some(Value::Map(_, fields) | Value::Object(fields)) => fields,
            _ => BTreeMap::new(),
        };
        all.insert(made.name.clone(), object);
        self.globals.set(block.kind.as_str(), Value::Object(all));
        Ok(())
    }

    /// Adds what a block makes to what there is: targets of the same name become one, a later group replaces an earlier.
    fn add_made(&self, at: usize, defined: &mut Defined, places: &mut Places) {
        for made in &self.states[at].made {
            if self.blocks[at].kind == "group" {
                let group = attributes::group(&made.name, &made.values);
                match places.groups.get(&made.name) {
                    Some(known) => defined.groups[*known] = group,
                    None => {
                        places.groups.insert(made.name.clone(), defined.groups.len());
                        defined.groups.push(group);
                    }
                }
            } else {
                let target = attributes::target(&made.name, &made.values);
                let bases = defined.bases.entry(made.name.clone()).or_default();
                bases.add(self.blocks[at], target.contexts.keys());
                match places.targets.get(&made.name) {
                    Some(known) => defined.targets[*known].merge(&target),
                    None => {
                        places.targets.insert(made.name.clone(), defined.targets.len());
                        defined.targets.push(target);
                    }
                }
            }
        }
    }
}

const EMPTY: &Scope<'static> = &Scope::EMPTY;

fn missing_targets(block: &Block) -> Error {
    let detail = "The argument \"targets\" is required, but no definition was found.";
    Error::found("Missing required argument", detail, Some(block.place.clone()))
}

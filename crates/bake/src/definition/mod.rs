//! What HCL and JSON files define: variables, functions, groups and targets, each evaluated once what it needs is.

mod bases;
mod blocks;
mod functions;
mod naming;
mod types;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use bases::{Bases, folder, rebase};
pub(crate) use naming::check_name;
pub(crate) use types::type_of;
pub use variables::Variable;

use crate::error::{Error, Result};
use crate::evaluate::{Budget, Callable, Function, Need, Scope, World, needs};
use crate::functions::{Means, builtin, names};
use crate::syntax::{Attribute, Block, Body, Code};
use crate::target::{Group, Target};
use blocks::State;

/// What is known from outside.
pub(crate) struct Surroundings<'a> {
    /// Variables that no file can change.
    pub(crate) builtin: BTreeMap<String, String>,
    /// What a variable is overridden with.
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// What functions need.
    pub(crate) means: Means<'a>,
}

/// What files define, evaluated.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    pub(crate) groups: Vec<Group>,
    pub(crate) targets: Vec<Target>,
    pub(crate) variables: Vec<Variable>,
    /// Where the targets' contexts are named.
    pub(crate) bases: BTreeMap<String, Bases>,
}

/// Evaluates `files` together, in their order. Targets of `base` are what they add to.
pub(crate) fn define(files: &[Body], surroundings: &Surroundings<'_>, base: Defined) -> Result<Defined> {
    let mut definition = Definition::new(files, surroundings)?;
    let variables = definition.resolve_variables()?;
    definition.resolve_functions()?;
    let mut defined = Defined { variables, ..base };
    definition.resolve_blocks(&mut defined)?;
    definition.resolve_attributes()?;
    Ok(defined)
}

/// The evaluation under way.
struct Definition<'a> {
    surroundings: &'a Surroundings<'a>,
    variables: BTreeMap<&'a str, &'a Block>,
    attributes: BTreeMap<&'a str, &'a Attribute>,
    functions: BTreeMap<&'a str, &'a Block>,
    /// Groups and targets, in the order of the files.
    blocks: Vec<&'a Block>,
    states: Vec<State>,
    /// The blocks that have a name, by their kind.
    by_name: BTreeMap<(&'a str, String), Vec<usize>>,
    /// True once targets can be referred to.
    has_blocks: bool,

    /// Names that have a value.
    globals: Scope<'static>,
    /// Functions that can be called.
    ready: BTreeMap<String, Function>,
    /// Names and functions whose evaluation has begun.
    begun: BTreeSet<String>,
    begun_functions: BTreeSet<String>,
    budget: Budget,
    depth: usize,
}

/// How far definitions refer to each other: further than anyone writes, nearer than the stack ends.
const MAX_DEPTH: usize = 64;

/// Why a name cannot be used.
enum Missing {
    /// Nothing has this name. Whether that is an error is for the evaluation to say.
    Undefined(Error),
    Wrong(Error),
}

impl From<Error> for Missing {
    fn from(why: Error) -> Self {
        Self::Wrong(why)
    }
}

impl<'a> Definition<'a> {
    fn new(files: &'a [Body], surroundings: &'a Surroundings<'a>) -> Result<Self> {
        let mut new = Self {
            surroundings,
            variables: BTreeMap::new(),
            attributes: BTreeMap::new(),
            functions: BTreeMap::new(),
            blocks: Vec::new(),
            states: Vec::new(),
            by_name: BTreeMap::new(),
            has_blocks: false,
            globals: Scope::default(),
            ready: BTreeMap::new(),
            begun: BTreeSet::new(),
            begun_functions: BTreeSet::new(),
            budget: Budget::new(),
            depth: 0,
        };
        for file in files {
            for attribute in &file.attributes {
                if matches!(attribute.name.as_str(), "group" | "target") {
                    let detail = "global attributes currently not supported";
                    return Err(Error::found("Invalid attribute", detail, Some(attribute.place.clone())));
                }
                if attribute.name != "function" && !new.is_reserved(&attribute.name) {
                    new.attributes.insert(&attribute.name, attribute);
                }
            }
            for block in &file.blocks {
                new.add(block)?;
            }
        }
        for (name, value) in &surroundings.builtin {
            new.globals.set(name, crate::value::Value::text(value));
        }
        Ok(new)
    }

    fn add(&mut self, block: &'a Block) -> Result<()> {
        let kind = block.kind.as_str();
        if !matches!(kind, "variable" | "function" | "group" | "target") {
            return Ok(());
        }
        let [label] = &block.labels[..] else {
            let labels = block.labels.join(" ");
            let detail = format!("invalid block label: [{labels}]");
            return Err(Error::found("Invalid block", detail, Some(block.place.clone())));
        };
        match kind {
            "group" | "target" => self.blocks.push(block),
            _ if self.is_reserved(label) => {}
            "variable" => drop(self.variables.insert(label, block)),
            _ => drop(self.functions.insert(label, block)),
        }
        Ok(())
    }

    fn is_reserved(&self, name: &str) -> bool {
        matches!(name, "group" | "target") || self.surroundings.builtin.contains_key(name)
    }

    /// Evaluates what `code` needs. `scope` has names besides the global ones, `own` are names that it will be given.
    fn load(&mut self, code: &Code, scope: Option<&Scope<'_>>, own: &[String], needs_all: bool) -> Result<()> {
        let place = || Some(code.place());
        for need in needs(&code.expression) {
            let loaded = match need {
                Need::Function(name) => self.resolve_function(&name),
                Need::Variable { root, .. } if own.contains(&root) => Ok(()),
                Need::Variable { root, path } if self.has_blocks && matches!(root.as_str(), "group" | "target") => {
                    self.load_block(&root, &path).map_err(Missing::Wrong)
                }
                Need::Variable { root, .. } if scope.is_some_and(|scope| scope.value(&root).is_some()) => Ok(()),
                Need::Variable { root, .. } => self.resolve_name(&root),
            };
            match loaded {
                Ok(()) => {}
                Err(Missing::Undefined(_)) if !needs_all => {}
                Err(Missing::Undefined(why) | Missing::Wrong(why)) => {
                    return Err(why.located("Invalid expression", place()));
                }
            }
        }
        Ok(())
    }

    /// Evaluates what a reference to a group or target needs.
    fn load_block(&mut self, kind: &str, path: &[String]) -> Result<()> {
        let Some((name, rest)) = path.split_first() else {
            return Err(Error::new(format!("cannot access {kind} as a variable")));
        };
        let kind = if kind == "group" { "group" } else { "target" };
        let blocks = self.by_name.get(&(kind, name.clone())).cloned().unwrap_or_default();
        blocks.into_iter().try_for_each(|block| self.resolve_block(block, rest.first().map(String::as_str)))
    }

    /// Runs one step deeper, if that is not too deep.
    fn deeper<T, E: From<Error>>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new("definitions refer to each other too deeply").into());
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }
}

impl World for Definition<'_> {
    fn function(&self, name: &str) -> Option<Callable<'_>> {
        builtin(name).map(Callable::Builtin).or_else(|| self.ready.get(name).map(Callable::Defined))
    }

    fn function_names(&self) -> Vec<String> {
        names().map(str::to_owned).chain(self.ready.keys().cloned()).collect()
    }

    fn globals(&self) -> &Scope<'_> {
        &self.globals
    }

    fn means(&self) -> &Means<'_> {
        &self.surroundings.means
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

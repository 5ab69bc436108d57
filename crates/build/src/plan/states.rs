//! The stages of a file while it is planned, and what refers to what.

use std::collections::BTreeSet;

use wharfie_oci::config::ImageConfig;
use wharfie_oci::{Platform, Reference};

use super::Step;
use super::environment::Environment;
use super::inventory::Inventory;
use super::label::Numbering;
use crate::dockerfile::instruction::{Instruction, Kind};
use crate::dockerfile::{Lines, Style, nearest};
use crate::{Error, Result};

/// The base that is nothing at all.
pub(super) const SCRATCH: &str = "scratch";

/// A stage; or an image or a context that an instruction refers to, as if it were one without instructions.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Number of its FROM; for what is no stage, the number of all.
    pub(super) index: usize,
    /// What it stands on, expanded.
    pub(super) base_name: String,
    /// Its name, lower case; empty if it has none.
    pub(super) name: String,
    /// What the comment before it says of it.
    pub(super) description: String,
    /// Lines of FROM, or of the instruction that refers to it.
    pub(super) lines: Option<Lines>,
    /// FROM as it is written.
    pub(super) written: String,
    /// Whether no FROM begins it.
    pub(super) is_implicit: bool,
    /// The named context that takes its place.
    pub(super) replaced_by: Option<String>,
    /// The stage that it stands on.
    pub(super) base: Option<usize>,
    /// What it stands on, if that is no stage.
    pub(super) ground: Ground,
    /// Its instructions, the triggers of its base first.
    pub(super) commands: Vec<Command>,
    /// What its instructions refer to, and where.
    pub(super) needs: Vec<(usize, Option<Lines>)>,
    /// `--platform`, or what its base is for.
    pub(super) platform: Option<Platform>,
    /// What a container of it would run, so far.
    pub(super) image: ImageConfig,
    /// What it began with.
    pub(super) start: ImageConfig,
    /// What expansion sees, so far.
    pub(super) environment: Environment,
    /// The ARGs that have been declared, those of its base first, with their values.
    pub(super) arguments: Vec<(String, Option<String>)>,
    /// Whether it has been gone through, so that others can refer to it.
    pub(super) is_done: bool,
    /// Whether its base has been asked for.
    pub(super) is_resolved: bool,
    /// Whether the triggers of the stage that it stands on have been taken over.
    pub(super) has_triggers: bool,
    /// Whether a WORKDIR was given, here or in a stage below.
    pub(super) has_workdir: bool,
    /// Where CMD, ENTRYPOINT and HEALTHCHECK were given last.
    pub(super) last: Last,
    /// How its steps are named.
    pub(super) numbering: Numbering,
    /// How the fetching of its base is named.
    pub(super) label: Option<String>,
    /// What is done.
    pub(super) steps: Vec<Step>,
    /// What it can be given.
    pub(super) inventory: Inventory,
}

/// What a state stands on that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Ground {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// Nothing at all.
    Scratch,
    /// An image, as it is written.
    Image(String),
    /// A named context.
    Context(String),
}

/// Where instructions were given of which only the last counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Last {
    pub(super) cmd: Option<Lines>,
    pub(super) entrypoint: Option<Lines>,
    pub(super) healthcheck: Option<Lines>,
}

/// An instruction with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) instruction: Instruction,
    /// `--from` of a COPY, or of each mount of a RUN.
    pub(super) origins: Vec<usize>,
    /// Whether it is a trigger of the base.
    pub(super) is_trigger: bool,
}

impl State {
    /// The operating system; Linux if nobody said.
    pub(super) fn os(&self) -> &str {
        match self.image.os.as_str() {
            "" => "linux",
            os => os,
        }
    }
}

/// All of them, in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct States {
    pub(super) all: Vec<State>,
}

impl States {
    /// Adds one. If its base is the name of an earlier stage, that is what it stands on.
    pub(super) fn add(&mut self, mut state: State) -> usize {
        // As it is written: names are kept in lower case, but images are compared as well.
        state.base = self.all.iter().rposition(|other| !other.name.is_empty() && other.name == state.base_name);
        if let Some(base) = state.base {
            state.inventory = self.all[base].inventory.clone();
        }
        self.all.push(state);
        self.all.len() - 1
    }

    /// The stage called `name`; of several the last one.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.all.iter().rposition(|state| !state.name.is_empty() && state.name == name)
    }

    /// What progress calls the stages.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|state| state.numbering.stage.as_str()).filter(|name| !name.is_empty())
    }

    /// The stage to build.
    pub(super) fn target(&self, wanted: Option<&str>) -> Result<usize> {
        let Some(wanted) = wanted.filter(|name| !name.is_empty()) else { return Ok(self.all.len() - 1) };
        self.find(wanted).ok_or_else(|| {
            let text = format!("target stage {} could not be found", crate::dockerfile::quoted(wanted));
            Error::new(text).suggesting(nearest(wanted, self.names(), true))
        })
    }

    /// Finds what an instruction of the state `user` refers to, and keeps it among the state's commands-to-be.
    pub(super) fn command(
        &mut self,
        user: usize,
        instruction: Instruction,
        is_trigger: bool,
        style: Style,
    ) -> Result<Command> {
        let lines = instruction.lines;
        let mut origins = Vec::new();
        match &instruction.kind {
            Kind::Copy(copy) if !copy.from.is_empty() => {
                if style.expand(&copy.from, &|_| None)?.text != copy.from {
                    return Err(Error::new(
                        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
                    ));
                }
                origins.push(match number(&copy.from) {
                    Some(index) => usize::try_from(index)
                        .ok()
                        .filter(|index| *index < self.all.len())
                        .ok_or_else(|| Error::new(format!("invalid stage index {index}")))?,
                    None => self.find(&copy.from).unwrap_or_else(|| self.imply(&copy.from, Some(lines))),
                });
            }
            Kind::Run(run) => {
                for from in &run.origins {
                    let from = if from.is_empty() { SCRATCH } else { from };
                    origins.push(self.find(from).unwrap_or_else(|| self.imply(from, None)));
                }
            }
            _ => {}
        }
        for origin in &origins {
            let needs = &mut self.all[user].needs;
            match needs.iter_mut().find(|(known, _)| known == origin) {
                Some((_, place)) => *place = Some(lines),
                None => needs.push((*origin, Some(lines))),
            }
        }
        Ok(Command { instruction, origins, is_trigger })
    }

    /// Adds what no FROM begins.
    fn imply(&mut self, base_name: &str, lines: Option<Lines>) -> usize {
        let (index, base_name) = (self.all.len(), base_name.to_owned());
        self.add(State { index, base_name, lines, is_implicit: true, ..State::default() })
    }

    /// What is needed for `target`, itself included.
    pub(super) fn reachable(&self, target: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = vec![target];
        while let Some(at) = next.pop() {
            if found.insert(at) {
                next.extend(self.all[at].base);
                next.extend(self.all[at].needs.iter().map(|(need, _)| *need));
            }
        }
        found
    }

    /// Refuses stages that need each other.
    pub(super) fn judge_circles(&self) -> Result<()> {
        let mut visited = vec![false; self.all.len()];
        for (start, state) in self.all.iter().enumerate() {
            // What is being gone through, each with the next of its needs.
            let mut path = vec![(start, 0)];
            if std::mem::replace(&mut visited[start], true) {
                continue;
            }
            while let Some((at, next)) = path.last_mut() {
                let Some((need, _)) = self.all[*at].needs.get(*next).copied() else {
                    path.pop();
                    continue;
                };
                *next += 1;
                if path.iter().any(|(known, _)| *known == need) {
                    let mut why =
                        Error::new(format!("circular dependency detected on stage: {}", state.numbering.stage));
                    for (at, next) in path {
                        if let Some(lines) = self.all[at].needs[next - 1].1 {
                            why = why.at(lines);
                        }
                    }
                    return Err(why);
                }
                if !std::mem::replace(&mut visited[need], true) {
                    path.push((need, 0));
                }
            }
        }
        Ok(())
    }
}

/// A number as Go's `strconv.Atoi` reads it.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A reference as it is meant: with its registry and its tag.
pub(super) fn canonical(name: &str) -> Result<String, wharfie_oci::reference::ParseReferenceError> {
    Ok(name.parse::<Reference>()?.or_latest().canonical())
}

//! What a build does, as values: the stages that the target needs, and the steps of each with every word expanded.
//!
//! Nothing is read or run here. What a base's configuration says is asked of the caller ([`Bases`]), and only for the
//! images that the target needs.

mod action;
mod bases;
mod copying;
mod environment;
mod epoch;
mod git;
mod inventory;
mod label;
mod mode;
mod planner;
mod ports;
mod request;
mod running;
mod signal;
mod states;
mod steps;

use std::collections::BTreeMap;

use wharfie_oci::Platform;
use wharfie_oci::config::{ContainerConfig, ImageConfig};

pub use action::{
    Action, Cache, Copy, File, GitSource, Mode, Mount, Network, Origin, Ownership, Run, Secret, Security, Sharing,
    Source, Ssh, Workdir,
};
pub(crate) use planner::Planner;
pub use planner::plan;
pub use request::{Bases, BoxError, Request};

use crate::dockerfile::Lines;
use crate::lint::Warning;

/// A whole build for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The instructions before the first FROM, as they are written.
    pub globals: Vec<String>,
    /// The stages the target needs, in the file's order; a stage comes after those it refers to.
    pub stages: Vec<Stage>,
    /// Position in `stages` of the one that is built (always the last).
    pub target: usize,
    /// Lint findings met on the way.
    pub warnings: Vec<Warning>,
    /// `--build-arg` names that no ARG consumed, and that mean nothing to the builder either.
    pub unused_args: Vec<String>,
    /// Whether an instruction `ARG` of the target's stages named `SOURCE_DATE_EPOCH`, or a build argument did: its value.
    pub source_date_epoch: Option<String>,
}

/// What one FROM begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Number in the file, from 0.
    pub index: usize,
    /// Its name (`AS`), lower case.
    pub name: Option<String>,
    /// What it stands on.
    pub base: Base,
    /// What it is built for.
    pub platform: Platform,
    /// Lines of FROM.
    pub lines: Lines,
    /// FROM as it is written.
    pub written: String,
    /// How progress names the fetching of an image base: `[build 1/3] FROM docker.io/library/alpine:latest`, to which the
    /// digest is added once it is known. `None` if there is nothing to fetch.
    pub label: Option<String>,
    /// The configuration that the stage starts with: the base's, or an empty one, with `PATH` set.
    pub start: ImageConfig,
    /// What is done, the triggers of the base first.
    pub steps: Vec<Step>,
}

/// What a stage stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing at all.
    Scratch,
    /// An earlier stage; holds its position in [`Plan::stages`].
    Stage(usize),
    /// An image; holds the reference as it was expanded.
    Image(String),
    /// A named context that takes the place of the stage or of its image; holds the context's name.
    Context(String),
}

/// One instruction, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands; FROM's lines for a trigger.
    pub lines: Lines,
    /// As written in the file (classic's `Step 2/5 : …`).
    pub written: String,
    /// How progress names it: `[build 2/4] COPY a b`. `None` for what only changes the configuration.
    pub label: Option<String>,
    /// What history says: `RUN /bin/sh -c echo # buildkit`, `COPY a b # buildkit`, `ENV a=b`. ONBUILD leaves no entry.
    pub created_by: Option<String>,
    /// What is done.
    pub action: Action,
    /// How a container of the image runs, after this step.
    pub config: ContainerConfig,
    /// MAINTAINER, so far.
    pub author: Option<String>,
    /// Whether it is an ONBUILD trigger of the base.
    pub is_trigger: bool,
    /// The variables that are visible to expansion after this step, for `--explain` and the cache's words.
    pub arguments: BTreeMap<String, String>,
}

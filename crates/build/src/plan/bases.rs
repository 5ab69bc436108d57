//! What stages stand on: images, named contexts, or nothing; and the triggers that they bring along.

use std::collections::BTreeSet;

use wharfie_oci::config::{ContainerConfig, ImageConfig};
use wharfie_oci::{Platform, Reference};

use super::label::{format_all, normalised, shout};
use super::planner::Planner;
use super::states::{Ground, SCRATCH, canonical};
use crate::dockerfile::instruction::{Instruction, Kind};
use crate::dockerfile::{Dockerfile, Lines, nearest, quoted};
use crate::lint::Rule;
use crate::{Error, Result};

impl Planner<'_> {
    /// Asks for all bases that `target` needs, also for those of triggers. Returns what it needs; with `takes_all`,
    /// everything else is asked for as well.
    pub(super) fn resolve(&mut self, target: usize, takes_all: bool) -> Result<BTreeSet<usize>> {
        loop {
            let reachable = self.states.reachable(target);
            for at in 0..self.states.all.len() {
                let is_wanted = takes_all || reachable.contains(&at);
                let state = &mut self.states.all[at];
                if state.base.is_some() || state.is_done || state.is_resolved {
                    continue;
                }
                state.is_resolved = is_wanted;
                let lines = state.lines;
                let result = self.resolve_base(at, is_wanted);
                let state = &mut self.states.all[at];
                state.is_done |= state.is_implicit;
                result.map_err(|why| match lines {
                    Some(lines) => why.at(lines),
                    None => why,
                })?;
            }
            let mut is_complete = true;
            for at in &reachable {
                is_complete &= !self.take_triggers(*at)?;
            }
            if is_complete {
                // Triggers may refer to what refers to them. BuildKit would copy from the stage as it is just then.
                self.states.judge_circles()?;
                return Ok(reachable);
            }
        }
    }

    fn resolve_base(&mut self, at: usize, is_wanted: bool) -> Result<()> {
        let state = &mut self.states.all[at];
        if state.base_name == SCRATCH && state.replaced_by.is_none() {
            state.ground = Ground::Scratch;
            state.image = Self::empty_image(&self.request.platform);
            state.platform = Some(self.request.platform.clone());
            return Ok(());
        }
        let written = state.base_name.clone();
        let name = canonical(&written).map_err(|why| {
            Error::because(format!("failed to parse stage name {}: ", quoted(&written)), Box::new(why))
        })?;
        let platform = state.platform.clone().unwrap_or_else(|| self.request.platform.clone());
        if !is_wanted {
            state.platform = Some(platform);
            return Ok(());
        }
        if let Some(context) = state.replaced_by.clone() {
            let image = self.context_image(&context, &platform)?;
            let state = &mut self.states.all[at];
            if let Some(mut image) = image {
                if let Some(config) = image.config.as_mut() {
                    config.on_build = None;
                }
                if !image.os.is_empty() && !image.architecture.is_empty() {
                    state.platform = Some(image.platform());
                }
                state.image = image;
            }
            state.platform.get_or_insert(platform);
            state.start = state.image.clone();
            state.is_done = true;
            state.ground = Ground::Context(context);
            return Ok(());
        }
        if let Some(context) = self.named_context(&name, Some(&platform))? {
            let image = self.context_image(&context, &platform)?;
            let state = &mut self.states.all[at];
            state.image = image.unwrap_or_else(|| Self::empty_image(&platform));
            state.platform = Some(platform);
            state.ground = Ground::Context(context);
            return Ok(());
        }
        let image = self.bases.config(&written, &platform).map_err(|why| {
            let meant = nearest(&written, self.states.names().chain(COMMON_IMAGES.iter().copied()), true);
            Error::because(format!("{written}: "), why).suggesting(meant)
        })?;
        let state = &mut self.states.all[at];
        state.ground = Ground::Image(written.clone());
        // Of an image without layers nothing is fetched.
        let is_empty = image.rootfs.diff_ids.is_empty() && image.history.iter().all(|entry| entry.empty_layer);
        let actual = image.platform();
        state.image = image;
        if !is_empty {
            let text = shout(&format!("FROM {name}"));
            if !state.is_implicit {
                state.label = Some(state.numbering.next(&text, false, &platform, &state.environment));
            }
            if (&actual.os, &actual.architecture) != (&platform.os, &platform.architecture) {
                let lines = state.lines.unwrap_or(Lines { first: 0, last: 0 });
                let shown = |platform: &Platform| quoted(&format_all(&normalised(platform)));
                let (actual, expected) = (shown(&actual), shown(&platform));
                let text = format!(
                    "Base image {written} was pulled with platform {actual}, expected {expected} for current build"
                );
                self.linter.report(Rule::InvalidBaseImagePlatform, lines, text, &[]);
            }
        }
        self.states.all[at].platform = Some(platform);
        Ok(())
    }

    fn context_image(&self, context: &str, platform: &Platform) -> Result<Option<ImageConfig>> {
        self.bases.context(context, platform).map_err(|why| Error::because("", why))
    }

    /// The named context that stands for `name`, as the user called it.
    pub(super) fn named_context(&self, name: &str, platform: Option<&Platform>) -> Result<Option<String>> {
        if name.eq_ignore_ascii_case(SCRATCH) || name.eq_ignore_ascii_case("context") {
            return Ok(None);
        }
        let short =
            familiar(name).map_err(|why| Error::because(format!("invalid context name {name}: "), Box::new(why)))?;
        let platform = format_all(&normalised(platform.unwrap_or(&self.request.platform)));
        let found = |wanted: Option<&str>| {
            self.request.contexts.iter().find(|context| {
                let (name, of) =
                    context.split_once("::").map_or((context.as_str(), None), |(name, of)| (name, Some(of)));
                of == wanted && (name == short || familiar(name).is_ok_and(|name| name == short))
            })
        };
        Ok(found(Some(&platform)).or_else(|| found(None)).cloned())
    }

    /// Takes over the triggers of a base. True if they refer to something that has not been asked for.
    fn take_triggers(&mut self, at: usize) -> Result<bool> {
        let state = &mut self.states.all[at];
        // Nothing is built on what is only copied from. BuildKit reads its triggers all the same, and never ends with an
        // image whose trigger copies from itself.
        if state.is_implicit || state.replaced_by.is_some() {
            return Ok(false);
        }
        let mut triggers = Vec::new();
        if let Some(base) = state.base {
            if !std::mem::replace(&mut state.has_triggers, true) {
                let of_base = self.states.all[base].commands.iter();
                triggers.extend(of_base.filter_map(|command| match &command.instruction.kind {
                    Kind::Onbuild(text) => Some(text.clone()),
                    _ => None,
                }));
            }
        } else if let Some(own) = state.image.config.as_mut().and_then(|config| config.on_build.take()) {
            triggers = own;
        }
        if triggers.is_empty() {
            return Ok(false);
        }
        let lines = self.states.all[at].lines.unwrap_or(Lines { first: 0, last: 0 });
        let mut commands = Vec::new();
        for trigger in &triggers {
            let instruction = trigger_instruction(trigger, lines).map_err(|why| why.only_at(lines))?;
            if let Kind::Arg(arguments) = &instruction.kind {
                self.declared.extend(arguments.iter().map(|arg| arg.name.clone()));
            }
            let command = self.states.command(at, instruction, true, self.style);
            commands.push(command.map_err(|why| why.only_at(lines))?);
        }
        let has_needs = commands.iter().any(|command| !command.origins.is_empty());
        let state = &mut self.states.all[at];
        state.numbering.total += commands.len();
        commands.append(&mut state.commands);
        state.commands = commands;
        Ok(has_needs)
    }

    /// What a state has from the stage that it stands on.
    pub(super) fn inherit(&mut self, at: usize) {
        let Some(base) = self.states.all[at].base else { return };
        let base = &self.states.all[base];
        let mut image = base.image.clone();
        if let Some(config) = image.config.as_mut() {
            // Triggers are for the next stage only, which has taken them over.
            config.on_build = None;
        }
        let (environment, platform) = (base.environment.clone(), base.platform.clone());
        let (arguments, has_workdir) = (base.arguments.clone(), base.has_workdir);
        let state = &mut self.states.all[at];
        (state.image, state.environment, state.platform) = (image, environment, platform);
        (state.arguments, state.has_workdir) = (arguments, has_workdir);
    }

    /// Completes what a stage starts with: `PATH`, an absolute working directory, and the variables of its image.
    pub(super) fn start(&mut self, at: usize) {
        let request = self.request;
        let state = &mut self.states.all[at];
        let is_windows = state.platform.get_or_insert_with(|| request.platform.clone()).os == "windows";
        let config: &mut ContainerConfig = state.image.config.get_or_insert_default();
        let has_path = config.env.iter().flatten().any(|variable| variable.split('=').next() == Some("PATH"));
        if !has_path && !is_windows {
            config.env.get_or_insert_default().push(format!("PATH={}", super::planner::PATH));
        }
        if !config.working_dir.is_empty() {
            config.working_dir = super::steps::below("/", &config.working_dir);
        }
        for variable in config.env.iter().flatten() {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            state.environment.set(name, value);
        }
        state.start = state.image.clone();
    }
}

/// The instruction that a trigger is, as if it stood at FROM.
fn trigger_instruction(text: &str, lines: Lines) -> Result<Instruction> {
    let mut nodes = Dockerfile::parse_located(text)?.nodes;
    if nodes.len() != 1 {
        return Err(Error::new("onbuild trigger should be a single expression"));
    }
    nodes[0].lines = lines;
    let instruction = Instruction::parse(&nodes[0])?;
    match instruction.kind {
        Kind::From(_) => Err(Error::new("*instructions.Stage is not a command type")),
        _ => Ok(instruction),
    }
}

/// A name as people write it, without the tag that goes without saying.
fn familiar(name: &str) -> Result<String, wharfie_oci::reference::ParseReferenceError> {
    let name = name.parse::<Reference>()?.familiar();
    Ok(name.strip_suffix(":latest").map(str::to_owned).unwrap_or(name))
}

/// What somebody may have meant who mistyped the name of an image.
const COMMON_IMAGES: [&str; 28] = [
    "alpine",
    "docker.io/library/alpine",
    "alpine:latest",
    "docker.io/library/alpine:latest",
    "busybox",
    "docker.io/library/busybox",
    "busybox:latest",
    "docker.io/library/busybox:latest",
    "centos",
    "docker.io/library/centos",
    "centos:latest",
    "docker.io/library/centos:latest",
    "debian",
    "docker.io/library/debian",
    "debian:latest",
    "docker.io/library/debian:latest",
    "golang",
    "docker.io/library/golang",
    "golang:latest",
    "docker.io/library/golang:latest",
    "ubuntu",
    "docker.io/library/ubuntu",
    "ubuntu:latest",
    "docker.io/library/ubuntu:latest",
    "fedora",
    "docker.io/library/fedora",
    "fedora:latest",
    "docker.io/library/fedora:latest",
];

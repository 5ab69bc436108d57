//! The way from a file to a plan: its stages, what the target needs of them, and then each instruction of those.

use std::collections::BTreeSet;

use wharfie_oci::Platform;
use wharfie_oci::config::ImageConfig;

use super::environment::{Environment, GlobalArg, read_globals};
use super::inventory::{Argument, Inventory};
use super::label::Numbering;
use super::states::{Ground, SCRATCH, State, States};
use super::{Base, Bases, Origin, Plan, Request, Stage, epoch};
use crate::dockerfile::instruction::{Instruction, Kind};
use crate::dockerfile::stages::{Section, Stages};
use crate::dockerfile::{Dockerfile, Expanded, Lines, Style, nearest};
use crate::lint::{Linter, Options, Rule, judge};
use crate::{Error, Result};

/// Says what a build of `dockerfile` does.
///
/// `bases` is asked for the configurations of the images that the target needs, each when it is needed.
///
/// # Errors
/// When the file makes no sense, the target is none of its stages, an image is not to be had, or the file wants its lint
/// findings to be errors and there are some. The texts are docker's.
pub fn plan(dockerfile: &Dockerfile, request: &Request, bases: &dyn Bases) -> Result<Plan> {
    let mut linter = Linter::new(Options::of(dockerfile.check.as_deref(), request)?);
    let mut planner = Planner::new(dockerfile, request, bases, &mut linter)?;
    let target = planner.run(false)?;
    let (stages, target) = planner.stages(target);
    let (unused_args, source_date_epoch) = (planner.unused_args(), planner.epoch.clone());
    let globals = std::mem::take(&mut planner.written_globals);
    Ok(Plan { globals, stages, target, warnings: linter.warnings, unused_args, source_date_epoch })
}

/// Plans one file.
pub(crate) struct Planner<'a> {
    pub(super) request: &'a Request,
    pub(super) bases: &'a dyn Bases,
    pub(super) linter: &'a mut Linter,
    /// How words are expanded.
    pub(super) style: Style,
    /// The variables before the first FROM.
    pub(super) globals: Environment,
    /// The instructions that make them, as they are written.
    written_globals: Vec<String>,
    /// The ARGs among them.
    global_arguments: Inventory,
    pub(super) states: States,
    sections: Vec<Section>,
    /// `SOURCE_DATE_EPOCH`, if it was given.
    epoch: Option<String>,
    /// Names of all ARGs.
    pub(super) declared: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    /// Reads the file's instructions, and the ARGs before the first FROM.
    pub(crate) fn new(
        dockerfile: &Dockerfile,
        request: &'a Request,
        bases: &'a dyn Bases,
        linter: &'a mut Linter,
    ) -> Result<Self> {
        let Stages { globals: instructions, all: sections } = Stages::read(dockerfile, linter)?;
        let Some(last) = sections.last() else { return Err(Error::new("dockerfile contains no stages to build")) };
        judge::stage_names(&sections, linter);
        judge::casing(&sections, linter);
        let target = match request.target.as_deref() {
            Some(target) if !target.is_empty() => target,
            _ => &last.from.name,
        };
        let predefined = Environment::predefined(request, target);
        let style = Style::of(dockerfile.escape);
        let mut planner = Self {
            request,
            bases,
            linter,
            style,
            globals: predefined.clone(),
            written_globals: instructions.iter().map(|instruction| instruction.written.clone()).collect(),
            global_arguments: Inventory::default(),
            states: States::default(),
            sections: Vec::new(),
            epoch: None,
            declared: BTreeSet::new(),
        };
        planner.judge_defaults(predefined, &instructions, &sections);
        let given = |name: &str| request.build_args.get(name).map(String::as_str);
        let all = read_globals(&mut planner.globals, &instructions, style.escape, &given)?;
        planner.take_globals(&instructions, all);
        planner.epoch = epoch::resolve(request, &mut planner.globals, style, &sections)?;
        let named = |instruction: &Instruction| match &instruction.kind {
            Kind::Arg(arguments) => arguments.iter().map(|arg| arg.name.clone()).collect(),
            _ => Vec::new(),
        };
        let in_stages = sections.iter().flat_map(|section| &section.instructions);
        planner.declared = instructions.iter().chain(in_stages).flat_map(named).collect();
        planner.sections = sections;
        Ok(planner)
    }

    /// Goes through everything that the target needs; also through everything else if `takes_all`. Returns the target.
    pub(crate) fn run(&mut self, takes_all: bool) -> Result<usize> {
        for (index, section) in std::mem::take(&mut self.sections).into_iter().enumerate() {
            self.begin(index, section)?;
        }
        let target = self.states.target(self.request.target.as_deref())?;
        self.connect()?;
        let reachable = self.resolve(target, takes_all)?;
        for at in 0..self.states.all.len() {
            let is_wanted = reachable.contains(&at) && !self.states.all[at].is_done;
            if takes_all || is_wanted {
                self.go_through(at)?;
            }
        }
        self.linter.verdict()?;
        Ok(target)
    }

    /// Finds out which names of bases only `--build-arg` makes valid.
    fn judge_defaults(&mut self, mut environment: Environment, globals: &[Instruction], sections: &[Section]) {
        // What is wrong with them is told when they are read in earnest.
        if read_globals(&mut environment, globals, self.style.escape, &|_| None).is_err() {
            return;
        }
        for section in sections {
            let base = &section.from.base;
            let Ok(expanded) = environment.expand(base, self.style) else { return };
            if expanded.text.parse::<wharfie_oci::Reference>().is_err() {
                let text = format!("Default value for ARG {base} results in empty or invalid base image name");
                self.linter.report(Rule::InvalidDefaultArgInFrom, section.lines, text, &[]);
            }
        }
    }

    fn take_globals(&mut self, instructions: &[Instruction], all: Vec<GlobalArg>) {
        for arg in all {
            let Instruction { kind: Kind::Arg(arguments), lines, .. } = &instructions[arg.instruction] else {
                continue;
            };
            let definition = &arguments[arg.argument];
            let mut of: BTreeSet<String> = arg.of.into_iter().collect();
            // One that is made of itself is made of what it was made of before.
            if of.remove(&definition.name)
                && let Some(before) = self.global_arguments.arguments.get(&definition.name)
            {
                of.extend(before.of.iter().cloned());
            }
            let argument = Argument {
                value: arg.value.unwrap_or_default(),
                description: definition.description.clone(),
                lines: *lines,
                of,
            };
            self.global_arguments.arguments.insert(definition.name.clone(), argument);
        }
    }

    /// Understands a FROM.
    fn begin(&mut self, index: usize, section: Section) -> Result<()> {
        let (lines, from) = (section.lines, &section.from);
        let base = self.expand_from(&from.base, &section)?;
        if base.text.is_empty() {
            return Err(Error::new(format!("base name ({}) should not be blank", from.base)).at(lines));
        }
        let mut used: BTreeSet<String> = base.matched.into_iter().collect();
        let platform = self.platform(&section, &mut used)?;
        let mut state = State {
            index,
            base_name: base.text,
            name: from.name.clone(),
            description: from.description.clone(),
            lines: Some(lines),
            written: section.written.clone(),
            platform,
            inventory: self.global_arguments.clone(),
            numbering: Numbering {
                stage: from.name.clone(),
                has_platform: self.request.is_multi_platform,
                ..Numbering::default()
            },
            ..State::default()
        };
        if !from.name.is_empty() {
            state.replaced_by = self.named_context(&from.name, state.platform.as_ref())?;
        }
        if state.name.is_empty() {
            state.numbering.stage = format!("stage-{index}");
        }
        let is_replaced = state.replaced_by.is_some();
        let at = self.states.add(state);
        let state = &mut self.states.all[at];
        for instruction in section.instructions {
            state.commands.push(super::states::Command { instruction, origins: Vec::new(), is_trigger: false });
        }
        if is_replaced {
            state.base = None;
            return Ok(());
        }
        state.inventory.used.append(&mut used);
        let is_step = |kind: &Kind| matches!(kind, Kind::Copy(_) | Kind::Run(_) | Kind::Workdir(_));
        state.numbering.total = usize::from(state.base_name != SCRATCH && state.base.is_none())
            + state.commands.iter().filter(|command| is_step(&command.instruction.kind)).count();
        Ok(())
    }

    /// Expands a word of FROM.
    fn expand_from(&mut self, word: &str, section: &Section) -> Result<Expanded> {
        let (unmatched, expanded) = self.globals.try_expand(word, self.style);
        for name in unmatched {
            let known = || self.globals.names().chain(self.global_arguments.arguments.keys().map(String::as_str));
            if known().any(|known| known == name) {
                continue;
            }
            let meant = nearest(&name, known(), true).map(|meant| format!(" (did you mean {meant}?)"));
            let text = format!("FROM argument '{name}' is not declared{}", meant.unwrap_or_default());
            self.linter.report(Rule::UndefinedArgInFrom, section.lines, text, &section.comments);
        }
        expanded.map_err(|why| why.at(section.lines))
    }

    /// Understands `--platform` of a FROM.
    fn platform(&mut self, section: &Section, used: &mut BTreeSet<String>) -> Result<Option<Platform>> {
        let (lines, written) = (section.lines, &section.from.platform);
        if written.is_empty() {
            return Ok(None);
        }
        let expanded = self.expand_from(written, section);
        let expanded = expanded.map_err(|why| why.under("failed to process arguments for platform : "))?;
        judge::platform(section, &expanded, self.globals.get("TARGETPLATFORM"), self.linter);
        let suggest = |why: Error| {
            let meant = expanded.unmatched.iter().find_map(|name| self.globals.nearest(name));
            why.suggesting(meant).at(lines)
        };
        if expanded.text.is_empty() {
            return Err(suggest(Error::new(format!("empty platform value from expression {written}"))));
        }
        match expanded.text.parse() {
            Ok(platform) => {
                used.extend(expanded.matched);
                Ok(Some(platform))
            }
            Err(why) => Err(suggest(Error::because(format!("failed to parse platform {written}: "), Box::new(why)))),
        }
    }

    /// Finds what the instructions of all stages refer to.
    fn connect(&mut self) -> Result<()> {
        for at in 0..self.states.all.len() {
            for command in std::mem::take(&mut self.states.all[at].commands) {
                let command = self.states.command(at, command.instruction, false, self.style)?;
                self.states.all[at].commands.push(command);
            }
        }
        self.states.judge_circles()?;
        if let [only] = self.states.all.as_mut_slice() {
            only.numbering.stage.clear();
        }
        Ok(())
    }

    /// The plan's stages, and which of them is the target.
    fn stages(&mut self, target: usize) -> (Vec<Stage>, usize) {
        let mut wanted: Vec<usize> = self.wanted(target).into_iter().collect();
        // Stages come before what is made up for their instructions, and after those that they need.
        wanted.sort_unstable();
        let position = |at: usize| wanted.iter().position(|wanted| *wanted == at);
        let mut stages = Vec::new();
        for at in &wanted {
            let base = match (self.states.all[*at].base, &self.states.all[*at].ground) {
                (Some(base), _) => Base::Stage(position(base).expect("what a stage stands on is wanted as well")),
                (None, Ground::Image(name)) => Base::Image(name.clone()),
                (None, Ground::Context(name)) => Base::Context(name.clone()),
                (None, Ground::Scratch | Ground::Unknown) => Base::Scratch,
            };
            let state = &mut self.states.all[*at];
            let mut steps = std::mem::take(&mut state.steps);
            for origin in steps.iter_mut().flat_map(|step| step.action.origins_mut()) {
                if let Origin::Stage(of) = origin {
                    *of = position(*of).expect("what a stage refers to is wanted as well");
                }
            }
            stages.push(Stage {
                index: state.index,
                name: Some(state.name.clone()).filter(|name| !name.is_empty()),
                base,
                platform: state.platform.clone().unwrap_or_else(|| self.request.platform.clone()),
                lines: state.lines.unwrap_or(Lines { first: 0, last: 0 }),
                written: state.written.clone(),
                label: state.label.take(),
                start: std::mem::take(&mut state.start),
                steps,
            });
        }
        let target = position(target).expect("the target is wanted");
        (stages, target)
    }

    /// The stages that are built for `target`. A context that takes the place of a stage is copied from as it is.
    fn wanted(&self, target: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = vec![target];
        while let Some(at) = next.pop() {
            if !found.insert(at) {
                continue;
            }
            next.extend(self.states.all[at].base);
            let needs = self.states.all[at].needs.iter().map(|(need, _)| *need);
            next.extend(needs.filter(|need| {
                let state = &self.states.all[*need];
                !state.is_implicit && state.replaced_by.is_none()
            }));
        }
        found
    }

    /// The build arguments that nothing asked for.
    fn unused_args(&self) -> Vec<String> {
        let names = self.request.build_args.keys();
        let is_known = |name: &str| {
            name.starts_with("BUILDKIT_")
                || name == epoch::VARIABLE
                || super::running::is_proxy(name)
                || Environment::predefined(self.request, "").get(name).is_some()
        };
        names.filter(|name| !self.declared.contains(*name) && !is_known(name)).cloned().collect()
    }

    /// What a reference of an instruction means.
    pub(super) fn origin(&self, at: usize) -> Origin {
        let state = &self.states.all[at];
        match &state.ground {
            Ground::Context(name) if state.is_implicit || state.replaced_by.is_some() => Origin::Context(name.clone()),
            _ if !state.is_implicit => Origin::Stage(at),
            Ground::Image(name) => Origin::Image(name.clone()),
            Ground::Context(name) => Origin::Context(name.clone()),
            Ground::Scratch | Ground::Unknown => Origin::Scratch,
        }
    }

    /// What a stage that says nothing else runs on.
    pub(super) fn empty_image(platform: &Platform) -> ImageConfig {
        let mut image = ImageConfig {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
            variant: platform.variant.clone(),
            ..ImageConfig::default()
        };
        let config = image.config.get_or_insert_default();
        "/".clone_into(&mut config.working_dir);
        if platform.os != "windows" {
            config.env = Some(vec![format!("PATH={PATH}")]);
        }
        image
    }
}

/// Where programs are if nobody says anything else.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

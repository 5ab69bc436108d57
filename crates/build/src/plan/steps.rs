//! Instructions one by one: what each does, and what the image's configuration is after it.

use wharfie_oci::config::{ContainerConfig, Empty, Healthcheck};
use wharfie_oci::duration;

use super::environment::Environment;
use super::inventory::Argument;
use super::planner::Planner;
use super::ports::Port;
use super::signal;
use super::states::{Command, State};
use super::{Action, Step, Workdir};
use crate::dockerfile::instruction::{self, Arg, Instruction, Kind};
use crate::dockerfile::{Pair, Style, quoted, quoted_list};
use crate::lint::{Rule, judge};
use crate::path::clean;
use crate::{Error, Result};

/// ARGs that are for the builder and no variables.
const NO_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// What an instruction comes to.
pub(super) struct Effect {
    pub(super) action: Action,
    pub(super) label: Option<String>,
    pub(super) created_by: Option<String>,
}

impl Effect {
    /// One that only changes the configuration.
    fn metadata(created_by: impl Into<String>) -> Self {
        Self { action: Action::Metadata, label: None, created_by: Some(created_by.into()) }
    }
}

impl Planner<'_> {
    /// Goes through the instructions of a stage.
    pub(super) fn go_through(&mut self, at: usize) -> Result<()> {
        self.inherit(at);
        self.states.all[at].is_done = true;
        self.start(at);
        for number in 0..self.states.all[at].commands.len() {
            let command = self.states.all[at].commands[number].clone();
            let lines = command.instruction.lines;
            let effect = self.dispatch(at, &command).map_err(|why| why.at(lines))?;
            let state = &mut self.states.all[at];
            state.steps.push(Step {
                lines,
                written: command.instruction.written,
                label: effect.label,
                created_by: effect.created_by,
                action: effect.action,
                config: state.image.config.clone().unwrap_or_default(),
                author: state.image.author.clone(),
                is_trigger: command.is_trigger,
                arguments: state.environment.pairs().iter().cloned().collect(),
            });
        }
        Ok(())
    }

    fn dispatch(&mut self, at: usize, command: &Command) -> Result<Effect> {
        let instruction = &command.instruction;
        match &instruction.kind {
            Kind::From(_) => Err(Error::new("*instructions.Stage is not a command type")),
            Kind::Run(run) => self.run_step(at, command, run),
            Kind::Copy(copy) => self.copy_step(at, command, copy),
            Kind::Workdir(path) => self.workdir(at, command, path),
            Kind::Arg(arguments) => self.arguments(at, instruction, arguments),
            Kind::Env(pairs) => {
                let pairs = self.pairs(at, instruction, pairs)?;
                Ok(self.env(at, instruction, &pairs))
            }
            Kind::Label(pairs) => {
                let pairs = self.pairs(at, instruction, pairs)?;
                Ok(self.labels(at, instruction, pairs))
            }
            Kind::Cmd(command) => Ok(self.cmd(at, instruction, command)),
            Kind::Entrypoint(command) => Ok(self.entrypoint(at, instruction, command)),
            Kind::Healthcheck(check) => Ok(self.healthcheck(at, instruction, check)),
            Kind::Expose(ports) => self.expose(at, instruction, ports),
            Kind::Shell(words) => {
                self.config(at).shell = Some(words.clone());
                Ok(Effect::metadata(format!("SHELL [{}]", words.join(" "))))
            }
            Kind::Volume(volumes) => self.volumes(at, instruction, volumes),
            Kind::User(user) => {
                let user = self.word(at, instruction, user)?;
                self.config(at).user.clone_from(&user);
                Ok(Effect::metadata(format!("USER {user}")))
            }
            Kind::Stopsignal(signal) => {
                let signal = self.word(at, instruction, signal)?;
                if !signal::is_known(&signal) {
                    return Err(Error::new(format!("invalid signal: {signal}")));
                }
                self.config(at).stop_signal = Some(signal.clone());
                Ok(Effect::metadata(format!("STOPSIGNAL {signal}")))
            }
            Kind::Maintainer(name) => {
                self.states.all[at].image.author = Some(name.clone());
                Ok(Effect::metadata(format!("MAINTAINER {name}")))
            }
            Kind::Onbuild(trigger) => {
                self.config(at).on_build.get_or_insert_default().push(trigger.clone());
                Ok(Effect { action: Action::Metadata, label: None, created_by: None })
            }
        }
    }

    /// The configuration so far.
    pub(super) fn config(&mut self, at: usize) -> &mut ContainerConfig {
        self.states.all[at].image.config.get_or_insert_default()
    }

    /// Expands a word of an instruction.
    pub(super) fn word(&mut self, at: usize, instruction: &Instruction, word: &str) -> Result<String> {
        self.styled_word(at, instruction, word, self.style)
    }

    /// Expands a text of an instruction in the given way.
    pub(super) fn styled_word(
        &mut self,
        at: usize,
        instruction: &Instruction,
        word: &str,
        style: Style,
    ) -> Result<String> {
        let State { environment, arguments, .. } = &self.states.all[at];
        let (unmatched, expanded) = environment.try_expand(word, style);
        for name in unmatched {
            let is_declared = arguments.iter().any(|(known, _)| *known == name);
            if is_declared || NO_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let meant = environment.nearest(&name).map(|meant| format!(" (did you mean ${meant}?)"));
            let text = format!("Usage of undefined variable '${name}'{}", meant.unwrap_or_default());
            self.linter.report(Rule::UndefinedVar, instruction.lines, text, &instruction.comments);
        }
        Ok(expanded?.text)
    }

    fn pairs(&mut self, at: usize, instruction: &Instruction, pairs: &[Pair]) -> Result<Vec<Pair>> {
        let mut all = Vec::new();
        for pair in pairs {
            let name = self.word(at, instruction, &pair.name)?;
            let value = self.word(at, instruction, &pair.value)?;
            all.push(Pair { name, value, is_legacy: pair.is_legacy });
        }
        Ok(all)
    }

    fn judge_form(&mut self, instruction: &Instruction, pair: &Pair) {
        if pair.is_legacy {
            let keyword = &instruction.keyword;
            let text =
                format!("\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format");
            self.linter.report(Rule::LegacyKeyValueFormat, instruction.lines, text, &instruction.comments);
        }
    }

    fn env(&mut self, at: usize, instruction: &Instruction, pairs: &[Pair]) -> Effect {
        let mut created_by = "ENV".to_owned();
        for pair in pairs {
            self.judge_form(instruction, pair);
            judge::secret("ENV", &pair.name, instruction, self.linter);
            let variable = format!("{}={}", pair.name, pair.value);
            created_by.push_str(&format!(" {variable}"));
            self.states.all[at].environment.set(&pair.name, pair.value.clone());
            let env = self.config(at).env.get_or_insert_default();
            match env.iter_mut().find(|known| known.split('=').next() == Some(&pair.name)) {
                Some(known) => *known = variable,
                None => env.push(variable),
            }
        }
        Effect::metadata(created_by)
    }

    fn labels(&mut self, at: usize, instruction: &Instruction, pairs: Vec<Pair>) -> Effect {
        let mut created_by = "LABEL".to_owned();
        for pair in pairs {
            self.judge_form(instruction, &pair);
            created_by.push_str(&format!(" {}={}", pair.name, pair.value));
            self.config(at).labels.get_or_insert_default().insert(pair.name, pair.value);
        }
        Effect::metadata(created_by)
    }

    fn arguments(&mut self, at: usize, instruction: &Instruction, arguments: &[Arg]) -> Result<Effect> {
        let mut words = Vec::new();
        for arg in arguments {
            judge::secret("ARG", &arg.name, instruction, self.linter);
            let given = self.request.build_args.get(&arg.name).cloned();
            // One that only repeats what stands before the first FROM is described there.
            let mut is_global = false;
            let value = match (given, &arg.default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(self.word(at, instruction, default)?),
                (None, None) => {
                    let global = self.globals.get(&arg.name).map(str::to_owned);
                    is_global = global.is_some();
                    global
                }
            };
            let state = &mut self.states.all[at];
            if let Some(value) = &value
                && !NO_VARIABLES.contains(&arg.name.as_str())
            {
                state.environment.set(&arg.name, value.clone());
            }
            if !is_global {
                let argument = Argument {
                    value: value.clone().unwrap_or_default(),
                    description: arg.description.clone(),
                    lines: instruction.lines,
                    of: std::collections::BTreeSet::new(),
                };
                state.inventory.arguments.insert(arg.name.clone(), argument);
            }
            state.inventory.used.insert(arg.name.clone());
            words.push(value.as_ref().map_or_else(|| arg.name.clone(), |value| format!("{}={value}", arg.name)));
            state.arguments.push((arg.name.clone(), value));
        }
        Ok(Effect::metadata(format!("ARG {}", words.join(" "))))
    }

    fn workdir(&mut self, at: usize, command: &Command, path: &str) -> Result<Effect> {
        let instruction = &command.instruction;
        let path = self.word(at, instruction, path)?;
        if !self.states.all[at].has_workdir && !path.starts_with('/') {
            let text =
                format!("Relative workdir {} can have unexpected results if the base image changes", quoted(&path));
            self.linter.report(Rule::WorkdirRelativePath, instruction.lines, text, &instruction.comments);
        }
        let config = self.config(at);
        let path = below(&config.working_dir, &path);
        config.working_dir.clone_from(&path);
        let user = Some(config.user.clone()).filter(|user| !user.is_empty());
        self.states.all[at].has_workdir = true;
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            return Ok(Effect::metadata(created_by));
        }
        let label = Some(self.label(at, command, &instruction.written, self.style, &|_| None));
        Ok(Effect { action: Action::Workdir(Workdir { path, user }), label, created_by: Some(created_by) })
    }

    /// Names a step after its text, expanded as far as that goes. `masked` says what stands for a secret.
    pub(super) fn label(
        &mut self,
        at: usize,
        command: &Command,
        text: &str,
        style: Style,
        masked: &dyn Fn(&str) -> Option<String>,
    ) -> String {
        let state = &mut self.states.all[at];
        let environment: &Environment = &state.environment;
        let lookup = |name: &str| masked(name).or_else(|| environment.get(name).map(str::to_owned));
        let text = style.expand(text, &lookup).map_or_else(|_| text.to_owned(), |expanded| expanded.text);
        let platform = state.platform.clone().unwrap_or_else(|| self.request.platform.clone());
        state.numbering.next(&super::label::shout(&text), command.is_trigger, &platform, &state.environment)
    }

    /// The words of a command; of a shell form the shell stands in front.
    pub(super) fn with_shell(&self, at: usize, words: &[String], is_shell: bool) -> Vec<String> {
        if !is_shell {
            return words.to_vec();
        }
        let state = &self.states.all[at];
        let own = state.image.config.as_ref().and_then(|config| config.shell.clone());
        let shell = own.filter(|shell| !shell.is_empty()).unwrap_or_else(|| {
            let words: &[&str] = if state.os() == "windows" { &["cmd", "/S", "/C"] } else { &["/bin/sh", "-c"] };
            words.iter().map(|word| (*word).to_owned()).collect()
        });
        shell.into_iter().chain([words.join(" ")]).collect()
    }

    fn judge_command(&mut self, at: usize, instruction: &Instruction, command: &instruction::Command) {
        let has_shell = self.config(at).shell.as_ref().is_some_and(|shell| !shell.is_empty());
        if command.is_shell && !has_shell {
            let text = format!(
                "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                instruction.keyword
            );
            self.linter.report(Rule::JSONArgsRecommended, instruction.lines, text, &instruction.comments);
        }
    }

    fn cmd(&mut self, at: usize, instruction: &Instruction, command: &instruction::Command) -> Effect {
        let before = self.states.all[at].last.cmd.replace(instruction.lines);
        judge::once(instruction, before, self.linter);
        self.judge_command(at, instruction, command);
        let words = self.with_shell(at, &command.words, command.is_shell);
        let created_by = format!("CMD {}", quoted_list(&words));
        let config = self.config(at);
        config.cmd = Some(words).filter(|words| !words.is_empty());
        config.args_escaped = true;
        Effect::metadata(created_by)
    }

    fn entrypoint(&mut self, at: usize, instruction: &Instruction, command: &instruction::Command) -> Effect {
        let before = self.states.all[at].last.entrypoint.replace(instruction.lines);
        judge::once(instruction, before, self.linter);
        self.judge_command(at, instruction, command);
        let words = self.with_shell(at, &command.words, command.is_shell);
        let created_by = format!("ENTRYPOINT {}", quoted_list(&words));
        let has_cmd = self.states.all[at].last.cmd.is_some();
        let config = self.config(at);
        config.entrypoint = Some(words).filter(|words| !words.is_empty());
        if !has_cmd {
            // The base's belongs to the base's entrypoint.
            config.cmd = None;
        }
        Effect::metadata(created_by)
    }

    fn healthcheck(&mut self, at: usize, instruction: &Instruction, check: &Healthcheck) -> Effect {
        let before = self.states.all[at].last.healthcheck.replace(instruction.lines);
        judge::once(instruction, before, self.linter);
        let created_by = format!(
            "HEALTHCHECK {{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            check.test.as_deref().unwrap_or_default().join(" "),
            duration::print(check.interval),
            duration::print(check.timeout),
            duration::print(check.start_period),
            duration::print(check.start_interval),
            check.retries,
        );
        self.config(at).healthcheck = Some(check.clone());
        Effect::metadata(created_by)
    }

    fn expose(&mut self, at: usize, instruction: &Instruction, ports: &[String]) -> Result<Effect> {
        let mut words = Vec::new();
        for port in ports {
            words.extend(self.states.all[at].environment.expand(port, self.style)?.words);
        }
        let mut names = Vec::new();
        for word in &words {
            let linter = &mut *self.linter;
            let mut judge = |is_shouted: bool, has_host: bool| {
                if is_shouted {
                    let text = format!("Defined protocol '{word}' in EXPOSE instruction should be lowercase");
                    linter.report(Rule::ExposeProtoCasing, instruction.lines, text, &instruction.comments);
                }
                if has_host {
                    let text = format!(
                        "EXPOSE instruction should not define an IP address or host-port mapping, found '{word}'"
                    );
                    linter.report(Rule::ExposeInvalidFormat, instruction.lines, text, &instruction.comments);
                }
            };
            names.extend(Port::parse(word, &mut judge)?.names);
        }
        let exposed = self.config(at).exposed_ports.get_or_insert_default();
        exposed.extend(names.iter().map(|name| (name.clone(), Empty {})));
        Ok(Effect::metadata(format!("EXPOSE [{}]", names.join(" "))))
    }

    fn volumes(&mut self, at: usize, instruction: &Instruction, volumes: &[String]) -> Result<Effect> {
        let mut all = Vec::new();
        for volume in volumes {
            all.push(self.word(at, instruction, volume)?);
        }
        if all.iter().any(String::is_empty) {
            return Err(Error::new("VOLUME specified can not be an empty string"));
        }
        let known = self.config(at).volumes.get_or_insert_default();
        known.extend(all.iter().map(|volume| (volume.clone(), Empty {})));
        Ok(Effect::metadata(format!("VOLUME [{}]", all.join(" "))))
    }
}

/// A path seen from a folder; one from the root stays as it is written.
pub(super) fn below(folder: &str, path: &str) -> String {
    match path {
        "" if folder.is_empty() => "/".to_owned(),
        "" => clean(&format!("/{folder}")),
        path if path.starts_with('/') => path.to_owned(),
        path => clean(&format!("/{folder}/{path}")),
    }
}

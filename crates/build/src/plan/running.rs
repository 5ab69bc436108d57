//! RUN: the command, its here-documents, and its mounts.

use super::inventory::Need;
use super::planner::Planner;
use super::states::Command;
use super::steps::{Effect, below};
use super::{Action, Cache, File, Mount, Network, Origin, Ownership, Run, Secret, Security, Sharing, Ssh};
use crate::dockerfile::instruction::{self, Instruction, MountFields, MountKind};
use crate::dockerfile::{HereDocument, Style, quoted};
use crate::path::clean;
use crate::{Error, Result};

/// The build argument that keeps cache mounts of one name apart.
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

impl Planner<'_> {
    pub(super) fn run_step(&mut self, at: usize, command: &Command, run: &instruction::Run) -> Result<Effect> {
        let instruction = &command.instruction;
        let fields = self.mount_fields(at, instruction, run)?;
        let Script { words, summary, files } = self.script(at, run)?;
        let arguments = self.with_shell(at, &words, run.command.is_shell);
        let mounts = self.mounts(at, command, &fields)?;
        if run.has_devices {
            return Err(Error::new("device feature is only supported in Dockerfile frontend 1.14.0-labs or later"));
        }
        let secrets: Vec<&str> = fields.iter().filter_map(secret_variable).collect();
        let masked = |name: &str| secrets.contains(&name).then(|| "****".to_owned());
        let style = Style { keeps_quotes: true, keeps_unset: true, ..self.style };
        let text = format!("{}{}", instruction.written, summary.map(|text| format!(" ({text})")).unwrap_or_default());
        let label = Some(self.label(at, command, &text, style, &masked));
        let created_by = Some(format!("RUN {} # buildkit", self.with_arguments(at, &arguments)));
        let run = Run {
            arguments,
            environment: self.states.all[at].environment.pairs().to_vec(),
            proxies: self.proxies(),
            directory: below("/", &self.config(at).working_dir),
            user: self.config(at).user.clone(),
            mounts,
            network: match run.network.as_str() {
                "none" => Network::None,
                "host" => Network::Host,
                _ => Network::Default,
            },
            security: if run.security == "insecure" { Security::Insecure } else { Security::Sandbox },
            files,
        };
        Ok(Effect { action: Action::Run(Box::new(run)), label, created_by })
    }

    /// The proxies that build arguments name, each in upper case and in lower case, for programs disagree.
    fn proxies(&self) -> Vec<(String, String)> {
        let given = |proxy: &str| {
            // Of two spellings the last one counts, which is the one in lower case.
            let mut all = self.request.build_args.iter().filter(|(name, _)| name.eq_ignore_ascii_case(proxy));
            all.next_back().map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let known = PROXIES.iter().filter_map(|proxy| Some((*proxy, given(proxy)?)));
        known.flat_map(|(name, value)| [(name.to_uppercase(), value.clone()), (name.to_owned(), value)]).collect()
    }

    /// The words of the command with what stands in its here-documents.
    fn script(&self, at: usize, run: &instruction::Run) -> Result<Script> {
        let words = run.command.words.clone();
        let Some(first) = run.documents.first() else { return Ok(Script { words, ..Script::default() }) };
        let [line] = words.as_slice() else {
            return Err(Error::new(format!("parsing produced an invalid run command: [{}]", words.join(" "))));
        };
        if HereDocument::of_word(line).ok().flatten().is_none() {
            // The shell reads them itself.
            let mut text = line.clone();
            for document in &run.documents {
                text.push('\n');
                text.push_str(&document.body);
                text.push_str(&document.name);
            }
            return Ok(Script { words: vec![text], ..Script::default() });
        }
        let body = first.text();
        let summary = Some(summary(&first.body));
        match self.states.all[at].os() != "windows" && body.starts_with("#!") {
            true => Ok(Script {
                words: vec![clean(&format!("/dev/pipes/{}", first.name))],
                summary,
                files: vec![File { name: first.name.clone(), body }],
            }),
            false => Ok(Script { words: vec![body], summary, files: Vec::new() }),
        }
    }

    /// The command as history shows it: with the ARGs in front.
    fn with_arguments(&self, at: usize, words: &[String]) -> String {
        let state = &self.states.all[at];
        let mut all: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &state.arguments {
            let value = state.environment.get(name).or(value.as_deref()).unwrap_or_default();
            match all.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 = value,
                None => all.push((name, value)),
            }
        }
        let count = (!all.is_empty()).then(|| format!("|{}", all.len()));
        let arguments = all.iter().map(|(name, value)| format!("{name}={value}"));
        count.into_iter().chain(arguments).chain(words.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    fn mount_fields(
        &mut self,
        at: usize,
        instruction: &Instruction,
        run: &instruction::Run,
    ) -> Result<Vec<MountFields>> {
        let all = run.mounts.iter();
        all.map(|mount| MountFields::parse(mount, &mut |word| self.word(at, instruction, word))).collect()
    }

    fn mounts(&mut self, at: usize, command: &Command, all: &[MountFields]) -> Result<Vec<Mount>> {
        let mut mounts = Vec::new();
        for (fields, origin) in all.iter().zip(&command.origins) {
            let is_cache = fields.kind == MountKind::Cache;
            let has_origin = !fields.from.is_empty() || is_cache;
            if has_origin && !self.states.all[*origin].is_done {
                let from = if fields.from.is_empty() { "scratch" } else { &fields.from };
                let (from, to) = (quoted(from), quoted(&fields.target));
                return Err(Error::new(format!(
                    "cannot mount from stage {from} to {to}, stage needs to be defined before current command"
                )));
            }
            let from = has_origin.then(|| self.origin(*origin));
            mounts.push(match fields.kind {
                MountKind::Secret => Mount::Secret(self.secret(at, command, fields)),
                MountKind::Ssh => Mount::Ssh(self.agent(at, command, fields)?),
                MountKind::Bind | MountKind::Cache | MountKind::Tmpfs => {
                    let target = self.target(at, &fields.target);
                    if target == "/" {
                        return Err(Error::new("invalid mount target \"/\""));
                    }
                    let (source, is_readonly) = (clean(&format!("/{}", fields.source)), fields.is_readonly);
                    match fields.kind {
                        MountKind::Tmpfs => Mount::Tmpfs { target, size: fields.size },
                        MountKind::Cache => Mount::Cache(Cache {
                            id: self.cache_id(fields),
                            sharing: match fields.sharing.as_deref() {
                                Some("private") => Sharing::Private,
                                Some("locked") => Sharing::Locked,
                                _ => Sharing::Shared,
                            },
                            from: from.filter(|from| *from != Origin::Scratch),
                            source,
                            target,
                            is_readonly,
                            ownership: ownership(fields),
                        }),
                        _ => Mount::Bind { from, source, target, is_readonly },
                    }
                }
            });
        }
        Ok(mounts)
    }

    fn cache_id(&self, fields: &MountFields) -> String {
        let namespace = self.request.build_args.get(CACHE_NAMESPACE).map(String::as_str).unwrap_or_default();
        match fields.id.as_str() {
            "" => format!("{namespace}/{}", clean(&fields.target)),
            id => format!("{namespace}/{id}"),
        }
    }

    /// Where something is mounted, seen from the working directory.
    fn target(&mut self, at: usize, target: &str) -> String {
        match target.starts_with('/') {
            true => target.to_owned(),
            false => clean(&format!("/{}/{target}", self.config(at).working_dir)),
        }
    }

    fn secret(&mut self, at: usize, command: &Command, fields: &MountFields) -> Secret {
        let id = match (fields.source.as_str(), fields.id.as_str()) {
            ("", "") => last_name(&fields.target),
            ("", id) => id.to_owned(),
            (source, _) => source.to_owned(),
        };
        let target = match (fields.target.as_str(), &fields.variable) {
            ("", None) => Some(format!("/run/secrets/{}", last_name(&id))),
            ("", Some(_)) => None,
            (target, _) => Some(clean(&format!("/{target}"))),
        };
        let need = Need { is_required: fields.is_required, lines: command.instruction.lines };
        self.states.all[at].inventory.secrets.entry(id.clone()).or_insert(need);
        let (variable, is_required) = (fields.variable.clone(), fields.is_required);
        Secret { id, target, variable, is_required, ownership: ownership(fields) }
    }

    fn agent(&mut self, at: usize, command: &Command, fields: &MountFields) -> Result<Ssh> {
        if !fields.source.is_empty() {
            return Err(Error::new("ssh does not support source"));
        }
        let id = if fields.id.is_empty() { "default" } else { &fields.id }.to_owned();
        let need = Need { is_required: fields.is_required, lines: command.instruction.lines };
        self.states.all[at].inventory.agents.entry(id.clone()).or_insert(need);
        let target = (!fields.target.is_empty()).then(|| clean(&format!("/{}", fields.target)));
        Ok(Ssh { id, target, is_required: fields.is_required, ownership: ownership(fields) })
    }
}

/// What is run.
#[derive(Default)]
struct Script {
    words: Vec<String>,
    /// What progress says of the here-document.
    summary: Option<String>,
    files: Vec<File>,
}

/// The first line of a text.
fn summary(text: &str) -> String {
    let text = text.trim().replace("\r\n", "\n");
    text.split_once('\n').map_or_else(|| text.clone(), |(first, _)| format!("{first}..."))
}

fn ownership(fields: &MountFields) -> Ownership {
    Ownership { mode: fields.mode, uid: fields.uid, gid: fields.gid }
}

/// The variable that holds a secret.
fn secret_variable(fields: &MountFields) -> Option<&str> {
    fields.variable.as_deref().filter(|_| fields.kind == MountKind::Secret)
}

/// The last name of a path.
fn last_name(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/").to_owned()
}

/// Whether a variable names a proxy.
pub(super) fn is_proxy(name: &str) -> bool {
    PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
}

const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

//! Second layer: instructions, each with what it says, its flags and its fields. Nothing is expanded yet.

mod copy;
mod fields;
mod flags;
mod from;
mod healthcheck;
mod mount;
mod run;

use wharfie_oci::config::Healthcheck;

pub(crate) use fields::truth;
pub(crate) use mount::{MountFields, MountKind};

use super::{Arguments, Lines, Node, Pair, nearest};
use crate::lint::{Linter, Rule};
use crate::{Error, Result};
pub use copy::{Copy, Document};
use flags::Flags;
pub use from::From;
pub use run::{Command, Run};

/// An instruction of a stage, or an ARG before the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its keyword as it is written.
    pub keyword: String,
    /// Where it stands.
    pub lines: Lines,
    /// The whole of it on one line, here-documents left out.
    pub written: String,
    /// The comments before it.
    pub comments: Vec<String>,
    /// What it says.
    pub kind: Kind,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// FROM.
    From(From),
    /// ARG.
    Arg(Vec<Arg>),
    /// ENV.
    Env(Vec<Pair>),
    /// LABEL.
    Label(Vec<Pair>),
    /// RUN.
    Run(Run),
    /// COPY and ADD.
    Copy(Copy),
    /// CMD.
    Cmd(Command),
    /// ENTRYPOINT.
    Entrypoint(Command),
    /// SHELL.
    Shell(Vec<String>),
    /// HEALTHCHECK.
    Healthcheck(Healthcheck),
    /// EXPOSE, sorted.
    Expose(Vec<String>),
    /// VOLUME.
    Volume(Vec<String>),
    /// USER.
    User(String),
    /// WORKDIR.
    Workdir(String),
    /// STOPSIGNAL.
    Stopsignal(String),
    /// MAINTAINER.
    Maintainer(String),
    /// ONBUILD, as the image's configuration holds it.
    Onbuild(String),
}

/// One variable of an ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: String,
    /// What it is if nobody says anything else.
    pub default: Option<String>,
    /// What the comment before it says of it; empty if nothing.
    pub description: String,
}

/// Every keyword.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Instruction {
    /// Reads what `node` says.
    ///
    /// # Errors
    /// When there is no such instruction, or it does not take what it was given.
    pub fn parse(node: &Node) -> Result<Self> {
        Self::check(node, &mut Linter::silent())
    }

    /// As [`Self::parse`]; tells `linter` what could be better.
    pub(crate) fn check(node: &Node, linter: &mut Linter) -> Result<Self> {
        let kind = kind(node, linter).map_err(|why| why.at(node.lines))?;
        Ok(Self {
            keyword: node.keyword.clone(),
            lines: node.lines,
            written: node.line.trim().to_owned(),
            comments: node.comments.clone(),
            kind,
        })
    }
}

fn kind(node: &Node, linter: &mut Linter) -> Result<Kind> {
    let no_flags = || Flags::read(&node.flags, &[]);
    Ok(match node.keyword.to_lowercase().as_str() {
        "add" => Kind::Copy(copy::add(node)?),
        "arg" => Kind::Arg(arguments(node, linter)?),
        "cmd" => {
            no_flags()?;
            Kind::Cmd(Command::of(node))
        }
        "copy" => Kind::Copy(copy::copy(node)?),
        "entrypoint" => {
            no_flags()?;
            Kind::Entrypoint(Command::of(node))
        }
        "env" => {
            no_flags()?;
            Kind::Env(pairs("ENV", node)?)
        }
        "expose" => {
            let mut ports = several("EXPOSE", node)?;
            no_flags()?;
            ports.sort();
            Kind::Expose(ports)
        }
        "from" => Kind::From(from::parse(node, linter)?),
        "healthcheck" => Kind::Healthcheck(healthcheck::parse(node)?),
        "label" => {
            no_flags()?;
            Kind::Label(pairs("LABEL", node)?)
        }
        "maintainer" => {
            let text = "Maintainer instruction is deprecated in favor of using label";
            linter.report(Rule::MaintainerDeprecated, node.lines, text, &node.comments);
            Kind::Maintainer(one("MAINTAINER", node)?)
        }
        "onbuild" => Kind::Onbuild(trigger(node)?),
        "run" => Kind::Run(run::parse(node)?),
        "shell" => {
            no_flags()?;
            Kind::Shell(shell(node)?)
        }
        "stopsignal" => Kind::Stopsignal(exactly_one("STOPSIGNAL", node)?),
        "user" => Kind::User(one("USER", node)?),
        "volume" => Kind::Volume(volumes(node)?),
        "workdir" => Kind::Workdir(one("WORKDIR", node)?),
        _ => {
            let meant = nearest(&node.keyword, KEYWORDS, false);
            return Err(Error::new(format!("unknown instruction: {}", node.keyword)).suggesting(meant));
        }
    })
}

/// The words of either form.
fn words(node: &Node) -> &[String] {
    match &node.arguments {
        Arguments::Words(words) | Arguments::Json(words) => words,
        _ => &[],
    }
}

fn several(keyword: &str, node: &Node) -> Result<Vec<String>> {
    match words(node) {
        [] => Err(Error::new(format!("{keyword} requires at least one argument"))),
        words => Ok(words.to_vec()),
    }
}

fn exactly_one(keyword: &str, node: &Node) -> Result<String> {
    match words(node) {
        [one] => Ok(one.clone()),
        _ => Err(Error::new(format!("{keyword} requires exactly one argument"))),
    }
}

/// The whole line of an instruction that has no flags.
fn one(keyword: &str, node: &Node) -> Result<String> {
    let text = exactly_one(keyword, node)?;
    Flags::read(&node.flags, &[])?;
    Ok(text)
}

fn pairs(keyword: &str, node: &Node) -> Result<Vec<Pair>> {
    let pairs = match &node.arguments {
        Arguments::Pairs(pairs) if !pairs.is_empty() => pairs,
        _ => return Err(Error::new(format!("{keyword} requires at least one argument"))),
    };
    match pairs.iter().any(|pair| pair.name.is_empty()) {
        true => Err(Error::new(format!("{keyword} names can not be blank"))),
        false => Ok(pairs.clone()),
    }
}

fn arguments(node: &Node, linter: &mut Linter) -> Result<Vec<Arg>> {
    let mut all = Vec::new();
    for word in several("ARG", node)? {
        let (name, default) = match word.split_once('=') {
            Some(("", _)) => return Err(Error::new("ARG names can not be blank")),
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        all.push(Arg { name: name.to_owned(), default, description: description(&node.comments, name) });
    }
    let names: Vec<&str> = all.iter().map(|arg| arg.name.as_str()).collect();
    judge_description("ARG", &names, node, linter);
    Ok(all)
}

/// What the comments say of `name`.
fn description(comments: &[String], name: &str) -> String {
    let of_name = |comment: &String| Some(comment.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    if name.is_empty() { String::new() } else { comments.iter().find_map(of_name).unwrap_or_default() }
}

/// A comment right before an instruction should begin with what it describes.
fn judge_description(keyword: &str, names: &[&str], node: &Node, linter: &mut Linter) {
    let Some(comment) = node.comments.last() else { return };
    let Some(first) = names.first() else { return };
    if names.contains(&comment.split(' ').next().unwrap_or_default()) {
        return;
    }
    let example = if names.len() > 1 { "<arg_key>" } else { first };
    let text = format!("Comment for {keyword} should follow the format: `# {example} <description>`");
    linter.report(Rule::InvalidDefinitionDescription, node.lines, text, &node.comments);
}

fn volumes(node: &Node) -> Result<Vec<String>> {
    let volumes: Vec<String> = several("VOLUME", node)?.iter().map(|volume| volume.trim().to_owned()).collect();
    Flags::read(&node.flags, &[])?;
    match volumes.iter().any(String::is_empty) {
        true => Err(Error::new("VOLUME specified can not be an empty string")),
        false => Ok(volumes),
    }
}

fn shell(node: &Node) -> Result<Vec<String>> {
    match &node.arguments {
        Arguments::Json(words) if !words.is_empty() => Ok(words.clone()),
        Arguments::Words(words) if !words.is_empty() => {
            Err(Error::new("SHELL requires the arguments to be in JSON form"))
        }
        _ => Err(Error::new("SHELL requires at least one argument")),
    }
}

/// The instruction that waits for another build, with its here-documents.
fn trigger(node: &Node) -> Result<String> {
    let Arguments::Nested(nested) = &node.arguments else {
        return Err(Error::new("ONBUILD requires at least one argument"));
    };
    Flags::read(&node.flags, &[])?;
    match nested.keyword.trim().to_uppercase().as_str() {
        "ONBUILD" => return Err(Error::new("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
        word @ ("MAINTAINER" | "FROM") => {
            return Err(Error::new(format!("{word} isn't allowed as an ONBUILD trigger")));
        }
        _ => {}
    }
    let mut text = node.rest.clone();
    for document in &node.documents {
        text.push('\n');
        text.push_str(&document.body);
        text.push_str(&document.name);
    }
    Ok(text)
}

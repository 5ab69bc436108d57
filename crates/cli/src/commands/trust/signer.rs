//! `trust signer`: whose word counts for a repository.

use std::path::Path;

use wharfie_engine::Error;
use wharfie_engine::trust::{ADMIN, Mode, PublicKey, Rule};
use wharfie_oci::{Reference, Repository};

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Switch, Texts};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

const KEY: Texts = Texts::of_commas("key", "Path to the signer's public key file").complete(Complete::Files);
const FORCE: Switch =
    Switch::new("force", "Do not prompt for confirmation before removing the most recent signer").short('f');

/// `PROG trust signer`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Manage entities who can sign Docker images",
    subcommands: &[Entry::new("add", &ADD), Entry::new("ls", &LS), Entry::new("remove", &REMOVE)],
    ..Command::BASE
};

static ADD: Command<Run> = Command {
    about: "Add a signer",
    usage: "OPTIONS NAME REPOSITORY [REPOSITORY...]",
    arity: Arity::AtLeast(2),
    flags: &[KEY.flag()],
    examples: &[Example {
        text: "Believe what alice signs",
        command: "trust signer add --key alice.pub alice registry.example/team/web",
    }],
    run: Some(add),
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List the repositories that need signatures, and whose count",
    usage: "[REPOSITORY...]",
    arity: Arity::Any,
    examples: &[
        Example { text: "See whose word counts where", command: "trust signer ls" },
        Example { text: "See whose counts for one repository", command: "trust signer ls registry.example/team/web" },
    ],
    run: Some(ls),
    ..Command::BASE
};

static REMOVE: Command<Run> = Command {
    about: "Remove a signer",
    usage: "[OPTIONS] NAME REPOSITORY [REPOSITORY...]",
    arity: Arity::AtLeast(2),
    flags: &[FORCE.flag()],
    examples: &[Example {
        text: "Believe alice no longer",
        command: "trust signer remove alice registry.example/team/web",
    }],
    run: Some(remove),
    ..Command::BASE
};

fn ls(cx: &Context, matches: &Matches) -> Result {
    let policy = cx.engine()?.trust_policy()?;
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut add = |name: &str, rule: &Rule| {
        let mode = match rule.mode {
            Mode::Asked => "asked",
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
            Mode::Off => "off",
        };
        let ids =
            |keys: &[PublicKey]| keys.iter().map(|key| key.id().short().to_owned()).collect::<Vec<_>>().join(", ");
        let signers = rule.signers.iter().map(|(signer, keys)| (signer.as_str(), ids(keys)));
        let own = rule.repository.iter().map(|key| (ADMIN, key.id().short().to_owned()));
        let before = rows.len();
        for (signer, keys) in signers.chain(own) {
            rows.push([name.to_owned(), mode.to_owned(), signer.to_owned(), keys]);
        }
        if let Some(trusted) = &rule.notation {
            let stores = trusted.stores().collect::<Vec<_>>().join(", ");
            rows.push([name.to_owned(), mode.to_owned(), trusted.trusted_identities.join("; "), stores]);
        }
        if rows.len() == before {
            rows.push([name.to_owned(), mode.to_owned(), String::new(), String::new()]);
        }
    };
    for (name, rule) in policy.rules().filter(|_| matches.args().is_empty()) {
        add(name, rule);
    }
    for typed in matches.args() {
        let reference: Reference = typed.parse().map_err(Error::from)?;
        if let Some(rule) = policy.rule(reference.repository()) {
            add(typed, rule);
        }
    }
    let clean = |row: [String; 4]| row.map(|cell| sanitise(&cell, Layout::OneLine).into_owned());
    let rows: Vec<_> = rows.into_iter().map(clean).collect();
    cx.print_table(&table::rows(["REPOSITORY", "MODE", "SIGNER", "KEYS"], &rows))
}

fn add(cx: &Context, matches: &Matches) -> Result {
    let (name, repositories) = matches.args().split_first().expect("there are two at least");
    wharfie_engine::trust::check_signer(name)?;
    let paths = matches.get(&KEY);
    if paths.is_empty() {
        return Err(Failure::new("path to a public key must be provided using the `--key` flag"));
    }
    let engine = cx.engine()?;
    let keys = paths.iter().map(|path| engine.trust_public_key(Path::new(path)));
    let keys: Vec<PublicKey> = keys.collect::<Result<_, Error>>()?;
    each(cx, repositories, "failed to add signer to", |typed, repository| {
        cx.line(&format!("Adding signer \"{name}\" to {typed}..."))?;
        if engine.add_signer(repository, name, &keys)? {
            cx.line(&format!("Initializing signed repository for {typed}..."))?;
            cx.line(&format!("Successfully initialized \"{typed}\""))?;
        }
        cx.line(&format!("Successfully added signer: {name} to {typed}\n"))
    })
}

fn remove(cx: &Context, matches: &Matches) -> Result {
    let (name, repositories) = matches.args().split_first().expect("there are two at least");
    let engine = cx.engine()?;
    each(cx, repositories, "error removing signer from", |typed, repository| {
        cx.line(&format!("Removing signer \"{name}\" from {typed}..."))?;
        let policy = engine.trust_policy()?;
        let is_last = policy.rule(repository).is_some_and(|rule| {
            rule.signers.contains_key(name) && rule.signers.len() <= rule.threshold && rule.repository.is_none()
        });
        let question = format!(
            "Without \"{name}\" too few signers are left whose signatures count for {typed}. Removing this signer will make \
             {typed} unpullable. Are you sure you want to continue?"
        );
        if is_last && !matches.get(&FORCE) && !cx.confirm(&question)? {
            return Ok(());
        }
        engine.remove_signer(repository, name)?;
        cx.line(&format!("Successfully removed {name} from {typed}\n"))
    })
}

/// Does `work` for each repository, and fails in the end with those that it failed for.
fn each(cx: &Context, repositories: &[String], what: &str, work: impl Fn(&str, &Repository) -> Result) -> Result {
    let mut failed = Vec::new();
    for typed in repositories {
        let done = match typed.parse::<Reference>() {
            Ok(reference) => work(typed, reference.repository()),
            Err(why) => Err(Error::from(why).into()),
        };
        if let Err(why) = done {
            cx.warn_of(&why);
            cx.warn("");
            failed.push(typed.as_str());
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!("{what}: {}", failed.join(", ")))),
    }
}

//! `trust key`: private keys in the user's directory, public ones for others.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use wharfie_engine::Error;
use wharfie_engine::trust::{KeyFile, Policy, PrivateKey, Rule, TrustError, check_name};

use super::passphrase::{self, Asked};
use crate::commands::Run;
use crate::context::{Context, reason};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Switch, Text};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

const DIR: Text = Text::new("dir", "Directory to generate key in, defaults to current directory");
const NAME: Text = Text::new("name", "Name for the loaded key").default("signer");

const FORCE: Switch = Switch::new("force", "Do not ask before a key is removed").short('f');

/// `PROG trust key`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Manage keys for signing Docker images",
    subcommands: &[
        Entry::new("generate", &GENERATE),
        Entry::new("load", &LOAD),
        Entry::new("ls", &LS),
        Entry::new("rm", &RM),
    ],
    ..Command::BASE
};

static GENERATE: Command<Run> = Command {
    about: "Generate and load a signing key-pair",
    usage: "NAME",
    arity: Arity::Exact(1),
    flags: &[DIR.flag()],
    examples: &[Example { text: "Make a key for alice; alice.pub is for others", command: "trust key generate alice" }],
    run: Some(generate),
    ..Command::BASE
};

static LOAD: Command<Run> = Command {
    about: "Load a private key file for signing",
    usage: "[OPTIONS] KEYFILE",
    arity: Arity::Exact(1),
    flags: &[NAME.flag()],
    examples: &[Example { text: "Take a key of cosign's", command: "trust key load --name alice cosign.key" }],
    complete: Complete::Files,
    run: Some(load),
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List the private keys that are here",
    examples: &[Example { text: "See which keys can sign here", command: "trust key ls" }],
    run: Some(ls),
    ..Command::BASE
};

static RM: Command<Run> = Command {
    about: "Remove private keys, by id or name",
    usage: "[OPTIONS] KEY [KEY...]",
    arity: Arity::AtLeast(1),
    flags: &[FORCE.flag()],
    examples: &[Example { text: "Remove alice's key; what she signed stays signed", command: "trust key rm alice" }],
    run: Some(rm),
    ..Command::BASE
};

fn ls(cx: &Context, _matches: &Matches) -> Result {
    let keys = cx.engine()?.trust_keys()?;
    // Keys are listed whatever the policy is.
    let policy = cx.engine()?.trust_policy().unwrap_or_else(|why| {
        cx.warn_of(&why.into());
        Policy::default()
    });
    let clean = |text: &str| sanitise(text, Layout::OneLine).into_owned();
    let row = |file: &KeyFile| {
        let signs = |rule: &Rule| {
            let mut keys = rule.signers.values().flatten().chain(&rule.repository);
            keys.any(|key| key.id() == file.id)
        };
        let signed: Vec<String> = policy.rules().filter(|(_, rule)| signs(rule)).map(|(name, _)| clean(name)).collect();
        [file.id.to_string(), clean(&file.role), signed.join(", ")]
    };
    let rows: Vec<[String; 3]> = keys.iter().map(row).collect();
    cx.print_table(&table::rows(["KEY ID", "NAME", "REPOSITORY"], &rows))
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    // Nothing goes before all of it is known to be there.
    let files = matches.args().iter().map(|word| engine.find_trust_key(word)).collect::<Result<Vec<_>, Error>>()?;
    for file in files {
        let name = sanitise(&file.role, Layout::OneLine);
        let question = format!(
            "WARNING! Nothing can be signed with the key {} ({name}) once it is gone, and it cannot be brought back. Are you \
             sure you want to continue?",
            file.id.short()
        );
        if matches.get(&FORCE) || cx.confirm(&question)? {
            engine.remove_trust_key(&file)?;
            cx.line(file.id.as_str())?;
        }
    }
    Ok(())
}

fn generate(cx: &Context, matches: &Matches) -> Result {
    let name = &matches.args()[0];
    check_name("key", name)?;
    let directory = PathBuf::from(matches.get(&DIR).unwrap_or("."));
    let path = std::path::absolute(directory.join(format!("{name}.pub"))).unwrap_or(directory);
    if path.exists() {
        return Err(Failure::new(format!("public key file already exists: \"{}\"", path.display())));
    }
    // Nobody wants a private key that nothing can be done with.
    let folder = path.parent().unwrap_or(&path);
    let is_open = std::fs::metadata(folder).and_then(|found| match found.is_dir() {
        true => Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    });
    is_open.map_err(|why| unwritten(&path, &why))?;
    cx.line(&format!("Generating key for {name}..."))?;
    let key = PrivateKey::generate().map_err(TrustError::from).map_err(Error::from)?;
    let asked = Asked { role: name, id: &key.public().id() };
    let passphrase = passphrase::new(cx, &asked)?;
    let engine = cx.engine()?;
    let file = engine.keep_trust_key(&key, name, &passphrase)?;
    write_new(&path, key.public().to_pem().as_bytes()).inspect_err(|_| {
        // What was written of it is no key, and the private one would have no public half.
        let _ = engine.remove_trust_key(&file);
    })?;
    cx.line(&format!(
        "Successfully generated and loaded private key. Corresponding public key available: {}",
        path.display()
    ))
}

fn load(cx: &Context, matches: &Matches) -> Result {
    let typed = &matches.args()[0];
    let name = matches.get(&NAME).unwrap_or_default();
    check_name("key", name)?;
    cx.line(&format!("Loading key from \"{typed}\"..."))?;
    let engine = cx.engine()?;
    let key = engine.trust_private_key(Path::new(typed), || {
        passphrase::of_file(cx, name, &format!("Enter passphrase for {typed}: "))
    });
    let key = key.map_err(|failure: Failure| {
        let text = format!("error importing key from {typed}: {}", failure.text);
        Failure { text, ..failure }
    })?;
    let id = key.public().id();
    if let Some(known) = engine.trust_keys()?.into_iter().find(|file| file.id == id && file.role != name) {
        let help = "load it with `--name` as it is called here, or remove it first with `wharfie trust key rm`";
        return Err(
            Failure::new(format!("the key is here already, and is called {}", known.role)).help(Some(help.to_owned()))
        );
    }
    let asked = Asked { role: name, id: &id };
    let passphrase = passphrase::new(cx, &asked)?;
    engine.keep_trust_key(&key, name, &passphrase)?;
    cx.line(&format!("Successfully imported key from {typed}"))
}

/// Writes a file that was not there.
fn write_new(path: &Path, bytes: &[u8]) -> Result {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path).map_err(|why| unwritten(path, &why))?;
    file.write_all(bytes).map_err(|why| {
        let _ = std::fs::remove_file(path);
        unwritten(path, &why)
    })
}

fn unwritten(path: &Path, why: &std::io::Error) -> Failure {
    Failure::new(format!("failed to write public key to {}: {}", path.display(), reason(why)))
}

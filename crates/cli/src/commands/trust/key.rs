//! `trust key`: private keys in the user's directory, public ones for others.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use wharfie_engine::Error;
use wharfie_engine::trust::{KeyFile, PrivateKey, TrustError, check_name};

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
    let row = |file: &KeyFile| [file.id.to_string(), sanitise(&file.role, Layout::OneLine).into_owned()];
    let rows: Vec<[String; 2]> = keys.iter().map(row).collect();
    cx.print_table(&table::rows(["KEY ID", "NAME"], &rows))
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
    cx.line(&format!("Generating key for {name}..."))?;
    let key = PrivateKey::generate().map_err(TrustError::from).map_err(Error::from)?;
    let asked = Asked { role: name, id: &key.public().id() };
    let passphrase = passphrase::new(cx, &asked)?;
    cx.engine()?.keep_trust_key(&key, name, &passphrase)?;
    write_new(&path, key.public().to_pem().as_bytes())?;
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
    let asked = Asked { role: name, id: &key.public().id() };
    let passphrase = passphrase::new(cx, &asked)?;
    engine.keep_trust_key(&key, name, &passphrase)?;
    cx.line(&format!("Successfully imported key from {typed}"))
}

/// Writes a file that was not there.
fn write_new(path: &Path, bytes: &[u8]) -> Result {
    let written = OpenOptions::new().create_new(true).write(true).open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|why| Failure::new(format!("failed to write public key to {}: {}", path.display(), reason(&why))))
}

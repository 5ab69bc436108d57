//! `trust key`: private keys in the user's directory, public ones for others.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use wharfie_engine::Error;
use wharfie_engine::trust::{PrivateKey, TrustError, check_name};

use super::passphrase::{self, Asked};
use crate::commands::Run;
use crate::context::{Context, reason};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Text};

const DIR: Text = Text::new("dir", "Directory to generate key in, defaults to current directory");
const NAME: Text = Text::new("name", "Name for the loaded key").default("signer");

/// `PROG trust key`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Manage keys for signing Docker images",
    subcommands: &[Entry::new("generate", &GENERATE), Entry::new("load", &LOAD)],
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

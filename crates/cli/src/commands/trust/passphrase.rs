//! Passphrases of keys: from the environment, else from whoever sits there.

use std::io::{self, Write};

use wharfie_engine::trust::KeyId;

use crate::commands::login::{line, without_echo};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};

/// The key that is asked for.
pub(super) struct Asked<'a> {
    /// What it is called.
    pub(super) role: &'a str,
    /// Its id.
    pub(super) id: &'a KeyId,
}

/// Docker's key of keys, which has a variable of its own.
const ROOT: &str = "root";
/// Docker shows so many digits of a key's id when it asks.
const DIGITS: usize = 7;

/// The passphrase that a key is hidden with.
pub(super) fn known(cx: &Context, asked: &Asked<'_>) -> Result<Vec<u8>> {
    match of_environment(asked.role) {
        Some(given) => Ok(given.into_bytes()),
        None => ask(cx, &format!("Enter passphrase for {}: ", named(asked))),
    }
}

/// Fails if nothing but a terminal could give the passphrase, and there is none. Who signs in a script should hear that before
/// anything is pushed.
pub(super) fn check(cx: &Context, role: &str) -> Result {
    if of_environment(role).is_some() || cx.is_in_terminal() {
        return Ok(());
    }
    Err(Failure::new(format!("no terminal to ask for the passphrase: set {}", variable(role))))
}

/// The passphrase of a file that somebody brings, whose key nobody knows yet.
pub(super) fn of_file(cx: &Context, role: &str, question: &str) -> Result<Vec<u8>> {
    of_environment(role).map_or_else(|| ask(cx, question), |given| Ok(given.into_bytes()))
}

/// A passphrase to hide a new key with.
pub(super) fn new(cx: &Context, asked: &Asked<'_>) -> Result<Vec<u8>> {
    if let Some(given) = of_environment(asked.role) {
        return Ok(given.into_bytes());
    }
    let first = ask(cx, &format!("Enter passphrase for new {}: ", named(asked)))?;
    let second = ask(cx, &format!("Repeat passphrase for new {}: ", named(asked)))?;
    if first != second {
        return Err(Failure::new("passphrases do not match"));
    }
    if first.is_empty() {
        return Err(Failure::new("the passphrase is empty").help(Some(VARIABLES.to_owned())));
    }
    Ok(first)
}

const VARIABLES: &str = "scripts set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE or COSIGN_PASSWORD";

fn named(asked: &Asked<'_>) -> String {
    format!("{} key with ID {}", asked.role, &asked.id.as_str()[..DIGITS])
}

fn variable(role: &str) -> &'static str {
    match role {
        ROOT => "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
        _ => "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
    }
}

fn of_environment(role: &str) -> Option<String> {
    // An empty one is one: cosign's keys may have it.
    env::nonempty(variable(role)).or_else(|| env::text("COSIGN_PASSWORD"))
}

/// Asks on stderr: what stdout is for is no question.
fn ask(cx: &Context, question: &str) -> Result<Vec<u8>> {
    let typed = without_echo(|| {
        let _ = write!(io::stderr().lock(), "{question}");
        line()
    });
    cx.warn("");
    Ok(typed?.into_bytes())
}

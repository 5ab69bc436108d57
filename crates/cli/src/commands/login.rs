//! `login`: proving who one is to a registry, and keeping that.

use std::io::{self, BufRead, Read};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use wharfie_engine::login::LoginError;
use wharfie_remote::{Credentials, Stored};

use crate::commands::Run;
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text};

const PASSWORD: Text = Text::new("password", "Password or Personal Access Token (PAT)").short('p');
const PASSWORD_STDIN: Switch =
    Switch::new("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin");
const USERNAME: Text = Text::new("username", "Username").short('u');

/// `PROG login`.
pub static COMMAND: Command<Run> = Command {
    about: "Authenticate to a registry",
    usage: "[OPTIONS] [SERVER]",
    arity: Arity::AtMost(1),
    flags: &[PASSWORD.flag(), PASSWORD_STDIN.flag(), USERNAME.flag()],
    examples: &[
        Example { text: "Log in to a registry, asked for the password", command: "login registry.example" },
        Example { text: "Log in from a script", command: "login -u ci --password-stdin registry.example < token" },
    ],
    run: Some(run),
    ..Command::BASE
};

/// Docker Hub's key, whose prompts begin with a hint.
const HUB: &str = "https://index.docker.io/v1/";

fn run(cx: &Context, matches: &Matches) -> Result {
    let server = matches.arg(0).unwrap_or_default();
    let key = wharfie_remote::registry_key(server);
    let username = matches.get(&USERNAME).map(str::to_owned);
    let mut password = matches.get(&PASSWORD).map(str::to_owned);
    check(matches)?;
    if matches.get(&PASSWORD_STDIN) || password.as_deref() == Some("-") {
        password = Some(from_stdin()?);
    } else if password.is_some() {
        cx.warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if cx.remote_keychain_is_overridden() {
        cx.warn("WARNING: DOCKER_AUTH_CONFIG is set and takes precedence over the credentials stored by login");
    }
    if username.is_none() && password.is_none() && existing(cx, server, &key)? {
        return Ok(());
    }
    let (username, password) = match (username, password) {
        (Some(username), Some(password)) => (username, password),
        (username, password) => prompts(cx, &key, username, password)?,
    };
    log_in(cx, server, &Credentials::password(&username, &password))
}

/// Combinations of flags that make no sense.
fn check(matches: &Matches) -> Result {
    let is_empty = |flag: &Text| matches.is_given(flag) && matches.get(flag).is_none_or(str::is_empty);
    if matches.get(&PASSWORD_STDIN) {
        if matches.is_given(&PASSWORD) {
            return Err(Failure::new("conflicting options: cannot specify both --password and --password-stdin"));
        }
        if !matches.is_given(&USERNAME) {
            return Err(Failure::new("the --password-stdin option requires --username to be set"));
        }
    }
    if is_empty(&USERNAME) {
        return Err(Failure::new("username is empty"));
    }
    if is_empty(&PASSWORD) {
        return Err(Failure::new("password is empty"));
    }
    Ok(())
}

/// All of stdin; one line ending is not part of the password.
fn from_stdin() -> Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|why| Failure::new(format!("cannot read the password: {why}")))?;
    let trimmed = text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r'])).unwrap_or(&text);
    if trimmed.is_empty() {
        return Err(Failure::new("password is empty"));
    }
    Ok(trimmed.to_owned())
}

/// Tries what is stored already; true if that was enough.
fn existing(cx: &Context, server: &str, key: &str) -> Result<bool> {
    let keychain = cx.engine()?.remote().keychain();
    let Some(credentials) = keychain.lookup(key).ok().flatten() else { return Ok(false) };
    let who = credentials.username().map(|name| format!(" [Username: {name}]")).unwrap_or_default();
    cx.warn(&format!("Authenticating with existing credentials...{who}\n"));
    cx.warn(&format!(
        " Info -> To login with a different account, run '{} logout' followed by '{} login'\n\n",
        cx.program, cx.program
    ));
    match cx.engine()?.remote().login(server, &credentials) {
        Ok(_) => {
            cx.line("Login Succeeded")?;
            Ok(true)
        }
        Err(why) => {
            cx.warn(&format!("Login did not succeed, error: {}", Failure::daemon(why).text));
            Ok(false)
        }
    }
}

fn prompts(cx: &Context, key: &str, username: Option<String>, password: Option<String>) -> Result<(String, String)> {
    if !cx.is_in_terminal() {
        return Err(Failure::new("Error: Cannot perform an interactive login from a non TTY device"));
    }
    if key == HUB {
        cx.line("Log in with your Docker ID or email address to push and pull images from Docker Hub. If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.")?;
        cx.line("You can log in with your password or a Personal Access Token (PAT). Using a limited-scope PAT grants better security and is required for organizations using SSO. Learn more at https://docs.docker.com/go/access-tokens/\n")?;
    }
    let username = match username {
        Some(username) => username,
        None => {
            let stored = cx.engine()?.remote().keychain().lookup(key).ok().flatten();
            let stored = stored.and_then(|found| found.username().map(str::to_owned));
            match &stored {
                Some(name) => cx.print(&format!("Username ({name}): "))?,
                None => cx.print("Username: ")?,
            }
            match (line()?.trim(), stored) {
                ("", Some(stored)) => stored,
                ("", None) => return Err(Failure::new("error: username is required")),
                (typed, _) => typed.to_owned(),
            }
        }
    };
    let password = match password {
        Some(password) => password,
        None => {
            // Whoever reads the question may type already.
            let typed = without_echo(|| {
                cx.print("Password: ")?;
                line()
            });
            cx.line("")?;
            typed?
        }
    };
    if password.is_empty() {
        return Err(Failure::new("error: password is required"));
    }
    Ok((username, password))
}

/// One line of stdin.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn line() -> Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).map_err(|why| Failure::new(format!("cannot read: {why}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads with the terminal's echo turned off, and turns it on again whatever happens.
pub(crate) fn without_echo(read: impl FnOnce() -> Result<String>) -> Result<String> {
    let stdin = io::stdin();
    let Ok(before) = tcgetattr(&stdin) else { return read() };
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let _ = tcsetattr(&stdin, OptionalActions::Now, &silent);
    let result = read();
    let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
    result
}

fn log_in(cx: &Context, server: &str, credentials: &Credentials) -> Result {
    let logged_in = cx.engine()?.login(server, credentials).map_err(|why| match why {
        LoginError::Refused(why) => Failure::daemon(compat::reasons(&why)),
        why @ LoginError::NotKept(_) => Failure::because("", &why),
    })?;
    match logged_in.stored {
        Stored::File(path) => cx.warn(&format!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
            path.display()
        )),
        Stored::Unchanged | Stored::Helper(_) => {}
    }
    cx.line("Login Succeeded")
}

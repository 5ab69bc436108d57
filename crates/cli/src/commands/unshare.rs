//! `unshare`: a program in the user namespace of an ordinary user's containers, and the hidden command that deletes there.

use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::commands::Run;
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs};

/// `PROG unshare`.
pub static COMMAND: Command<Run> = Command {
    about: "Run a program in the user namespace of an ordinary user's containers",
    usage: "[COMMAND] [ARG...]",
    arity: Arity::Any,
    interspersed: false,
    examples: &[
        Example { text: "Files as their owners in containers see them", command: "unshare ls -ln volumes" },
        Example {
            text: "Mount an image and look into it",
            command: "unshare sh -c 'wharfie image mount web:1 mnt && ls mnt'",
        },
    ],
    complete: Complete::Files,
    run: Some(unshare),
    needs: Needs::Namespace,
    ..Command::BASE
};

/// What deletes files of a container's other users.
pub static REMOVE: Command<Run> = Command {
    about: "Delete trees in the user namespace",
    usage: "DIR [DIR...]",
    arity: Arity::AtLeast(1),
    run: Some(remove),
    needs: Needs::Namespace,
    ..Command::BASE
};

fn unshare(_: &Context, matches: &Matches) -> Result {
    if env::is_root() {
        return Err(Failure::new("unshare is for ordinary users: root sees all files as they are"));
    }
    let shell = [env::nonempty("SHELL").unwrap_or_else(|| "/bin/sh".to_owned())];
    let words = if matches.args().is_empty() { &shell } else { matches.args() };
    let mut command = std::process::Command::new(&words[0]);
    // Programs of ours in there go on acting for the same user.
    command.args(&words[1..]).env(env::ROOTLESS_VARIABLE, "1");
    let why = command.exec();
    let code = if why.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    Err(Failure::with_code(format!("cannot run {}: {why}", words[0]), code))
}

fn remove(_: &Context, matches: &Matches) -> Result {
    let is_gone = |path: &String| wharfie_store::remove_own_tree(Path::new(path)).is_ok();
    if matches.args().iter().all(is_gone) { Ok(()) } else { Err(Failure::silent()) }
}

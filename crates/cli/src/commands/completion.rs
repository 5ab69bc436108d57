//! `completion`: scripts that let shells complete commands, flags and names of images.

use wharfie_engine::list::List;

use crate::commands::{ROOT, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{self, Arity, Command, Complete, Example, Matches, Shell};

/// `PROG completion`.
pub static COMMAND: Command<Run> = Command {
    about: "Print a shell's completion script",
    usage: "bash|zsh|fish",
    arity: Arity::Exact(1),
    examples: &[
        Example { text: "For this shell", command: "completion bash | source /dev/stdin" },
        Example { text: "For every fish", command: "completion fish > /etc/fish/completions/wharfie.fish" },
    ],
    complete: Complete::Words(&["bash", "zsh", "fish"]),
    run: Some(run),
    ..Command::BASE
};

/// What the scripts call back for.
pub static WORDS: Command<Run> = Command {
    about: "Print names that begin with a prefix",
    usage: "images [PREFIX]",
    arity: Arity::Range(1, 2),
    run: Some(words),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let name = &matches.args()[0];
    let Some(shell) = Shell::named(name) else {
        return Err(Failure::new(format!("unknown shell {name:?}: bash, zsh and fish are known")));
    };
    cx.print(&flags::completion(&ROOT, &cx.program, shell))
}

fn words(cx: &Context, matches: &Matches) -> Result {
    if matches.args()[0] != "images" {
        return Ok(());
    }
    let prefix = matches.arg(1).unwrap_or_default();
    let mut text = String::new();
    for listed in cx.engine()?.list(&List::default())? {
        for reference in listed.references.iter().filter(|reference| reference.tag().is_some()) {
            let name = reference.familiar();
            if name.starts_with(prefix) {
                text.push_str(&name);
                text.push('\n');
            }
        }
    }
    cx.print(&text)
}

//! `manpage`: manual pages, made from the command tree.

use crate::commands::{ROOT, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{self, Arity, Command, Example, Matches};

/// `PROG manpage`.
pub static COMMAND: Command<Run> = Command {
    about: "Print the manual page of a command",
    usage: "[COMMAND...]",
    arity: Arity::Any,
    examples: &[
        Example { text: "Read it", command: "manpage image ls | man -l -" },
        Example { text: "Install it", command: "manpage > /usr/share/man/man1/wharfie.1" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let words: Vec<&str> = matches.args().iter().map(String::as_str).collect();
    let page = flags::manpage(&ROOT, &cx.program, &words);
    cx.print(&page.ok_or_else(|| Failure::new(format!("unknown help topic: {}", words.join(" "))))?)
}

//! `tags`: what a repository has.

use wharfie_oci::Reference;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches};
use crate::render::sanitise::{Layout, sanitise};

/// `PROG tags`.
pub static COMMAND: Command<Run> = Command {
    about: "List the tags of a repository on its registry",
    usage: "REPOSITORY",
    arity: Arity::Exact(1),
    examples: &[
        Example { text: "Every tag", command: "tags registry.example/team/web" },
        Example { text: "The newest ten by version", command: "tags registry.example/team/web | sort -V | tail" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let reference: Reference = matches.args()[0].parse().map_err(wharfie_engine::Error::from)?;
    if !reference.is_name_only() {
        return Err(Failure::new(format!("{reference} is not a repository: leave out the tag or digest")));
    }
    let tags = cx.engine()?.tags(reference.repository())?;
    let lines: String = tags.iter().map(|tag| format!("{}\n", sanitise(tag, Layout::OneLine))).collect();
    cx.print(&lines)
}

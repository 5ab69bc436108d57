//! `completion`: scripts that let shells complete commands, flags and names of images.

use wharfie_engine::list::List;
use wharfie_oci::Reference;

use crate::commands::place::TRANSPORTS;
use crate::commands::{ROOT, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{self, Arity, Command, Complete, Example, Matches, Shell};

/// `PROG completion`.
pub static COMMAND: Command<Run> = Command {
    about: "Print a shell's completion script",
    usage: "bash|zsh|fish [NAME...]",
    arity: Arity::AtLeast(1),
    examples: &[
        Example { text: "For this shell", command: "completion bash | source /dev/stdin" },
        Example { text: "Also for the name docker", command: "completion bash docker" },
        Example { text: "For every fish", command: "completion fish > /etc/fish/completions/wharfie.fish" },
    ],
    complete: Complete::Words(&["bash", "zsh", "fish"]),
    run: Some(run),
    ..Command::BASE
};

/// What the scripts call back for.
pub static WORDS: Command<Run> = Command {
    about: "Print names that begin with a prefix",
    usage: "KIND [PREFIX]",
    arity: Arity::Range(1, 2),
    run: Some(words),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let name = &matches.args()[0];
    let Some(shell) = Shell::named(name) else {
        return Err(Failure::new(format!("unknown shell {name:?}: bash, zsh and fish are known")));
    };
    // They become words of a script.
    let is_name = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let (names, odd): (Vec<&String>, Vec<&String>) = matches.args()[1..].iter().partition(is_name);
    if let Some(odd) = odd.first() {
        return Err(Failure::new(format!("{odd:?} is no name of a program")));
    }
    let others: Vec<String> = names.into_iter().filter(|name| **name != cx.program).cloned().collect();
    cx.print(&flags::completion(&ROOT, &cx.program, &others, shell))
}

fn words(cx: &Context, matches: &Matches) -> Result {
    let prefix = matches.arg(1).unwrap_or_default();
    let names: Vec<String> = match matches.args()[0].as_str() {
        "images" => images(cx)?,
        "places" => places(cx)?,
        "containers" => containers(cx)?,
        "volumes" => volumes(cx)?,
        "networks" => networks(cx)?,
        "everything" => [images(cx)?, containers(cx)?, volumes(cx)?, networks(cx)?].concat(),
        _ => Vec::new(),
    };
    let fitting = names.iter().filter(|name| name.starts_with(prefix));
    cx.print(&fitting.flat_map(|name| [name, "\n"]).collect::<String>())
}

fn images(cx: &Context) -> Result<Vec<String>> {
    let listed = cx.engine()?.list(&List::default())?;
    let references = listed.iter().flat_map(|image| &image.references);
    Ok(references.filter(|reference| reference.tag().is_some()).map(Reference::familiar).collect())
}

/// What can be copied and looked into: images and containers, and the words for what no list has.
fn places(cx: &Context) -> Result<Vec<String>> {
    let mut all = images(cx)?;
    let stored = all.iter().map(|name| format!("store:{name}")).collect::<Vec<_>>();
    let containers = containers(cx)?.into_iter().map(|name| format!("container:{name}"));
    all.extend(TRANSPORTS.iter().map(|transport| (*transport).to_owned()));
    all.extend(stored.into_iter().chain(containers));
    Ok(all)
}

fn containers(cx: &Context) -> Result<Vec<String>> {
    Ok(cx.engine()?.containers()?.into_iter().map(|row| row.name.into()).collect())
}

/// Those that somebody named: nobody types the others.
fn volumes(cx: &Context) -> Result<Vec<String>> {
    let volumes = cx.engine()?.volumes()?.into_iter();
    Ok(volumes.filter(|volume| !volume.is_anonymous).map(|volume| volume.name.into()).collect())
}

fn networks(cx: &Context) -> Result<Vec<String>> {
    Ok(cx.engine()?.all_networks()?.into_iter().map(|network| network.name.into()).collect())
}

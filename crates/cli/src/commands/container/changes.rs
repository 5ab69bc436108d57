//! `diff`, `export`, `commit`.

use std::os::fd::AsFd;
use std::path::Path;

use wharfie_engine::container::changes::Commit;
use wharfie_engine::save::{Readers, check_output, create_aside};
use wharfie_layer::changes::Change;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs, Switch, Text, Texts};
use crate::render::sanitise::{Layout, sanitise};

const OUTPUT: Text = Text::new("output", "Write to a file, instead of STDOUT").short('o');
const AUTHOR: Text = Text::new("author", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")").short('a');
const CHANGE: Texts = Texts::new("change", "Apply Dockerfile instruction to the created image").short('c');
const MESSAGE: Text = Text::new("message", "Commit message").short('m');
const NO_PAUSE: Switch = Switch::new("no-pause", "Disable pausing container during commit");
const PAUSE: Switch = Switch::new("pause", "Pause container during commit").short('p').default("true");

/// `PROG diff`.
pub static DIFF: Command<Run> = Command {
    about: "Inspect changes to files or directories on a container's filesystem",
    usage: "CONTAINER",
    arity: Arity::Exact(1),
    examples: &[Example { text: "What a container has changed", command: "diff web" }],
    complete: Complete::Containers,
    run: Some(diff),
    needs: Needs::Namespace,
    ..Command::BASE
};

/// `PROG export`.
pub static EXPORT: Command<Run> = Command {
    about: "Export a container's filesystem as a tar archive",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exact(1),
    flags: &[OUTPUT.flag()],
    examples: &[Example { text: "A root file system as a tar", command: "export -o rootfs.tar web" }],
    complete: Complete::Containers,
    run: Some(export),
    needs: Needs::Namespace,
    ..Command::BASE
};

/// `PROG commit`.
pub static COMMIT: Command<Run> = Command {
    about: "Create a new image from a container's changes",
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    arity: Arity::Range(1, 2),
    flags: &[AUTHOR.flag(), CHANGE.flag(), MESSAGE.flag(), NO_PAUSE.flag(), PAUSE.flag()],
    interspersed: false,
    examples: &[Example {
        text: "Keep what a container has become",
        command: "commit -m 'after setup' web web:configured",
    }],
    complete: Complete::Containers,
    run: Some(commit),
    needs: Needs::Namespace,
    ..Command::BASE
};

fn diff(cx: &Context, matches: &Matches) -> Result {
    let mut text = String::new();
    for changed in cx.engine()?.changes(&matches.args()[0])? {
        let letter = match changed.change {
            Change::Added => 'A',
            Change::Changed => 'C',
            Change::Deleted => 'D',
        };
        let path = String::from_utf8_lossy(&changed.path).into_owned();
        text.push_str(&format!("{letter} {}\n", sanitise(&path, Layout::OneLine)));
    }
    cx.print(&text)
}

fn export(cx: &Context, matches: &Matches) -> Result {
    let name = &matches.args()[0];
    let Some(path) = matches.get(&OUTPUT).filter(|path| !path.is_empty()) else {
        if cx.is_out_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(|why| Failure::output(&why))?;
        let out = std::io::BufWriter::with_capacity(BUFFER, std::fs::File::from(stdout));
        return cx.engine()?.export(name, out).map_err(Failure::while_printing);
    };
    let path = Path::new(path);
    check_output(path).map_err(|why| match why {
        wharfie_engine::Error::Output(text) => Failure::new(format!("failed to export container: {text}")),
        why => why.into(),
    })?;
    cx.engine()?.container(name)?;
    let (file, aside) = create_aside(path, Readers::Owner)?;
    let exported = cx.engine()?.export(name, std::io::BufWriter::with_capacity(BUFFER, file)).map_err(Failure::from);
    let placed = exported.and_then(|()| {
        std::fs::rename(&aside, path).map_err(|why| Failure::new(format!("failed to export container: {why}")))
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    placed
}

/// 256 KiB.
const BUFFER: usize = 256 << 10;

fn commit(cx: &Context, matches: &Matches) -> Result {
    let commit = Commit {
        container: matches.args()[0].clone(),
        reference: matches.arg(1).map(str::to_owned),
        author: matches.get(&AUTHOR).map(str::to_owned),
        message: matches.get(&MESSAGE).map(str::to_owned),
        changes: matches.get(&CHANGE).to_vec(),
        pause: matches.get(&PAUSE) && !matches.get(&NO_PAUSE),
    };
    let id = cx.engine()?.commit(&commit)?;
    cx.line(id.as_str())
}

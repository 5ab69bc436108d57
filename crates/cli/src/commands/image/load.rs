//! `load`: images from an archive.

use std::io::Read;
use std::path::Path;

use wharfie_engine::load::{Load, Loaded};

use super::platforms;
use crate::commands::{PROGRESS, Run, choices, print_result, style};
use crate::context::{Context, open};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Example, Matches, Switch, Text, Texts};
use crate::render::progress::{Progress, Style};

const INPUT: Text = Text::new("input", "Read from tar archive file, instead of STDIN").short('i');
const PLATFORM: Texts = Texts::of_commas("platform", "Load only the given platform")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");
const QUIET: Switch = Switch::new("quiet", "Suppress the load output").short('q');

/// `PROG load`.
pub static COMMAND: Command<Run> = Command {
    about: "Load an image from a tar archive or STDIN",
    usage: "[OPTIONS]",
    flags: &[INPUT.flag(), PLATFORM.flag(), PROGRESS.flag(), QUIET.flag()],
    examples: &[
        Example { text: "Load every image of an archive, compressed or not", command: "load -i images.tar.zst" },
        Example { text: "Load from a pipe", command: "load < images.tar" },
        Example { text: "Load the OCI image layout in a directory", command: "load -i layout/" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let load = Load { platforms: platforms(matches.get(&PLATFORM))?, is_whole: false };
    let style = style(matches, cx.is_out_terminal(), matches.get(&QUIET))?;
    let input = matches.get(&INPUT).filter(|path| !path.is_empty());
    if let Some(path) = input.map(Path::new).filter(|path| path.is_dir()) {
        let progress = cx.interruptible_progress(style);
        return tell(cx, &*progress, style, cx.engine()?.load_layout(&load, path, &*progress)?);
    }
    let mut source: Box<dyn Read + Send> = match input {
        Some(path) => Box::new(open(Path::new(path))?),
        None if cx.is_in_terminal() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        None => Box::new(std::io::stdin()),
    };
    let progress = cx.interruptible_progress(style);
    tell(cx, &*progress, style, cx.engine()?.load(&load, &mut source, &*progress)?)
}

/// Says what was loaded.
fn tell(cx: &Context, progress: &dyn Progress, style: Style, loaded: Vec<Loaded>) -> Result {
    for image in loaded {
        for reference in &image.references {
            print_result(cx, progress, style, &format!("Loaded image: {}", reference.familiar()))?;
        }
        if image.references.is_empty() {
            print_result(cx, progress, style, &format!("Loaded image ID: {}", image.id))?;
        }
    }
    Ok(())
}

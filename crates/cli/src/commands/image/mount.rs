//! `image mount` and `image unmount`: looking into an image without a container.

use std::path::Path;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches};

/// `PROG image mount`.
pub static MOUNT: Command<Run> = Command {
    about: "Mount an image's root file system read-only on a directory, or list what is mounted",
    usage: "[IMAGE DIR]",
    arity: Arity::Any,
    examples: &[
        Example { text: "Look into an image", command: "image mount web:1 /mnt" },
        Example { text: "List what is mounted", command: "image mount" },
    ],
    complete: Complete::Images,
    run: Some(mount),
    ..Command::BASE
};

/// `PROG image unmount`.
pub static UNMOUNT: Command<Run> = Command {
    about: "Unmount images",
    usage: "DIR [DIR...]",
    arity: Arity::AtLeast(1),
    examples: &[Example { text: "Give the directory back", command: "image unmount /mnt" }],
    complete: Complete::Files,
    run: Some(unmount),
    ..Command::BASE
};

fn mount(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    match matches.args() {
        [] => {
            let mut text = String::from("IMAGE ID\tDIRECTORY\n");
            for mount in engine.mounts()? {
                text.push_str(&format!("{}\t{}\n", mount.image.short(), mount.target.display()));
            }
            cx.print(&crate::render::table::align(&text))
        }
        [image, directory] => {
            engine.mount(image, Path::new(directory))?;
            Ok(())
        }
        _ => Err(crate::failure::Failure::new(format!(
            "{}: '{}' requires no or 2 arguments\n\nUsage:  {} [IMAGE DIR]\n\nRun '{} --help' for more information",
            cx.program, cx.path, cx.path, cx.path
        ))),
    }
}

fn unmount(cx: &Context, matches: &Matches) -> Result {
    for directory in matches.args() {
        cx.engine()?.unmount(Path::new(directory))?;
    }
    Ok(())
}

//! `import`: a root file system's tar becomes an image.

use std::io::Read;
use std::path::Path;

use wharfie_engine::import::Import;

use crate::commands::{PROGRESS, Run, style};
use crate::context::{Context, open};
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG import`.
pub static COMMAND: Command<Run> = Command {
    about: "Import the contents from a tarball to create a filesystem image",
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::list("change", "Apply Dockerfile instruction to the created image").short('c'),
        Flag::str("message", "Set commit message for imported image").short('m'),
        Flag::str("platform", "Set platform if server is multi-platform capable"),
        PROGRESS,
    ],
    examples: &[
        Example { text: "Import a root file system", command: "import rootfs.tar.gz base:1" },
        Example { text: "Import from a pipe and say what runs", command: "import -c 'CMD [\"/bin/sh\"]' - base:1" },
    ],
    complete: Complete::Files,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let from = matches.args()[0].clone();
    let is_url = from.starts_with("http://") || from.starts_with("https://");
    let import = Import {
        from: if is_url { from.clone() } else { "-".to_owned() },
        reference: matches.arg(1).map(str::to_owned),
        changes: matches.values("change").to_vec(),
        message: matches.is_set("message").then(|| matches.value("message").unwrap_or_default().to_owned()),
        platform: cx.platform(matches)?,
    };
    let engine = cx.engine()?;
    engine.import_target(&import)?;
    let progress = cx.progress(style(cx, matches, false)?);
    let mut source: Box<dyn Read + Send> = match from.as_str() {
        "-" => Box::new(std::io::stdin()),
        url if is_url => {
            progress.line(&format!("Downloading from {url}"));
            cx.download(url)?
        }
        path => Box::new(open(Path::new(path))?),
    };
    let id = engine.import(&import, &mut source, &*progress);
    cx.line(id?.as_str())
}

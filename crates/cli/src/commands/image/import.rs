//! `import`: a root file system's tar becomes an image.

use std::fs::Metadata;
use std::io::Read;
use std::path::Path;

use wharfie_engine::import::Import;

use crate::commands::{PROGRESS, Run, choices, print_result, style};
use crate::context::{Context, open};
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Text, Texts};

const CHANGE: Texts = Texts::new("change", "Apply Dockerfile instruction to the created image").short('c');
const MESSAGE: Text = Text::new("message", "Set commit message for imported image").short('m');
const PLATFORM: Text =
    Text::new("platform", "Set platform if server is multi-platform capable").complete(choices::PLATFORMS);

/// `PROG import`.
pub static COMMAND: Command<Run> = Command {
    about: "Import the contents from a tarball to create a filesystem image",
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    arity: Arity::AtLeast(1),
    flags: &[CHANGE.flag(), MESSAGE.flag(), PLATFORM.flag(), PROGRESS.flag()],
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
    let mut import = Import {
        from: from.clone(),
        size: None,
        reference: matches.arg(1).map(str::to_owned),
        changes: matches.get(&CHANGE).to_vec(),
        message: matches.is_given(&MESSAGE).then(|| matches.get(&MESSAGE).unwrap_or_default().to_owned()),
        platform: cx.platform(matches.get(&PLATFORM))?,
    };
    let engine = cx.engine()?;
    engine.import_target(&import)?;
    let style = style(matches, cx.is_out_terminal(), false)?;
    let progress = cx.interruptible_progress(style);
    let mut source: Box<dyn Read + Send> = match from.as_str() {
        "-" => Box::new(std::io::stdin()),
        url if import.is_from_url() => {
            progress.line(&format!("Downloading from {url}"));
            let download = cx.download(url)?;
            import.size = download.size;
            download.reader
        }
        path => {
            let file = open(Path::new(path))?;
            import.size = file.metadata().ok().filter(Metadata::is_file).map(|found| found.len());
            Box::new(file)
        }
    };
    let id = engine.import(&import, &mut source, &*progress);
    print_result(cx, &*progress, style, id?.as_str())
}

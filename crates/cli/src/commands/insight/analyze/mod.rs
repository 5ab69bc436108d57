//! `analyze`: what the layers of an image cost, and what could be saved; of two, how they differ. Takes dive's flags and files.

mod difference;
mod explorer;
mod report;
mod rules;

use std::io::Write;
use std::path::Path;

use wharfie_engine::insight::analyze::Analyzed;
use wharfie_engine::insight::{Beside, Look, Target};
use wharfie_scan::analysis;

use super::{ARGUMENTS, IMAGE, OUTPUT, PLATFORM, target};
use crate::commands::{PROGRESS, Run, style};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};
use crate::render::pieces::Piece;
use crate::render::sanitise::{Layout, sanitise};

const FORMATS: &[&str] = &["table", "json"];
const SOURCES: &[&str] = &["docker", "docker-archive"];

const CI: Switch =
    Switch::new("ci", "Hold the image against rules, and fail if it breaks one (same as env var CI=true)");
const CI_CONFIG: Text = Text::new("ci-config", "File with the rules, as dive reads it").default(".dive-ci");
const FORMAT: Text = Text::new("format", "Form of the output: \"table\", \"json\" (dive's keys and more)")
    .complete(Complete::Words(FORMATS))
    .default("table");
const IGNORE_ERRORS: Switch = Switch::new("ignore-errors", "Do not warn of what cannot be read").short('i');
const JSON: Text =
    Text::new("json", "Write the analysis as JSON to a file, and nothing else").short('j').value_name("FILE");
const LOWEST_EFFICIENCY: Text =
    Text::new("lowestEfficiency", "The least share of bytes that are needed, 0 to 1 (with --ci, 0.9 if not given)");
const HIGHEST_WASTED_BYTES: Text =
    Text::new("highestWastedBytes", "The most bytes that may be wasted, as \"20MB\" (with --ci, any if not given)");
const HIGHEST_USER_WASTED_PERCENT: Text = Text::new(
    "highestUserWastedPercent",
    "The largest share of what layers add to the lowest that may be wasted, 0 to 1 (with --ci, 0.1 if not given)",
);
const SOURCE: Text =
    Text::new("source", "Where the image is: \"docker\" (here, else its registry), \"docker-archive\"")
        .complete(Complete::Words(SOURCES))
        .default("docker");

/// `PROG analyze`.
pub static COMMAND: Command<Run> = Command {
    about: "Show what the layers of an image cost, and what could be saved",
    usage: "[OPTIONS] [TRANSPORT:]IMAGE|PATH|- [[TRANSPORT:]IMAGE|PATH|-]",
    arity: Arity::Range(1, 2),
    arguments: ARGUMENTS,
    flags: &[
        CI.flag(),
        CI_CONFIG.flag(),
        FORMAT.flag(),
        HIGHEST_USER_WASTED_PERCENT.flag(),
        HIGHEST_WASTED_BYTES.flag(),
        IGNORE_ERRORS.flag(),
        IMAGE.flag(),
        JSON.flag(),
        LOWEST_EFFICIENCY.flag(),
        OUTPUT.flag(),
        PLATFORM.flag(),
        PROGRESS.flag(),
        SOURCE.flag(),
    ],
    examples: &[
        Example { text: "Look around in layers and files, as with dive", command: "analyze web:1" },
        Example { text: "Read what could be saved", command: "analyze --format table web:1" },
        Example {
            text: "Let a pipeline fail if too much is wasted",
            command: "analyze --ci --lowestEfficiency 0.95 web:1",
        },
        Example { text: "See what a new version changes", command: "analyze web:1 web:2" },
        Example { text: "Analyze an archive without loading it", command: "analyze --format json ./web.tar" },
    ],
    complete: Complete::Places,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).unwrap_or_default();
    if !FORMATS.contains(&format) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(format!("invalid format {format:?}")).help(Some(format!("the formats are {known}"))));
    }
    if let [before, after] = matches.args() {
        return compare(cx, matches, [before, after], format);
    }
    // Who asks for a document gets it, and rules only if they are asked for, too.
    let wants_document = format == "json" || matches.get(&JSON).is_some();
    let is_pipeline =
        env::text("CI").is_some_and(|value| matches!(value.as_str(), "true" | "1" | "yes" | "TRUE" | "True"));
    let rules = match matches.get(&CI) || (is_pipeline && !wants_document) {
        true => Some(rules::read(
            &rules_file(matches),
            [
                ("lowestEfficiency", matches.get(&LOWEST_EFFICIENCY)),
                ("highestWastedBytes", matches.get(&HIGHEST_WASTED_BYTES)),
                ("highestUserWastedPercent", matches.get(&HIGHEST_USER_WASTED_PERCENT)),
            ],
        )?),
        false => None,
    };
    let analyzed = analyzed(cx, matches)?;
    warn(cx, matches, &analyzed.analysis.warnings);
    if let Some(path) = matches.get(&JSON) {
        written(Path::new(path), &mut |out| document(&analyzed, out))?;
    }
    let verdict = rules.map(|rules| rules.judge(&analyzed.analysis));
    let pieces = match (&verdict, format) {
        (_, "json") => {
            match matches.get(&OUTPUT) {
                Some(path) => written(Path::new(path), &mut |out| document(&analyzed, out))?,
                None if cx.is_out_terminal() => {
                    let mut text = Vec::new();
                    document(&analyzed, &mut text).map_err(|why| Failure::output(&why))?;
                    cx.print(&String::from_utf8_lossy(&text))?;
                }
                None => cx.stream(&mut |out| document(&analyzed, out))?,
            }
            if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.passes) {
                cx.warn(verdict.text.trim_end());
            }
            None
        }
        (Some(verdict), _) => Some(vec![Piece::Text(report::rules(&analyzed.analysis, verdict))]),
        (None, _) if matches.get(&JSON).is_some() => None,
        (None, _) if is_explored(cx, matches) => {
            explorer::explore(cx, &analyzed.analysis)?;
            None
        }
        (None, _) => Some(report::pieces(&analyzed)),
    };
    if let Some(pieces) = pieces {
        super::deliver_pieces(cx, matches, &pieces)?;
    }
    match verdict {
        Some(verdict) if !verdict.passes => Err(Failure::silent()),
        _ => Ok(()),
    }
}

fn rules_file(matches: &Matches) -> rules::Place<'_> {
    let path = Path::new(matches.get(&CI_CONFIG).unwrap_or_default());
    if matches.is_given(&CI_CONFIG) { rules::Place::Named(path) } else { rules::Place::Usual(path) }
}

/// Somebody sits before it, and did not ask for a text.
fn is_explored(cx: &Context, matches: &Matches) -> bool {
    let asks = matches.is_given(&FORMAT) || matches.get(&OUTPUT).is_some();
    !asks && cx.is_out_terminal() && cx.is_in_terminal() && matches.args()[0] != "-"
}

/// What the command's word names, taken apart.
fn analyzed(cx: &Context, matches: &Matches) -> Result<Analyzed> {
    let look = look(cx, matches, &matches.args()[0])?;
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), false)?);
    let progress = crate::interrupt::Interruptible::new(progress);
    Ok(cx.engine()?.analyze(&look, &mut std::io::stdin(), &progress)?)
}

fn look(cx: &Context, matches: &Matches, word: &str) -> Result<Look> {
    let source = matches.get(&SOURCE).unwrap_or_default();
    let word = match source {
        "docker" => word.to_owned(),
        "docker-archive" => format!("docker-archive://{word}"),
        _ => {
            let known = SOURCES.join(", ");
            let failure = Failure::new(format!("cannot read images from {source:?}"));
            return Err(failure.help(Some(format!("the sources are {known}; paths and other words need none"))));
        }
    };
    let platform = cx.platform(matches.get(&PLATFORM))?;
    let (target, image) = target(matches, &word)?;
    Ok(Look { target, platform, beside: Beside::Ignored, image })
}

/// `PROG analyze A B`.
fn compare(cx: &Context, matches: &Matches, words: [&String; 2], format: &str) -> Result {
    if matches.get(&CI) || matches.get(&JSON).is_some() {
        let help = "name one image; of two, `--format json` and `--output FILE` give a document".to_owned();
        return Err(Failure::new("--ci and --json are about one image").help(Some(help)));
    }
    if matches.get(&IMAGE).is_some() {
        let help = "`wharfie load` takes all of an archive in; then compare by names".to_owned();
        return Err(Failure::new("--image is about one archive").help(Some(help)));
    }
    let [before, after] = [look(cx, matches, words[0])?, look(cx, matches, words[1])?];
    if [&before, &after].iter().all(|look| matches!(look.target, Target::Stream)) {
        return Err(Failure::new("only one of two images can be on standard input"));
    }
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), false)?);
    let progress = crate::interrupt::Interruptible::new(progress);
    let compared = cx.engine()?.compare([&before, &after], &mut std::io::stdin(), &progress)?;
    warn(cx, matches, &compared.warnings);
    let text = match format {
        "json" => serde_json::to_string_pretty(&compared).map_err(wharfie_engine::Error::Document)? + "\n",
        _ => return super::deliver_pieces(cx, matches, &difference::pieces(&compared)),
    };
    super::deliver(cx, matches, &text)
}

fn warn(cx: &Context, matches: &Matches, warnings: &[String]) {
    if !matches.get(&IGNORE_ERRORS) {
        for warning in warnings {
            cx.warn(&format!("WARNING: {}", sanitise(warning, Layout::OneLine)));
        }
    }
}

/// 20 rows of a table: JSON has all.
const MAX_ROWS: usize = 20;

/// Says that there is more than is shown.
fn more(count: usize, what: &str) -> String {
    match count.checked_sub(MAX_ROWS) {
        None | Some(0) => String::new(),
        Some(more) => format!("and {more} {what} more: `--format json` has all\n"),
    }
}

/// Writes the whole document.
fn document(analyzed: &Analyzed, out: &mut dyn Write) -> std::io::Result<()> {
    let id = analyzed.id.as_ref().map(|id| id.as_str());
    let mut out = std::io::BufWriter::with_capacity(BUFFER, out);
    analysis::write(&analyzed.analysis, &analyzed.name, id, &mut out)?;
    out.flush()
}

/// 64 KiB, written at once.
const BUFFER: usize = 64 << 10;

/// Makes a file that appears when it is whole.
fn written(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>) -> Result {
    let failed = |why: std::io::Error| Failure::new(format!("cannot write {}: {why}", path.display()));
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        // A device or a link is written to as it is: nothing may take its place.
        return std::fs::File::create(path).and_then(|mut file| write(&mut file)).map_err(failed);
    }
    let (mut file, aside) = wharfie_engine::save::create_aside(path, wharfie_engine::save::Readers::Anyone)?;
    let done = write(&mut file).and_then(|()| std::fs::rename(&aside, path));
    done.map_err(|why| {
        let _ = std::fs::remove_file(&aside);
        failed(why)
    })
}

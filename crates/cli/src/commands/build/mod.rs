//! `build`: a Dockerfile and a context become an image.

mod attest;
mod cache;
mod failure;
mod fields;
mod flags;
mod output;
mod request;
mod source;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use wharfie_engine::build::output::Output;
use wharfie_engine::build::{Build, Built, Call, HistoryStyle};
use wharfie_engine::trust::Demand;
use wharfie_oci::Reference;
use wharfie_oci::json::indented;

use self::failure::Remembering;
pub(crate) use self::flags::builder;
pub(crate) use self::source::{Source, find};
use super::Run;
use super::trust::sign::{check_passphrases, sign_pushed};
use crate::context::{Context, reason};
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs};
use crate::interrupt::Interruptible;
use crate::render::progress::build::Style;

/// `PROG build`.
pub static COMMAND: Command<Run> = Command {
    about: "Build an image from a Dockerfile",
    usage: "[OPTIONS] PATH | URL | -",
    arity: Arity::Exact(1),
    flags: flags::ALL,
    examples: &[
        Example { text: "Build what is here", command: "build -t web:1 ." },
        Example { text: "Say why each step that is done was not there already", command: "build --explain -t web:1 ." },
        Example { text: "One stage, with an argument", command: "build --target test --build-arg VERSION=2 ." },
        Example { text: "Only the files, into a directory", command: "build -o out ." },
        Example {
            text: "For two platforms, and to the registry",
            command: "build --platform linux/amd64,linux/arm64 --push -t registry.example/web:1 .",
        },
    ],
    complete: Complete::Files,
    needs: Needs::Namespace,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let source = find(cx, &matches.args()[0], matches.get(&flags::FILE))?;
    let (build, style) = prepare(cx, matches, source)?;
    perform(cx, matches, &build, style)?;
    Ok(())
}

/// What the words of the command line ask for, and how it is shown.
pub(crate) fn prepare(cx: &Context, matches: &Matches, source: Source) -> Result<(Build, Style)> {
    for flag in matches.unsupported() {
        cx.warn(&format!("WARNING: --{flag} is not supported, and ignored"));
    }
    let mut style = style(cx, matches)?;
    let mut build = request::build(cx, matches, source)?;
    if is_classic(style, matches) {
        // Its lines tell of one step after the other.
        build.jobs = 1;
        build.measures_context = true;
        build.history = HistoryStyle::Classic;
    }
    if build.shell_on_error.is_some() && style == Style::Tree {
        // A tree that is drawn anew leaves no room for a shell.
        style = Style::Plain;
    }
    Ok((build, style))
}

/// Builds and tells of it, or answers the question that is asked instead; then there is nothing built.
pub(crate) fn perform(cx: &Context, matches: &Matches, build: &Build, style: Style) -> Result<Option<Built>> {
    if let Some(call) = call(matches)? {
        return ask(cx, build, &call, style).map(|()| None);
    }
    let is_classic = is_classic(style, matches);
    if let Some(path) = matches.get(&flags::IIDFILE) {
        // An old id is not to be taken for the one of a build that failed.
        let _ = std::fs::remove_file(path);
    }
    let kept = Kept::default();
    let shown = match is_classic && style == Style::Quiet {
        true => cx.build_progress_to(Style::Classic, Box::new(kept.clone())),
        false => cx.build_progress(style),
    };
    let progress = Remembering::new(Box::new(Interruptible::new(shown)));
    if cx.demand() == Demand::Always {
        pushed(build).try_for_each(|name| check_passphrases(cx, name.repository()))?;
    }
    let built = cx.engine()?.build(build, &progress);
    let built = built.map_err(|why| match is_classic {
        true => failure::classic(why, &build.dockerfile_name),
        false => failure::failure(why, &progress),
    });
    // The last lines of progress stand above all that follows.
    drop(progress);
    let kept = kept.text();
    if built.is_err() && !kept.is_empty() {
        cx.warn(kept.trim_end_matches('\n'));
    }
    let built = built?;
    if cx.demand() == Demand::Always
        && let Some(digest) = &built.digest
    {
        for name in pushed(build) {
            sign_pushed(cx, name, digest, &|line| {
                cx.warn(line);
                Ok(())
            })?;
        }
    }
    end(cx, matches, build, &built, style)?;
    Ok(Some(built))
}

/// The names that a build pushes.
fn pushed(build: &Build) -> impl Iterator<Item = &Reference> {
    let names = build.outputs.iter().filter_map(|output| match output {
        Output::Image { names, push: true } => Some(names),
        _ => None,
    });
    names.flatten()
}

/// What the classic builder keeps to itself when it is to be quiet, and tells if it fails.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is asked instead of building.
struct Question {
    call: Call,
    is_json: bool,
    ignores_status: bool,
}

fn call(matches: &Matches) -> Result<Option<Question>> {
    let text = match matches.get(&flags::CHECK) {
        true => "check",
        false => matches.get(&flags::CALL).unwrap_or_default(),
    };
    let bad = |what: &str| Failure::new(format!("ERROR: invalid value {what:?} of --call {text:?}"));
    let mut question = Question { call: Call::Check, is_json: false, ignores_status: false };
    for (key, value) in fields::fields(text) {
        match (key.as_str(), value.as_deref()) {
            ("build" | "", None) => return Ok(None),
            ("check" | "lint", None) => question.call = Call::Check,
            ("outline", None) => question.call = Call::Outline,
            ("targets", None) => question.call = Call::Targets,
            ("format", Some("json")) => question.is_json = true,
            ("format", Some("text" | "default")) => question.is_json = false,
            ("ignorestatus", Some("true" | "1")) => question.ignores_status = true,
            ("ignorestatus", Some("false" | "0")) => question.ignores_status = false,
            (key, _) => return Err(bad(key)),
        }
    }
    Ok(Some(question))
}

fn ask(cx: &Context, build: &Build, question: &Question, style: Style) -> Result {
    let progress = Remembering::new(Box::new(Interruptible::new(cx.build_progress(style))));
    let answer = cx.engine()?.call(build, question.call, question.is_json, &progress);
    let answer = answer.map_err(|why| failure::failure(why, &progress))?;
    drop(progress);
    cx.print(&answer.text)?;
    match answer.error {
        Some(error) => Err(Failure::new(format!("ERROR: {error}"))),
        None if answer.code != 0 && !question.ignores_status => Err(Failure::silent().code(answer.code)),
        None => Ok(()),
    }
}

/// Whether failures are told as the builder before BuildKit told them.
fn is_classic(style: Style, matches: &Matches) -> bool {
    style == Style::Classic || (matches.get(&flags::QUIET) && env::text("DOCKER_BUILDKIT").as_deref() == Some("0"))
}

/// How it is shown.
fn style(cx: &Context, matches: &Matches) -> Result<Style> {
    if matches.get(&flags::QUIET) {
        return Ok(Style::Quiet);
    }
    match matches.get(&flags::PROGRESS).unwrap_or_default() {
        "auto" | "" => match env::nonempty("BUILDKIT_PROGRESS") {
            _ if env::text("DOCKER_BUILDKIT").as_deref() == Some("0") => Ok(Style::Classic),
            Some(named) if named != "auto" => named_style(&named),
            _ if cx.is_err_terminal() => Ok(Style::Tree),
            _ => Ok(Style::Plain),
        },
        named => named_style(named),
    }
}

fn named_style(name: &str) -> Result<Style> {
    match name {
        "plain" => Ok(Style::Plain),
        "tty" => Ok(Style::Tree),
        "quiet" | "none" => Ok(Style::Quiet),
        "rawjson" => Ok(Style::RawJson),
        "json" => Ok(Style::Json),
        other => Err(Failure::new(format!("ERROR: invalid progress mode {other}"))),
    }
}

/// What is told at the end, and to whom.
fn end(cx: &Context, matches: &Matches, build: &Build, built: &Built, style: Style) -> Result {
    let id = match built.images.as_slice() {
        [only] => only.id.to_string(),
        // Several images have one name only as an index.
        _ => built.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    if let Some(path) = matches.get(&flags::IIDFILE) {
        write(path, &id)?;
    }
    if let Some(path) = matches.get(&flags::METADATA_FILE) {
        write(path, &indented(&metadata(build, built).to_string(), "  "))?;
    }
    if !matches!(style, Style::Quiet | Style::RawJson | Style::Json) {
        if !built.unused_args.is_empty() {
            let text = format!("[Warning] One or more build-args {} were not consumed", go_list(&built.unused_args));
            if style == Style::Classic { cx.line(&text)? } else { cx.warn(&text) }
        }
        if let Some(text) = warnings(built, matches.get(&flags::DEBUG))
            && style != Style::Classic
        {
            cx.warn(&text);
        }
    }
    match style {
        Style::Quiet if matches.get(&flags::QUIET) => cx.line(&id),
        Style::Classic => {
            if let [only] = built.images.as_slice() {
                cx.line(&format!("Successfully built {}", only.id.digest().short()))?;
            }
            for name in names(build) {
                cx.line(&format!("Successfully tagged {}", name.familiar()))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn names(build: &Build) -> impl Iterator<Item = &Reference> {
    build.outputs.iter().flat_map(|output| match output {
        Output::Image { names, .. } | Output::Archive { names, .. } | Output::Layout { names, .. } => names.as_slice(),
        Output::Tar(_) | Output::Directory(_) => &[],
    })
}

/// What buildx's `--metadata-file` has.
pub(crate) fn metadata(build: &Build, built: &Built) -> serde_json::Value {
    let mut fields = serde_json::Map::new();
    fields.insert("buildx.build.ref".to_owned(), json!(format!("default/default/{}", built.build)));
    if let [only] = built.images.as_slice() {
        fields.insert("containerimage.config.digest".to_owned(), json!(only.id.to_string()));
    }
    if let Some(digest) = &built.digest {
        fields.insert("containerimage.digest".to_owned(), json!(digest.to_string()));
    }
    let names: Vec<String> = names(build).map(Reference::canonical).collect();
    if !names.is_empty() {
        fields.insert("image.name".to_owned(), json!(names.join(",")));
    }
    serde_json::Value::Object(fields)
}

/// Writes a file that was asked for besides.
pub(crate) fn write(path: &str, text: &str) -> Result {
    std::fs::write(path, text).map_err(|why| Failure::new(format!("ERROR: open {path}: {}", reason(&why))))
}

/// Docker's checks, as buildx lists them after a build; `None` if they found nothing.
fn warnings(built: &Built, is_whole: bool) -> Option<String> {
    let count = built.warnings.len();
    if count == 0 {
        return None;
    }
    let (s, hint) = (if count == 1 { "" } else { "s" }, if is_whole { "" } else { " (use docker --debug to expand)" });
    let mut text = format!("\n {count} warning{s} found{hint}:\n");
    for warning in &built.warnings {
        text.push_str(&format!(" - {}\n", warning.short()));
        if is_whole {
            let more = warning.rule.url().map(|url| format!("More info: {url}\n")).unwrap_or_default();
            text.push_str(&format!("{}\n{more}\n", warning.rule.description()));
        }
    }
    Some(text)
}

/// A list as Go prints it.
fn go_list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

//! `scan db`: the advisories that images are held against.

use wharfie_engine::insight::advisories::Imported;

use super::scan::{DB, base};
use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Text};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

const FROM: Text = Text::new("from", "Where the zips are: URL/<ecosystem>/all.zip").value_name("URL");

/// `PROG scan db`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Manage the data base of advisories",
    subcommands: &[Entry::new("import", &IMPORT), Entry::new("status", &STATUS), Entry::new("update", &UPDATE)],
    ..Command::BASE
};

static IMPORT: Command<Run> = Command {
    about: "Take advisories from OSV's zips, directories of them, or single records",
    usage: "PATH [PATH...]",
    arity: Arity::AtLeast(1),
    examples: &[Example { text: "Take all ecosystems of a directory", command: "scan db import ./osv" }],
    complete: Complete::Files,
    run: Some(import),
    ..Command::BASE
};

static STATUS: Command<Run> = Command {
    about: "Show what advisories there are, and how old they are",
    usage: "[OPTIONS]",
    flags: &[DB.flag()],
    examples: &[Example { text: "See how old the advisories are", command: "scan db status" }],
    run: Some(status),
    ..Command::BASE
};

static UPDATE: Command<Run> = Command {
    about: "Fetch OSV's zips and import them",
    usage: "[OPTIONS] [ECOSYSTEM...]",
    arity: Arity::Any,
    flags: &[FROM.flag()],
    examples: &[Example {
        text: "Fetch what Debian and Python need",
        command: "scan db update --from https://osv-vulnerabilities.storage.googleapis.com Debian PyPI",
    }],
    run: Some(update),
    ..Command::BASE
};

fn import(cx: &Context, matches: &Matches) -> Result {
    let paths: Vec<_> = matches.args().iter().map(Into::into).collect();
    told(cx, &cx.engine()?.import_advisories(&paths)?)
}

fn update(cx: &Context, matches: &Matches) -> Result {
    let Some(from) = matches.get(&FROM) else {
        return Err(Failure::new("say where to fetch advisories from: nothing is fetched unasked")
            .help(Some("OSV's own are at `--from https://osv-vulnerabilities.storage.googleapis.com`".to_owned())));
    };
    told(cx, &cx.engine()?.update_advisories(from, matches.args())?)
}

fn told(cx: &Context, imported: &Imported) -> Result {
    for warning in &imported.warnings {
        cx.warn(&format!("WARNING: {warning}"));
    }
    let count: u64 = imported.meta.ecosystems.values().map(|meta| meta.advisories).sum();
    cx.line(&format!("{count} advisories of {} ecosystems", imported.meta.ecosystems.len()))
}

fn status(cx: &Context, matches: &Matches) -> Result {
    let known = cx.engine()?.advisories_meta(&base(matches))?;
    let rows: Vec<[String; 3]> = known
        .meta
        .ecosystems
        .iter()
        .map(|(name, meta)| {
            let cells = [name.clone(), meta.advisories.to_string(), meta.newest.clone()];
            cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned())
        })
        .collect();
    cx.print_table(&table::rows(["ECOSYSTEM", "ADVISORIES", "NEWEST"], &rows))
}

//! `scan db`: the advisories that images are held against.

use wharfie_engine::insight::advisories::Imported;
use wharfie_oci::Reference;
use wharfie_scan::advisory::is_extra;

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
    subcommands: &[
        Entry::new("import", &IMPORT),
        Entry::new("pull", &PULL),
        Entry::new("push", &PUSH),
        Entry::new("status", &STATUS),
        Entry::new("update", &UPDATE),
    ],
    ..Command::BASE
};

static IMPORT: Command<Run> = Command {
    about: "Take advisories from files: OSV's zips or records, lists of Debian, Alpine, CISA and EPSS",
    usage: "PATH [PATH...]",
    arity: Arity::AtLeast(1),
    examples: &[
        Example { text: "Take all ecosystems of a directory", command: "scan db import ./osv" },
        Example {
            text: "Know which vulnerabilities are exploited, and how probable it is of the others",
            command: "scan db import known_exploited_vulnerabilities.json epss_scores-current.csv.gz",
        },
    ],
    complete: Complete::Files,
    run: Some(import),
    ..Command::BASE
};

static PUSH: Command<Run> = Command {
    about: "Send the data base to a registry, from where others pull it",
    usage: "[OPTIONS] NAME[:TAG]",
    arity: Arity::Exact(1),
    flags: &[DB.flag()],
    examples: &[Example {
        text: "Let machines without a network of their own have it from a registry that they reach",
        command: "scan db push registry.example/advisories",
    }],
    run: Some(push),
    ..Command::BASE
};

static PULL: Command<Run> = Command {
    about: "Take the data base from a registry, instead of the one that is here",
    usage: "NAME[:TAG|@DIGEST]",
    arity: Arity::Exact(1),
    examples: &[Example { text: "Take it from a registry", command: "scan db pull registry.example/advisories" }],
    run: Some(pull),
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

fn push(cx: &Context, matches: &Matches) -> Result {
    let digest = cx.engine()?.push_advisories(&base(matches), &reference(&matches.args()[0])?)?;
    cx.line(digest.as_str())
}

fn pull(cx: &Context, matches: &Matches) -> Result {
    told(cx, &cx.engine()?.pull_advisories(&reference(&matches.args()[0])?)?)
}

fn reference(name: &str) -> Result<Reference> {
    Ok(name.parse().map_err(wharfie_engine::Error::BadName)?)
}

fn told(cx: &Context, imported: &Imported) -> Result {
    for warning in &imported.warnings {
        cx.warn(&format!("WARNING: {}", sanitise(warning, Layout::OneLine)));
    }
    let (extras, ecosystems): (Vec<_>, Vec<_>) = imported.meta.ecosystems.iter().partition(|(name, _)| is_extra(name));
    let count: u64 = ecosystems.iter().map(|(_, meta)| meta.advisories).sum();
    let mut text = format!("{count} advisories of {} ecosystems", ecosystems.len());
    for (name, meta) in extras {
        text += &format!(", {} CVEs of {name}", meta.advisories);
    }
    cx.line(&text)
}

fn status(cx: &Context, matches: &Matches) -> Result {
    let known = cx.engine()?.advisories_meta(&base(matches))?;
    let rows: Vec<[String; 3]> = known
        .meta
        .ecosystems
        .iter()
        .map(|(name, meta)| {
            let (moment, is_import) = meta.moment();
            let moment = if is_import { format!("{moment} (imported)") } else { moment.to_owned() };
            let cells = [name.clone(), meta.advisories.to_string(), moment];
            cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned())
        })
        .collect();
    cx.print_table(&table::rows(["ECOSYSTEM", "ADVISORIES", "NEWEST"], &rows))
}

//! `images`: listing.

use std::borrow::Cow;
use std::collections::HashMap;

use wharfie_engine::filter::{Command as FilterCommand, Filters};
use wharfie_engine::list::List;
use wharfie_model::NEVER;
use wharfie_model::image::ImageSummary;
use wharfie_oci::Timestamp;

use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Conditions, Example, Matches, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::value::{Field, Value};
use crate::render::{age, size, table, time};

const ALL: Switch = Switch::new("all", "Show all images (default hides intermediate images)").short('a');
const DIGESTS: Switch = Switch::new("digests", "Show digests");
const FILTER: Conditions = Conditions::new("filter", "Filter output based on conditions provided")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const NO_TRUNC: Switch = Switch::new("no-trunc", "Don't truncate output");
const QUIET: Switch = Switch::new("quiet", "Only show image IDs").short('q');
const TREE: Switch = Switch::new("tree", "List multi-platform images as a tree");

/// `PROG image ls` and `PROG images`.
pub static COMMAND: Command<Run> = Command {
    about: "List images",
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    arity: Arity::AtMost(1),
    flags: &[ALL.flag(), DIGESTS.flag(), FILTER.flag(), FORMAT.flag(), NO_TRUNC.flag(), QUIET.flag(), TREE.flag()],
    examples: &[
        Example { text: "Ids only, for scripts", command: "images -q" },
        Example { text: "One repository", command: "images alpine" },
        Example { text: "What has no name", command: "images --filter dangling=true" },
        Example {
            text: "Columns of your own",
            command: "images --format 'table {{.Repository}}:{{.Tag}}\\t{{.Size}}'",
        },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

/// Words that are commands below `image` and are typed after `images` by mistake.
const MISTAKEN: &[&str] =
    &["build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push", "rm", "save", "tag"];

pub(crate) const NONE: &str = "<none>";

fn run(cx: &Context, matches: &Matches) -> Result {
    let is_empty = list(cx, matches)?;
    if let [word] = matches.args()
        && is_empty
        && cx.path.ends_with(" images")
        && MISTAKEN.contains(&word.as_str())
    {
        cx.warn(&format!("\nNo images found matching \"{word}\": did you mean \"{} image {word}\"?", cx.program));
    }
    Ok(())
}

/// Prints the list. True if there is nothing in it.
fn list(cx: &Context, matches: &Matches) -> Result<bool> {
    let quiet = matches.get(&QUIET);
    if matches.get(&TREE) {
        for (flag, is_given) in
            [("quiet", quiet), ("no-trunc", matches.get(&NO_TRUNC)), ("format", matches.is_given(&FORMAT))]
        {
            if is_given {
                return Err(Failure::new(format!("--{flag} is not yet supported with --tree")));
            }
        }
    }
    let mut pairs = matches.get(&FILTER);
    if let Some(pattern) = matches.arg(0) {
        pairs.push(("reference".to_owned(), pattern.to_owned()));
    }
    let filters = Filters::parse(FilterCommand::List, &pairs, &|text| cx.parse_moment(text))?;
    let list = List { all: matches.get(&ALL), filters, ..List::default() };
    if matches.get(&TREE) {
        // The hint is the list's.
        return cx.print(&super::tree::text(cx, &cx.engine()?.list(&list)?)?).map(|()| false);
    }
    let listed = cx.engine()?.list_images(&list)?;
    let spec = match matches.get(&FORMAT) {
        Some(format) => Some(format.to_owned()),
        None if quiet => None,
        None => cx.docker_setting("imagesFormat"),
    };
    let mut format = ListFormat::parse(spec.as_deref().unwrap_or_default());
    let digests = matches.get(&DIGESTS) || format.source().contains("{{.Digest}}");
    let rows = rows(&listed, digests);
    let is_full = matches.get(&NO_TRUNC);
    let id = |row: &Row<'_>| shown_id(&row.image.id, is_full).to_owned();

    let text = if format.kind() == ListKind::Default && quiet {
        rows.iter().map(|row| id(row) + "\n").collect()
    } else if format.kind() == ListKind::Default {
        default_table(cx, &rows, matches.get(&DIGESTS), is_full)
    } else if format.kind() == ListKind::Raw {
        rows.iter().map(|row| raw(cx, row, digests, quiet, &id)).collect()
    } else {
        if matches.get(&DIGESTS) {
            format.add_column("{{.Digest}}");
        }
        let values: Vec<Value> = rows.iter().map(|row| value(cx, row, id(row))).collect();
        render_rows(&format, &values, TITLES).map_err(template_failure)?
    };
    match format.kind() {
        ListKind::Default if !is_full => cx.print_table(&text)?,
        _ => cx.print(&text)?,
    }
    Ok(rows.is_empty())
}

/// Titles of the columns, by field.
pub(crate) const TITLES: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// One line: an image under one of its names.
pub(crate) struct Row<'a> {
    pub(crate) image: &'a ImageSummary,
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
    pub(crate) digest: &'a str,
}

/// One row for each tag, or each tag and digest of a repository; digests alone show if the repository has no tag.
pub(crate) fn rows(listed: &[ImageSummary], digests: bool) -> Vec<Row<'_>> {
    let mut rows = Vec::with_capacity(listed.len());
    for image in listed {
        let mut add = |repository, tag, digest| rows.push(Row { image, repository, tag, digest });
        match (image.repo_tags.as_slice(), image.repo_digests.as_slice()) {
            ([], []) => add(NONE, NONE, NONE),
            ([only], []) if let Some((repository, tag)) = only.rsplit_once(':') => add(repository, tag, NONE),
            _ => {
                for (repository, (tags, known)) in by_repository(image) {
                    let known = if digests && !known.is_empty() { known } else { vec![NONE] };
                    for tag in if tags.is_empty() { vec![NONE] } else { tags } {
                        for digest in &known {
                            add(repository, tag, digest);
                        }
                    }
                }
            }
        }
    }
    rows
}

/// Tags and digests.
type Suffixes<'a> = (Vec<&'a str>, Vec<&'a str>);

/// Repositories in the order in which they are met: those with tags first.
fn by_repository(image: &ImageSummary) -> Vec<(&str, Suffixes<'_>)> {
    let mut found: Vec<(&str, Suffixes<'_>)> = Vec::new();
    let mut places = HashMap::new();
    let mut place = |repository| {
        *places.entry(repository).or_insert_with(|| {
            found.push((repository, Suffixes::default()));
            found.len() - 1
        })
    };
    let tags = image.repo_tags.iter().filter_map(|name| name.rsplit_once(':'));
    let tags: Vec<_> = tags.map(|(repository, tag)| (place(repository), tag)).collect();
    let digests = image.repo_digests.iter().filter_map(|name| name.split_once('@'));
    let digests: Vec<_> = digests.map(|(repository, digest)| (place(repository), digest)).collect();
    tags.into_iter().for_each(|(place, tag)| found[place].1.0.push(tag));
    digests.into_iter().for_each(|(place, digest)| found[place].1.1.push(digest));
    found
}

/// How long ago an image was made; empty if it does not say.
pub(crate) fn created_since(cx: &Context, image: &ImageSummary) -> String {
    match image.created {
        NEVER => String::new(),
        seconds => age::ago(Timestamp { seconds, nanos: 0 }.into(), cx.jiff_now()),
    }
}

/// When an image was made, in the user's zone.
pub(crate) fn created_at(cx: &Context, image: &ImageSummary) -> String {
    time::local(Timestamp { seconds: image.created, nanos: 0 }.into(), cx.zone())
}

/// An id; the first twelve digits unless it `is_full`.
pub(crate) fn shown_id(id: &str, is_full: bool) -> &str {
    if is_full { id } else { id.strip_prefix("sha256:").and_then(|hex| hex.get(..12)).unwrap_or(id) }
}

fn default_table(cx: &Context, rows: &[Row<'_>], digests: bool, is_full: bool) -> String {
    let since = |row: &Row<'_>| match created_since(cx, row.image) {
        text if text.is_empty() => Cow::Borrowed("N/A"),
        text => text.into(),
    };
    let size = |row: &Row<'_>| Cow::Owned(size::short(row.image.size));
    let borrowed = |text| Cow::Borrowed(text);
    if digests {
        let cells = rows.iter().map(|row| {
            let names = [row.repository, row.tag, row.digest, shown_id(&row.image.id, is_full)].map(borrowed);
            let [repository, tag, digest, id] = names;
            [repository, tag, digest, id, since(row), size(row)]
        });
        return table::rows(["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"], &cells.collect::<Vec<_>>());
    }
    let cells = rows.iter().map(|row| {
        let [repository, tag, id] = [row.repository, row.tag, shown_id(&row.image.id, is_full)].map(borrowed);
        [repository, tag, id, since(row), size(row)]
    });
    table::rows(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], &cells.collect::<Vec<_>>())
}

fn raw(cx: &Context, row: &Row<'_>, digests: bool, quiet: bool, id: &dyn Fn(&Row<'_>) -> String) -> String {
    if quiet {
        return format!("image_id: {}\n", id(row));
    }
    let digest = if digests { format!("digest: {}\n", row.digest) } else { String::new() };
    format!(
        "repository: {}\ntag: {}\n{digest}image_id: {}\ncreated_at: {}\nvirtual_size: {}\n\n",
        row.repository,
        row.tag,
        id(row),
        created_at(cx, row.image),
        size::short(row.image.size)
    )
}

fn value(cx: &Context, row: &Row<'_>, id: String) -> Value {
    Value::row(
        "*formatter.imageContext",
        vec![
            Field::new("ID", id),
            Field::new("Repository", row.repository),
            Field::new("Tag", row.tag),
            Field::new("Digest", row.digest),
            Field::new("CreatedSince", created_since(cx, row.image)),
            Field::new("CreatedAt", created_at(cx, row.image)),
            Field::new("Size", size::short(row.image.size)),
            Field::new("VirtualSize", size::long(row.image.size)),
            Field::new("Containers", "N/A"),
            Field::new("SharedSize", "N/A"),
            Field::new("UniqueSize", "N/A"),
        ],
    )
}

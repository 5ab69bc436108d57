//! `tags`: what a repository has on its registry, and removing from there.

use wharfie_engine::tags::{RemoteTag, Wanted, by_version};
use wharfie_oci::{Digest, Reference, Repository};

use crate::commands::{DRY_RUN, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Conditions, Example, Matches, Number, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::value::{Field, Value};
use crate::render::{age, size, time};

const ALL: Switch = Switch::new("all", "Show the tags of signatures, attestations and SBOMs as well").short('a');
const DELETE: Switch = Switch::new("delete", "Remove the tags that the filters choose from the registry");
const FILTER: Conditions = Conditions::new(
    "filter",
    "Filter by tag=PATTERN, platform=OS/ARCH, since=TIME or until=TIME (when the image was made)",
)
.complete(Complete::Nothing)
.short('f')
.value_name("filter");
/// `-f` is the filter here.
const FORCE: Switch = Switch::new("force", "Do not prompt for confirmation");
const FORMAT: Text =
    Text::new("format", "Show the tags with a Go template, as \"table\" or as \"json\"").complete(choices::FORMATS);
const LIMIT: Number = Number::new("limit", "Show so many at most");
const LONG: Switch = Switch::new("long", "Show digests, platforms, dates and sizes").short('l');
const REVERSE: Switch = Switch::new("reverse", "Turn the order round").short('r');
const SORT: Text = Text::new("sort", "Order by name, version, created or size; else as the registry has them")
    .value_name("name|version|created|size");

/// `PROG tags`.
pub static COMMAND: Command<Run> = Command {
    about: "List the tags of a repository on its registry or a registry's repositories, or remove some tags",
    usage: "[OPTIONS] REPOSITORY|REGISTRY/",
    arity: Arity::Exact(1),
    flags: &[
        ALL.flag(),
        DELETE.flag(),
        DRY_RUN.flag(),
        FILTER.flag(),
        FORCE.flag(),
        FORMAT.flag(),
        LIMIT.flag(),
        LONG.flag(),
        REVERSE.flag(),
        SORT.flag(),
    ],
    examples: &[
        Example { text: "Every tag", command: "tags registry.example/team/web" },
        Example {
            text: "The newest ten by version",
            command: "tags --sort version -r --limit 10 registry.example/team/web",
        },
        Example { text: "The repositories of a registry", command: "tags registry.example/" },
        Example { text: "What they stand for", command: "tags -l --filter 'tag=1.*' registry.example/team/web" },
        Example {
            text: "Remove old builds, after a look",
            command: "tags --delete --dry-run --filter 'tag=pr-*' --filter until=720h registry.example/team/web",
        },
    ],
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("Platforms", "PLATFORMS"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
    ("MediaType", "MEDIA TYPE"),
];
const TABLE: &str = "{{.Tag}}\t{{.Digest}}\t{{.Platforms}}\t{{.CreatedSince}}\t{{.Size}}";

fn run(cx: &Context, matches: &Matches) -> Result {
    let name = matches.args()[0].as_str();
    let name = name.strip_prefix("docker://").unwrap_or(name);
    if let Some(host) = registry(name) {
        return repositories(cx, matches, host);
    }
    let reference: Reference = name.parse().map_err(wharfie_engine::Error::from)?;
    if !reference.is_name_only() {
        return Err(Failure::new(format!("{reference} is not a repository: leave out the tag or digest")));
    }
    let repository = reference.repository();
    let wanted = Wanted::parse(&matches.get(&FILTER), &|text| cx.parse_moment(text))?;
    let is_delete = matches.get(&DELETE);
    if is_delete && wanted.is_everything() {
        let help = "say which, as in `--filter 'tag=pr-*'`; `--filter 'tag=*'` is every one".to_owned();
        return Err(Failure::new("--delete removes what a filter chooses, and there is none").help(Some(help)));
    }
    if !is_delete && (matches.get(&DRY_RUN) || matches.get(&FORCE)) {
        return Err(Failure::new("--dry-run and --force are for --delete"));
    }
    let format = matches.get(&FORMAT).unwrap_or_default();
    let sort = Sort::parse(matches.get(&SORT))?;
    let is_long = matches.get(&LONG) || !format.is_empty();
    // What is removed by a pattern is everything that fits.
    let takes_companions = matches.get(&ALL) || is_delete || wanted.is_about_names();
    let is_wanted = |tag: &String| wanted.takes_name(tag) && (takes_companions || Digest::about(tag).is_none());
    let names: Vec<String> = cx.engine()?.tags(repository)?.into_iter().filter(is_wanted).collect();
    let tags = match is_long || wanted.is_about_images() || sort.is_about_images() {
        true => {
            let described = cx.engine()?.describe_tags(repository, &names)?;
            described.into_iter().filter(|tag| wanted.takes(tag)).map(Tag::Described).collect()
        }
        false => names.into_iter().map(Tag::Named).collect(),
    };
    let tags = sort.order(tags, matches.get(&REVERSE), matches.get(&LIMIT));
    if is_delete {
        return delete(cx, matches, repository, &tags);
    }
    if !is_long {
        let lines = tags.iter().map(|tag| format!("{}\n", sanitise(tag.name(), Layout::OneLine)));
        return cx.print(&lines.collect::<String>());
    }
    let format = ListFormat::parse(format).or(TABLE, TABLE);
    let rows: Vec<Value> = tags.iter().filter_map(Tag::described).map(|tag| row(cx, tag)).collect();
    let text = render_rows(&format, &rows, TITLES).map_err(template_failure)?;
    match format.kind() {
        ListKind::Default => cx.print_table(&text),
        _ => cx.print(&text),
    }
}

/// The registry that a word names, if it names one and no repository: `HOST/`, or a host that cannot be anything else.
fn registry(word: &str) -> Option<&str> {
    let host = word.strip_suffix('/').unwrap_or(word);
    let named = format!("{host}/x").parse::<Reference>().ok()?;
    let is_host = !host.contains('/') && named.repository().host() == host;
    let bare = host.split(':').next().unwrap_or_default();
    let is_whole = word.ends_with('/') || bare == "localhost" || bare.contains('.') || host.starts_with('[');
    (is_host && is_whole).then_some(host)
}

/// Lists what a registry has, in names that can be used.
fn repositories(cx: &Context, matches: &Matches, host: &str) -> Result {
    if let Some(flag) = matches.given().find(|flag| !matches!(*flag, "limit" | "reverse" | "sort")) {
        return Err(Failure::new(format!("--{flag} is about tags: name a repository, as in {host}/NAME")));
    }
    let sort = Sort::parse(matches.get(&SORT))?;
    if sort.is_about_images() {
        return Err(Failure::new("repositories are sorted by name"));
    }
    let found = cx.engine()?.repositories(host)?.into_iter().map(Tag::Named).collect();
    let found = sort.order(found, matches.get(&REVERSE), matches.get(&LIMIT));
    let lines = found.iter().map(|path| format!("{host}/{}\n", sanitise(path.name(), Layout::OneLine)));
    cx.print(&lines.collect::<String>())
}

/// A tag, as far as it had to be looked into.
enum Tag {
    Named(String),
    Described(RemoteTag),
}

impl Tag {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Described(tag) => &tag.tag,
        }
    }

    fn described(&self) -> Option<&RemoteTag> {
        match self {
            Self::Named(_) => None,
            Self::Described(tag) => Some(tag),
        }
    }
}

/// In which order.
#[derive(Clone, Copy)]
enum Sort {
    Registry,
    Name,
    Version,
    Created,
    Size,
}

impl Sort {
    fn parse(text: Option<&str>) -> Result<Self> {
        Ok(match text {
            None | Some("") => Self::Registry,
            Some("name") => Self::Name,
            Some("version") => Self::Version,
            Some("created" | "date") => Self::Created,
            Some("size") => Self::Size,
            Some(other) => {
                let text = format!("cannot sort by {other:?}: there are name, version, created and size");
                return Err(Failure::new(text));
            }
        })
    }

    fn is_about_images(self) -> bool {
        matches!(self, Self::Created | Self::Size)
    }

    fn order(self, mut tags: Vec<Tag>, is_reverse: bool, limit: i64) -> Vec<Tag> {
        match self {
            Self::Registry => {}
            Self::Name => tags.sort_by(|a, b| a.name().cmp(b.name())),
            Self::Version => tags.sort_by(|a, b| by_version(a.name(), b.name())),
            Self::Created => tags.sort_by_key(|tag| tag.described().and_then(|tag| tag.created)),
            Self::Size => tags.sort_by_key(|tag| tag.described().map(|tag| tag.size)),
        }
        if is_reverse {
            tags.reverse();
        }
        if let Ok(limit @ 1..) = usize::try_from(limit) {
            tags.truncate(limit);
        }
        tags
    }
}

fn row(cx: &Context, tag: &RemoteTag) -> Value {
    let at = tag.created.map_or_else(String::new, |created| time::local(created.into(), cx.zone()));
    let since = tag.created.map_or_else(|| "N/A".to_owned(), |created| age::ago(created.into(), cx.jiff_now()));
    Value::row(
        "*formatter.tagContext",
        vec![
            Field::new("CreatedAt", at),
            Field::new("CreatedSince", since),
            Field::new("Digest", tag.digest.as_str()),
            Field::new("MediaType", sanitise(tag.media_type.as_str(), Layout::OneLine).into_owned()),
            Field::new("Platforms", sanitise(&tag.platforms.join(","), Layout::OneLine).into_owned()),
            Field::new("Size", size::short(tag.size)),
            Field::new("Tag", sanitise(&tag.tag, Layout::OneLine).into_owned()),
        ],
    )
}

fn delete(cx: &Context, matches: &Matches, repository: &Repository, tags: &[Tag]) -> Result {
    if tags.is_empty() {
        return Ok(());
    }
    let question = format!(
        "WARNING! This will remove {} tags of {} from its registry. Nothing brings them back.\n\
         Are you sure you want to continue?",
        tags.len(),
        repository.familiar()
    );
    if !cx.may_remove(matches, &question)? {
        return Ok(());
    }
    let mut errors = Vec::new();
    for tag in tags {
        let reference = Reference::tagged(repository.clone(), tag.name()).map_err(wharfie_engine::Error::from)?;
        if !matches.get(&DRY_RUN)
            && let Err(why) = cx.engine()?.remove_from_registry(&reference)
        {
            errors.push(why.into());
            continue;
        }
        cx.line(&format!("Untagged: {}", reference.familiar()))?;
    }
    cx.end_dry_run(matches);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::all(errors)),
    }
}

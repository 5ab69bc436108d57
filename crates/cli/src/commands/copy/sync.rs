//! `copy --sync`: a mirror of what patterns name.

use std::io::Read;
use std::path::Path;

use wharfie_engine::copy::{Copy, Pattern, Place};
use wharfie_oci::Reference;

use super::{ALL_TAGS, DRY_RUN, FROM_FILE, QUIET, SCOPED, about, place, print, request};
use crate::commands::style;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::interrupt::Interruptible;
use crate::render::sanitise::{Layout, sanitise};

/// Copies all that the sources mean, each after the other; what fails does not keep the rest.
pub(super) fn run(cx: &Context, matches: &Matches) -> Result {
    if matches.get(&ALL_TAGS) {
        return Err(Failure::new("--sync copies all tags that the pattern means: leave out --all-tags/-a"));
    }
    let (to, sources) = matches.args().split_last().ok_or_else(|| Failure::new("name the destination"))?;
    let mut sources = sources.to_vec();
    if let Some(path) = matches.get(&FROM_FILE) {
        sources.extend(listed(Path::new(path))?);
    }
    if sources.is_empty() {
        return Err(Failure::new("name what is to be mirrored, as in registry.example/team/web:1.*"));
    }
    let to = Destination::parse(to, matches.get(&SCOPED))?;
    let base = request(matches)?;
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), matches.get(&QUIET))?);
    let progress = Interruptible::new(progress);
    let mut errors: Vec<Failure> = Vec::new();
    let (mut news, mut old) = (0, 0);
    for source in &sources {
        let bad = |why: wharfie_engine::Error| about(source, why);
        let pattern = Pattern::parse(source.strip_prefix("docker://").unwrap_or(source)).map_err(bad)?;
        let found = match cx.engine()?.matching(&pattern) {
            Ok(found) => found,
            Err(why) => {
                errors.push(bad(why));
                continue;
            }
        };
        for name in &found.odd {
            let text =
                format!("{}: its tag is none, and has no name to be mirrored under", sanitise(name, Layout::OneLine));
            errors.push(Failure::new(text));
        }
        if found.images.is_empty() && found.odd.is_empty() {
            // A pattern that is mistyped would mirror nothing for ever, and nobody would know.
            errors.push(Failure::new(format!("nothing is called {}", sanitise(source, Layout::OneLine))).help(Some(
                "`*` is anything within one component of a name: `team/*` and `*/*` are repositories of two".to_owned(),
            )));
        }
        for from in found.images {
            let to = to.of(&from)?;
            if matches.get(&DRY_RUN) {
                cx.line(&format!("{} -> {}", from.familiar(), shown(&to)))?;
                continue;
            }
            let name = from.familiar();
            let copy = Copy { from: Place::Registry(from), to, ..base.clone() };
            match cx.engine()?.copy(&copy, &progress) {
                Ok(copies) => {
                    let (was, is): (Vec<_>, Vec<_>) = copies.copied.into_iter().partition(|copied| copied.is_old);
                    old += was.len();
                    news += is.len();
                    print(cx, &is, &copy.to)?;
                }
                Err(wharfie_engine::Error::Cancelled) => return Err(wharfie_engine::Error::Cancelled.into()),
                Err(why) => errors.push(about(&name, why)),
            }
        }
    }
    if matches.get(&DRY_RUN) {
        cx.warn("This was a dry run: nothing was copied.");
    } else if !matches.get(&QUIET) {
        cx.warn(&format!("{news} copied, {old} unchanged, {} failed", errors.len()));
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::all(errors)),
    }
}

/// The lines of a list, without comments.
fn listed(path: &Path) -> Result<Vec<String>> {
    let failed = |why: std::io::Error| Failure::new(format!("cannot read {}: {why}", path.display()));
    let mut text = String::new();
    std::fs::File::open(path).map_err(failed)?.take(MAX_LIST).read_to_string(&mut text).map_err(failed)?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// 4 MiB of patterns.
const MAX_LIST: u64 = 4 << 20;

/// Where a mirror is.
struct Destination {
    place: Where,
    is_scoped: bool,
}

enum Where {
    /// `HOST[/PATH]`.
    Registry(String),
    /// A directory.
    Layout(std::path::PathBuf),
}

impl Destination {
    fn parse(word: &str, is_scoped: bool) -> Result<Self> {
        let bare = word.strip_prefix("docker://").unwrap_or(word).trim_end_matches('/');
        // A host alone is no reference, but where it says so it is a registry.
        let is_registry = |word: &str| {
            format!("{word}/x").parse::<Reference>().is_ok_and(|found| found.repository().host() == first(word))
        };
        let place = match place::parse(word, |path| path.is_dir()) {
            Ok(Place::Layout { path, name: None }) => Where::Layout(path),
            Ok(Place::Registry(_)) | Err(_) if is_registry(bare) => Where::Registry(bare.to_owned()),
            _ => {
                return Err(Failure::new(format!("cannot mirror to {word}")).help(Some(
                    "the destination is a registry, as HOST[/PATH], or a layout, as oci:DIRECTORY".to_owned(),
                )));
            }
        };
        Ok(Self { place, is_scoped })
    }

    /// Where `from` goes.
    fn of(&self, from: &Reference) -> Result<Place> {
        let (repository, tag) = (from.repository(), from.tag().unwrap_or_default());
        let scope = match self.is_scoped {
            true => format!("{}/", repository.host().replace(':', "-")),
            false => String::new(),
        };
        match &self.place {
            Where::Registry(start) => {
                let name = format!("{start}/{scope}{}:{tag}", repository.path());
                Ok(Place::Registry(name.parse().map_err(wharfie_engine::Error::from)?))
            }
            Where::Layout(path) => Ok(Place::Layout { path: path.clone(), name: Some(from.canonical()) }),
        }
    }
}

fn first(word: &str) -> &str {
    word.split('/').next().unwrap_or_default()
}

fn shown(to: &Place) -> String {
    match to {
        Place::Registry(to) => to.familiar(),
        Place::Layout { path, name } => format!("oci:{}:{}", path.display(), name.clone().unwrap_or_default()),
        Place::Store(_) | Place::Archive { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_keep_the_names() {
        let from: Reference = "r.example:5000/team/web:1".parse().unwrap();
        let check = |word: &str, is_scoped, expected: &str| {
            let to = Destination::parse(word, is_scoped).unwrap().of(&from).unwrap();
            assert_eq!(shown(&to), expected, "{word}");
        };
        check("m.example", false, "m.example/team/web:1");
        check("docker://m.example/x/", false, "m.example/x/team/web:1");
        check("localhost:5000", true, "localhost:5000/r.example-5000/team/web:1");
        check("oci:dir", false, "oci:dir:r.example:5000/team/web:1");
        for word in ["team", "store:x", "archive:x.tar"] {
            assert!(Destination::parse(word, false).is_err(), "{word}");
        }
    }
}

//! What to do about bytes that need not be there: which instruction made them, and what it should say instead.

use std::collections::BTreeMap;

use serde::Serialize;

use super::hidden::{Hidden, How};
use super::items::Item;
use super::names::Names;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// What it is about, one word for programs.
    pub kind: &'static str,
    /// What can be saved.
    pub size_bytes: u64,
    /// Of how many files.
    pub files: u64,
    /// The layer that has them, counted from the bottom.
    pub layer: usize,
    /// The layer that hides them; none for what is still seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<usize>,
    /// One of the files, without a slash in front.
    pub example: String,
    /// What to do.
    pub help: &'static str,
}

/// Files that package managers and builds leave behind: what they are called, where they lie, and how to be rid of them.
struct Leftover {
    kind: &'static str,
    /// At the beginning of the path, or, with a slash in front, anywhere in it.
    places: &'static [&'static str],
    help: &'static str,
}

const LEFTOVERS: &[Leftover] = &[
    Leftover {
        kind: "apt-lists",
        places: &["var/lib/apt/lists/"],
        help: "end the instruction with `rm -rf /var/lib/apt/lists/*`, or give it `--mount=type=cache,target=/var/lib/apt/lists`",
    },
    Leftover {
        kind: "apt-archives",
        places: &["var/cache/apt/"],
        help: "end the instruction with `apt-get clean`, or give it `--mount=type=cache,target=/var/cache/apt`",
    },
    Leftover { kind: "apk-cache", places: &["var/cache/apk/", "etc/apk/cache/"], help: "call `apk add --no-cache`" },
    Leftover {
        kind: "rpm-cache",
        places: &["var/cache/dnf/", "var/cache/yum/", "var/cache/libdnf5/", "var/cache/zypp/"],
        help: "end the instruction with `dnf clean all`, `yum clean all` or `zypper clean --all`",
    },
    Leftover {
        kind: "pip-cache",
        places: &["/.cache/pip/", "/.cache/uv/"],
        help: "call `pip install --no-cache-dir`, or give the instruction `--mount=type=cache,target=/root/.cache`",
    },
    Leftover {
        kind: "npm-cache",
        places: &["/.npm/_cacache/", "/.cache/yarn/", "/.yarn/cache/", "/.pnpm-store/"],
        help: "end the instruction with `npm cache clean --force` or `yarn cache clean`, or give it `--mount=type=cache,target=/root/.npm`",
    },
    Leftover {
        kind: "go-cache",
        places: &["/.cache/go-build/"],
        help: "give the instruction `--mount=type=cache,target=/root/.cache/go-build`, or build in a stage of its own",
    },
    Leftover {
        kind: "cargo-cache",
        places: &["/.cargo/registry/", "/cargo/registry/"],
        help: "give the instruction `--mount=type=cache,target=/usr/local/cargo/registry`, or build in a stage of its own",
    },
    Leftover {
        kind: "conda-cache",
        places: &["/conda/pkgs/", "/miniconda3/pkgs/"],
        help: "end the instruction with `conda clean --all --yes`",
    },
    Leftover {
        kind: "temporary-files",
        places: &["tmp/", "var/tmp/"],
        help: "remove them in the instruction that makes them, or give it `--mount=type=tmpfs,target=/tmp`",
    },
];

fn of_hidden(how: How) -> (&'static str, &'static str) {
    match how {
        How::Removed => (
            "removed-later",
            "remove them in the instruction that makes them, or make them in a stage of its own: a later instruction only hides them",
        ),
        How::Replaced => ("written-again", "write them once: every version stays in its layer"),
        How::Owned => (
            "copied-by-chown",
            "give the files their owner when they come: `COPY --chown=…`, or `chown` in the same RUN",
        ),
        How::Permitted => (
            "copied-by-chmod",
            "give the files their mode when they come: `COPY --chmod=…`, or `chmod` in the same RUN",
        ),
        How::Repeated => ("copied-again", "copy them once: the same files are in both layers"),
    }
}

/// What is left behind in a place like this.
fn leftover(path: &str) -> Option<&'static Leftover> {
    LEFTOVERS.iter().find(|leftover| {
        leftover.places.iter().any(|place| match place.strip_prefix('/') {
            Some(tail) => path.contains(place) || path.starts_with(tail),
            None => path.starts_with(place),
        })
    })
}

/// Gathers advice by what it is about and by layers.
#[derive(Debug, Default)]
pub(super) struct Adviser {
    found: BTreeMap<(&'static str, usize, Option<usize>), Advice>,
}

impl Adviser {
    /// Takes a file that is seen.
    pub(super) fn seen(&mut self, layer: usize, item: &Item, names: &Names) {
        if !item.is_file() || item.size == 0 {
            return;
        }
        let path = names.path(item.path);
        let path = String::from_utf8_lossy(&path);
        if let Some(leftover) = leftover(&path) {
            self.add(leftover.kind, leftover.help, (layer, None), item.size, || path.into_owned());
        }
    }

    /// Takes a file that is not.
    pub(super) fn hidden(&mut self, hidden: &Hidden, names: &Names) {
        let (kind, help) = of_hidden(hidden.how);
        let path = || String::from_utf8_lossy(&names.path(hidden.path)).into_owned();
        self.add(kind, help, (hidden.layer, Some(hidden.by)), hidden.size, path);
    }

    fn add(
        &mut self,
        kind: &'static str,
        help: &'static str,
        (layer, hidden_by): (usize, Option<usize>),
        size: u64,
        example: impl FnOnce() -> String,
    ) {
        let advice = self.found.entry((kind, layer, hidden_by)).or_insert_with(|| {
            let example = example();
            Advice { kind, size_bytes: 0, files: 0, layer, hidden_by, example, help }
        });
        advice.size_bytes = advice.size_bytes.saturating_add(size);
        advice.files += 1;
    }

    /// What saves most comes first.
    pub(super) fn finish(self) -> Vec<Advice> {
        let mut all: Vec<Advice> = self.found.into_values().collect();
        all.sort_by_key(|advice| std::cmp::Reverse(advice.size_bytes));
        all.truncate(MAX_ADVICE);
        all
    }
}

/// 1,000 things to do: nobody does more.
const MAX_ADVICE: usize = 1000;

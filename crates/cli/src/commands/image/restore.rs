//! `image restore`: undo for `rmi`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use wharfie_oci::{ImageId, Reference, Timestamp};

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches};
use crate::render::{age, size, table};

/// `PROG image restore`.
pub static COMMAND: Command<Run> = Command {
    about: "Bring back removed images and names, or list what can be brought back",
    usage: "[IMAGE...]",
    arity: Arity::Any,
    examples: &[
        Example { text: "List what can be brought back", command: "image restore" },
        Example { text: "Bring back an image with the names it had", command: "image restore web:1" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    if matches.args().is_empty() {
        return list(cx);
    }
    let mut errors = Vec::new();
    for name in matches.args() {
        match cx.engine()?.restore(name) {
            Ok((id, restored)) => {
                cx.line(&format!("Restored: {id}"))?;
                for name in &restored.names {
                    cx.line(&format!("Tagged: {}", familiar(name)))?;
                }
                for name in &restored.taken {
                    cx.warn(&format!("WARNING: {} stands for another image now and was left alone", familiar(name)));
                }
            }
            Err(why) => errors.push(why.into()),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::all(errors)) }
}

/// A line for each name that can be brought back, and for each image that had none.
fn list(cx: &Context) -> Result {
    let engine = cx.engine()?;
    let names = engine.kept_names()?;
    let is_tag = |name: &str| !name.contains('@');
    let has_tag: BTreeSet<_> = names.iter().filter(|kept| is_tag(&kept.name)).map(|kept| kept.image.clone()).collect();
    let row = |name: String, id: &ImageId, removed_at: Timestamp, bytes: u64| {
        [name, id.short().to_owned(), age::ago(removed_at.into(), cx.jiff_now()), size::short(bytes)]
    };
    // A name with a digest comes back with the tag that it was pulled by.
    let shown = names.iter().filter(|kept| is_tag(&kept.name) || !has_tag.contains(&kept.image));
    let mut rows: Vec<_> = shown
        .map(|kept| (kept.removed_at, row(familiar(&kept.name), &kept.image, kept.removed_at, kept.size)))
        .collect();
    let nameless = engine.kept()?.into_iter().filter(|kept| kept.names.is_empty());
    rows.extend(nameless.map(|kept| (kept.removed_at, row("<none>".to_owned(), &kept.id, kept.removed_at, kept.size))));
    rows.sort_by_key(|(removed_at, _)| Reverse(*removed_at));
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    cx.print_table(&table::rows(["NAME", "IMAGE ID", "REMOVED", "SIZE"], &rows))
}

fn familiar(canonical: &str) -> String {
    canonical.parse::<Reference>().map_or_else(|_| canonical.to_owned(), |reference| reference.familiar())
}

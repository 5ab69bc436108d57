//! `image restore`: undo for `rmi`.

use wharfie_oci::Reference;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches};
use crate::render::{age, size, table};

/// `PROG image restore`.
pub static COMMAND: Command<Run> = Command {
    about: "Bring back removed images, or list what can be brought back",
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

fn list(cx: &Context) -> Result {
    let mut rows = Vec::new();
    for kept in cx.engine()?.kept()? {
        let names: Vec<String> = kept.names.iter().map(|name| familiar(name)).collect();
        rows.push([
            kept.id.short().to_owned(),
            if names.is_empty() { "<none>".to_owned() } else { names.join(", ") },
            age::ago(kept.removed_at.into(), cx.jiff_now()),
            size::short(kept.size),
        ]);
    }
    cx.print_table(&table::rows(["IMAGE ID", "NAMES", "REMOVED", "SIZE"], &rows))
}

fn familiar(canonical: &str) -> String {
    canonical.parse::<Reference>().map_or_else(|_| canonical.to_owned(), |reference| reference.familiar())
}

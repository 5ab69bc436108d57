//! `images --tree`: images with the platforms they are for.

use std::fmt::Write as _;

use wharfie_engine::list::Listed;
use wharfie_oci::Reference;

use crate::context::Context;
use crate::failure::Result;
use crate::render::size;
use crate::render::width::columns;

/// Blanks between columns.
const GAP: usize = 3;

/// A container was made from it.
const IN_USE: &str = "U";

/// The whole view. Names come in byte order, what has none comes last.
pub(super) fn text(cx: &Context, listed: &[Listed]) -> Result<String> {
    let mut named: Vec<(String, &Listed)> = Vec::new();
    let mut unnamed: Vec<(String, &Listed)> = Vec::new();
    for image in listed {
        named.extend(image.references.iter().map(|reference| (Reference::familiar(reference), image)));
        if image.references.is_empty() {
            unnamed.push(("<untagged>".to_owned(), image));
        }
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let containers = cx.engine()?.containers()?;
    let mut lines: Vec<[String; 5]> = Vec::new();
    for (name, listed) in named.into_iter().chain(unnamed) {
        let id = &listed.image.id;
        let platform = cx.engine()?.inspect(id.as_str(), None)?.config.platform();
        let disk = size::short(listed.image.size);
        let content = size::short(cx.engine()?.moved_bytes(id)?);
        let extra = if containers.iter().any(|row| row.image == *id) { IN_USE } else { "" };
        for name in [name, format!("└─ {platform}")] {
            lines.push([name, id.short().to_owned(), disk.clone(), content.clone(), extra.to_owned()]);
        }
    }
    let width = lines.iter().map(|line| columns(&line[0])).max().unwrap_or(0).max("IMAGE".len());
    let mut out = String::new();
    let mut put = |[name, id, disk, content, extra]: [&str; 5]| {
        let pad = " ".repeat(width - columns(name) + GAP);
        writeln!(out, "{name}{pad}{id:<12}   {disk:>10}   {content:>12}   {extra}")
            .expect("a string accepts every write");
    };
    put(["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"]);
    for line in &lines {
        put(line.each_ref().map(String::as_str));
    }
    Ok(out)
}

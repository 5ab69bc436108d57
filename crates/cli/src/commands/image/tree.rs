//! `images --tree`: images with the platforms they are for.

use std::fmt::Write as _;

use wharfie_engine::list::Listed;
use wharfie_oci::{ImageId, Reference};

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
    let mut named: Vec<(String, Option<&Reference>, &Listed)> = Vec::new();
    let mut unnamed = Vec::new();
    for image in listed {
        named.extend(image.references.iter().map(|reference| (reference.familiar(), Some(reference), image)));
        if image.references.is_empty() {
            unnamed.push(("<untagged>".to_owned(), None, image));
        }
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let containers = cx.engine()?.containers()?;
    let mut lines: Vec<[String; 5]> = Vec::new();
    let engine = cx.engine()?;
    let is_used = |id: &ImageId| containers.iter().any(|row| row.image == *id);
    for (name, reference, listed) in named.into_iter().chain(unnamed) {
        let mut variants = match &reference {
            Some(reference) => engine.variants(reference)?,
            None => Vec::new(),
        };
        if variants.is_empty() {
            let id = listed.image.id.as_str();
            variants.push((engine.inspect(id, None)?.config.platform(), listed.image.clone()));
        }
        let mut rows: Vec<(String, &ImageId, u64, u64, bool)> = Vec::new();
        for (n, (platform, image)) in variants.iter().enumerate() {
            let branch = if n + 1 == variants.len() { "└─" } else { "├─" };
            let content = engine.moved_bytes(&image.id)?;
            rows.push((format!("{branch} {platform}"), &image.id, image.size, content, is_used(&image.id)));
        }
        let (disk, content) = rows.iter().fold((0, 0), |(disk, content), row| (disk + row.2, content + row.3));
        let is_any_used = rows.iter().any(|row| row.4);
        rows.insert(0, (name, &listed.image.id, disk, content, is_any_used));
        for (name, id, disk, content, is_used) in rows {
            let extra = if is_used { IN_USE } else { "" };
            let sizes = [disk, content].map(size::short);
            let [disk, content] = sizes;
            lines.push([name, id.short().to_owned(), disk, content, extra.to_owned()]);
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

//! `build`: the real binary, real Dockerfiles, real steps.

mod baking;
mod caching;
mod calls;
mod classic;
mod contexts;
mod copying;
mod failing;
mod hostile;
mod interrupted;
mod keeping;
mod lines;
mod outputs;
mod running;
mod screens;
mod stages;
mod travelling;

use std::fmt::Write;
use std::io::Read;

use wharfie_layer::entry::Kind;
use wharfie_layer::tar::Reader;
use wharfie_testkit::{Host, Image, needs};

use crate::host_with;

/// A host with busybox as `box:1`; nothing where steps cannot run, which is said.
fn box_host() -> Option<Host> {
    needs::root("running a step").then(|| host_with(&[(&Image::busybox(), &["box:1"])]))
}

/// Writes the files of the context `ctx`.
fn context(host: &Host, files: &[(&str, &str)]) {
    std::fs::create_dir_all(host.path().join("ctx")).expect("the host's own folder takes folders");
    for (name, text) in files {
        host.file(&format!("ctx/{name}"), text.as_bytes());
    }
}

/// The files that a build gives, one a line: mode, owner, path and what is in it.
#[track_caller]
fn tree(host: &Host, words: &[&str]) -> String {
    let all = [&["build", "-q", "-o", "type=tar,dest=tree.tar"], words].concat();
    host.run(&all).succeeds();
    listing(&std::fs::read(host.path().join("tree.tar")).expect("it was written"))
}

/// What is in a tar, one entry a line, in the order of names.
fn listing(tar: &[u8]) -> String {
    let mut reader = Reader::new(tar);
    let mut lines = Vec::new();
    while let Some(mut entry) = reader.next_entry().expect("it is a tar") {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("it is whole");
        let entry = entry.entry();
        let path = String::from_utf8_lossy(&entry.path).trim_matches('/').to_owned();
        let owner = format!("{:o} {}:{}", entry.mode, entry.uid, entry.gid);
        let link = String::from_utf8_lossy(&entry.link).into_owned();
        let text = match entry.kind {
            Kind::Directory => format!("{owner} {path}/"),
            Kind::Symlink => format!("{path} -> {link}"),
            Kind::Hardlink => format!("{path} = {link}"),
            Kind::File if bytes.len() > 200 => format!("{owner} {path} ({} bytes)", bytes.len()),
            Kind::File => format!("{owner} {path}: {}", String::from_utf8_lossy(&bytes).trim_end().replace('\n', "|")),
            other => format!("{owner} {path} {other:?}"),
        };
        lines.push((path, text));
    }
    lines.sort();
    lines.into_iter().fold(String::new(), |mut all, (_, line)| {
        let _ = writeln!(all, "{line}");
        all
    })
}

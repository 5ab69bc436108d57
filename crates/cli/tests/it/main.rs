//! The real binary on real input.

mod analyze;
mod attached;
mod basing;
mod build;
mod checking;
mod container;
mod copies;
mod crash;
mod crowd;
mod dry_runs;
mod full_disk;
mod hostile;
mod hostile_archives;
mod imagetools;
mod import;
mod insight;
mod insight_hiding;
mod insight_systems;
mod inspecting;
mod judging;
mod listing;
mod loading;
mod logging_in;
mod maintain;
mod manifest_lists;
mod manifests;
mod memory;
mod mounting;
mod nested;
mod osv;
mod peer;
mod places;
mod platforms;
mod pulling;
mod pulling_failures;
mod pushing;
mod pushing_failures;
mod removing;
mod restoring;
mod retain;
mod rootless;
mod scale;
mod searching;
mod secured;
mod seekable;
mod served;
mod serving;
mod serving_bounds;
mod serving_bucket;
mod serving_caches;
mod serving_certificates;
mod serving_killed;
mod serving_pages;
mod suggesting;
mod terminal;
mod trust;
mod words;

use wharfie_testkit::{Host, Image, archive};

/// A fresh host for the binary under test.
fn host() -> Host {
    Host::new(env!("CARGO_BIN_EXE_wharfie"))
}

/// A host with these images loaded.
fn host_with(images: &[(&Image, &[&str])]) -> Host {
    let host = host();
    let loaded = host.run_with(&["load", "-q"], &archive(images));
    loaded.succeeds();
    host
}

/// Ages and dates change from day to day; everything else must not.
fn without_ages(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" years ago") {
        let digits = rest[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..at - digits]);
        out.push('N');
        out.push_str(" years ago");
        rest = &rest[at + " years ago".len()..];
    }
    out + rest
}

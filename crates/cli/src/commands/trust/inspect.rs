//! `trust inspect`: what is signed and by whom.

use std::fmt::Write as _;

use serde::Serialize;
use wharfie_engine::Error;
use wharfie_engine::trust::{ADMIN, KeyId, TrustReport, UntrustedTag};
use wharfie_oci::Reference;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

const PRETTY: Switch = Switch::new("pretty", "Print the information in a human friendly format");

/// `PROG trust inspect`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Return low-level information about keys and signatures",
    usage: "IMAGE[:TAG] [IMAGE[:TAG]...]",
    arity: Arity::AtLeast(1),
    flags: &[PRETTY.flag()],
    examples: &[
        Example { text: "Who signed one tag", command: "trust inspect --pretty registry.example/team/web:1" },
        Example { text: "Every signed tag, as JSON", command: "trust inspect registry.example/team/web" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

/// As docker writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    name: String,
    signed_tags: Vec<Tag>,
    /// Not docker's: signatures by keys that do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    untrusted_tags: Vec<Untrusted>,
    signers: Vec<Signer>,
    administrative_keys: Vec<Signer>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    signed_tag: String,
    digest: String,
    signers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Untrusted {
    signed_tag: String,
    digest: String,
    /// None if the signatures do not say whose they are.
    keys: Vec<Key>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Signer {
    name: String,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    #[serde(rename = "ID")]
    id: String,
}

fn run(cx: &Context, matches: &Matches) -> Result {
    let mut documents = Vec::new();
    let mut pretty = String::new();
    let mut failures = Vec::new();
    let engine = cx.engine()?;
    for typed in matches.args() {
        let report = typed.parse::<Reference>().map_err(Error::from).and_then(|name| engine.trust_report(&name));
        match report {
            Ok(report) => {
                if let Some(why) = &report.unreached {
                    cx.warn(&format!("WARNING: only what is here is told of {typed}: {why}"));
                }
                match matches.get(&PRETTY) {
                    true => pretty.push_str(&shown(typed, &report)),
                    false => documents.push(document(typed, report)),
                }
            }
            Err(why) => failures.push(Failure::from(why)),
        }
    }
    if matches.get(&PRETTY) {
        cx.print(&pretty)?;
    } else {
        let text = serde_json::to_string(&documents).map_err(Error::Document)?;
        cx.line(&wharfie_oci::json::indented(&text, "    "))?;
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::all(failures)) }
}

fn document(name: &str, report: TrustReport) -> Document {
    let ids = |keys: Vec<KeyId>| keys.into_iter().map(|id| Key { id: id.to_string() }).collect();
    let signer = |(name, keys): (String, Vec<KeyId>)| Signer { name, keys: ids(keys) };
    let untrusted =
        |tag: UntrustedTag| Untrusted { signed_tag: tag.tag, digest: tag.digest.hex().to_owned(), keys: ids(tag.keys) };
    let tag = |tag: wharfie_engine::trust::SignedTag| Tag {
        signed_tag: tag.tag,
        digest: tag.digest.hex().to_owned(),
        signers: tag.signers.into_iter().rev().collect(),
    };
    let own = report.repository_key.into_iter().map(|id| ("Repository".to_owned(), vec![id]));
    Document {
        name: name.to_owned(),
        signed_tags: report.tags.into_iter().map(tag).collect(),
        untrusted_tags: report.untrusted.into_iter().map(untrusted).collect(),
        signers: report.signers.into_iter().rev().map(signer).collect(),
        administrative_keys: own.map(signer).collect(),
    }
}

fn shown(name: &str, report: &TrustReport) -> String {
    let name = sanitise(name, Layout::OneLine);
    let mut text = String::new();
    if report.tags.is_empty() && report.untrusted.is_empty() {
        let _ = write!(text, "\nNo signatures for {name}\n\n");
    } else {
        let mut rows: Vec<[String; 3]> = report
            .tags
            .iter()
            .map(|tag| {
                let others: Vec<&str> = tag.signers.iter().map(String::as_str).filter(|name| *name != ADMIN).collect();
                let who = if others.is_empty() { format!("({ADMIN})") } else { others.join(", ") };
                [sanitise(&tag.tag, Layout::OneLine).into_owned(), tag.digest.hex().to_owned(), who]
            })
            .collect();
        rows.extend(report.untrusted.iter().map(|tag| {
            let ids: Vec<&str> = tag.keys.iter().map(KeyId::as_str).collect();
            let who = if ids.is_empty() { "an unknown key".to_owned() } else { ids.join(", ") };
            let tag_name = sanitise(&tag.tag, Layout::OneLine).into_owned();
            [tag_name, tag.digest.hex().to_owned(), format!("not trusted: {who}")]
        }));
        let _ = write!(text, "\nSignatures for {name}\n\n{}", table::rows(["SIGNED TAG", "DIGEST", "SIGNERS"], &rows));
    }
    if !report.signers.is_empty() {
        let ids = |keys: &[KeyId]| keys.iter().map(KeyId::short).collect::<Vec<_>>().join(", ");
        let rows: Vec<[String; 2]> = report.signers.iter().map(|(name, keys)| [name.clone(), ids(keys)]).collect();
        let signers = table::rows(["SIGNER", "KEYS"], &rows);
        let _ = write!(text, "\nList of signers and their keys for {name}\n\n{signers}");
    }
    if let Some(id) = &report.repository_key {
        let _ = write!(text, "\nAdministrative keys for {name}\n\n  Repository Key:\t{id}\n");
    }
    text
}

//! What a registry does, as lines on stderr.

use std::io::Write;

use wharfie_registry::{Event, Log};

use crate::env;
use crate::render::sanitise::{Layout, sanitise};

/// One line each.
pub(super) struct Lines;

impl Log for Lines {
    fn note(&self, event: &Event) {
        say(&text(event));
    }
}

/// Writes a line with its time.
pub(super) fn say(text: &str) {
    let line = format!("{:.3} {text}\n", env::now());
    // A closed stderr has no readers.
    let _written = std::io::stderr().lock().write_all(line.as_bytes());
}

fn text(event: &Event) -> String {
    match event {
        Event::Listening { address, is_secure } => {
            let scheme = if *is_secure { "https" } else { "http" };
            format!("listening on {scheme}://{address}")
        }
        Event::Proving { address } => format!("answering HTTP-01 on http://{address}"),
        Event::Certified { names, until } => format!("certificate for {names}, good until {until}"),
        Event::Answered { client, user, method, target, status, took } => {
            // A client's words must not become lines of their own.
            let target = sanitise(target, Layout::OneLine);
            let took = took.as_secs_f64() * 1000.0;
            let user = if user.is_empty() { "-".into() } else { sanitise(user, Layout::OneLine) };
            format!("{client} {user} \"{} {target}\" {status} {took:.1}ms", sanitise(method, Layout::OneLine))
        }
        Event::Collected { collected } => format!(
            "collected: {} manifests, {} blobs of repositories, {} uploads, {} bytes",
            collected.manifests.len(),
            collected.links.len(),
            collected.uploads,
            collected.bytes
        ),
        Event::Failed { what } => format!("error: {}", sanitise(what, Layout::OneLine)),
        Event::Ending => "ending: requests that are under way are answered".to_owned(),
        _ => format!("{event:?}"),
    }
}

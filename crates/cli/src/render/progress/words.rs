//! The words for events. Scripts match on them.

use std::borrow::Cow;

use wharfie_content::{Outcome, Subject, Warning, in_words};

use crate::render::sanitise::{Layout, sanitise};

/// What names a task at the start of its line. Layers go by digests; tags come from users and registries.
pub(super) fn label(what: &Subject) -> Option<String> {
    match what {
        Subject::Resolve { tag, .. } => Some(clean(tag).into_owned()),
        Subject::Fetch(layer) => Some(layer.digest.short().to_owned()),
        Subject::Upload { diff_id, .. } | Subject::Save(diff_id) => Some(diff_id.short().to_owned()),
        Subject::Load { diff_id } => diff_id.as_ref().map(|diff_id| diff_id.short().to_owned()),
        _ => None,
    }
}

/// A task's first words.
pub(super) fn began(what: &Subject) -> Option<String> {
    match what {
        Subject::Resolve { repository, .. } => Some(format!("Pulling from {}", clean(repository))),
        Subject::Fetch(_) => Some("Pulling fs layer".to_owned()),
        Subject::Upload { .. } => Some("Preparing".to_owned()),
        Subject::Push { repository } => Some(format!("The push refers to repository [{}]", clean(repository))),
        _ => None,
    }
}

/// What stands before a bar.
pub(super) fn moving(what: &Subject, verified: bool) -> Option<&'static str> {
    match what {
        Subject::Fetch(_) if verified => Some("Extracting"),
        Subject::Fetch(_) => Some("Downloading"),
        Subject::Upload { .. } => Some("Pushing"),
        Subject::Load { .. } => Some("Loading layer"),
        Subject::Save(_) => Some("Saving layer"),
        Subject::Import { .. } => Some("Importing"),
        _ => None,
    }
}

/// A task's last words.
pub(super) fn ended(what: &Subject, outcome: &Outcome) -> Option<String> {
    let words = match (what, outcome) {
        (Subject::Fetch(_), Outcome::Done) => "Pull complete",
        (Subject::Fetch(_), Outcome::Exists) => "Already exists",
        (Subject::Upload { .. }, Outcome::Done) => "Pushed",
        (Subject::Upload { .. }, Outcome::Exists) => "Layer already exists",
        (Subject::Upload { .. } | Subject::Fetch(_), Outcome::Mounted(from)) => {
            return Some(format!("Mounted from {}", clean(from)));
        }
        (Subject::Resolve { .. }, Outcome::Manifest { digest, .. }) => return Some(format!("Digest: {digest}")),
        (Subject::Tag(reference), Outcome::Manifest { digest, size }) => {
            return Some(format!("{}: digest: {digest} size: {size}", clean(reference.tag().unwrap_or_default())));
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// A task that waits.
pub(super) fn retrying(seconds: u64) -> String {
    format!("Retrying in {seconds} second{}", if seconds == 1 { "" } else { "s" })
}

/// The lines of what a process wrote. It may write anything, a terminal's commands too.
pub(super) fn output(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(|line| clean(line).into_owned()).collect()
}

/// A warning, and whether it belongs to stderr.
pub(super) fn warning(warning: &Warning) -> (String, bool) {
    match warning {
        Warning::Registry(text) => (format!("WARNING: {}", clean(text)), true),
        Warning::Platform { reference, found, wanted } => (
            format!(
                "WARNING: image with reference {} was found but its platform ({}) does not match the specified platform ({})",
                clean(reference),
                clean(found),
                clean(wanted)
            ),
            true,
        ),
        Warning::Renamed { reference, old } => (
            format!(
                "The image {} already exists, renaming the old one with ID {} to empty string",
                clean(reference),
                clean(old)
            ),
            false,
        ),
        Warning::RateLimit { remaining } => (
            format!(
                "WARNING: the registry allows {remaining} more pull{} for now",
                if *remaining == 1 { "" } else { "s" }
            ),
            true,
        ),
        Warning::Note(text) => (clean(&in_words(text)).into_owned(), true),
        // Kinds that are younger than this renderer.
        other => (format!("WARNING: {}", clean(&format!("{other:?}"))), true),
    }
}

fn clean(text: &str) -> Cow<'_, str> {
    sanitise(text, Layout::OneLine)
}

//! Wording that scripts may match on. There is no daemon, but errors that docker's daemon would report keep its prefix.

use std::fmt::Write as _;

use wharfie_engine::Error;
use wharfie_oci::{Fault, Reference, Speaker};

/// What docker's client puts before its daemon's errors.
pub const DAEMON: &str = "Error response from daemon: ";

/// An engine's error as stderr shows it: docker's text where there is one; else what and why. What to do stands apart.
pub fn engine_text(error: &Error) -> String {
    let text = match error {
        // Of several errors docker's daemon tells the first.
        Error::Remote(why) => why.refusal().map_or_else(|| reasons(why), ToString::to_string),
        Error::Pull { reference, source } => pull_text(reference, source),
        other => reasons(other),
    };
    match error.speaker() {
        Speaker::Daemon => format!("{DAEMON}{text}"),
        Speaker::Client => text,
    }
}

/// What a registry said to a pull, as docker's daemon words it.
fn pull_text(reference: &str, why: &wharfie_remote::Error) -> String {
    let repository =
        reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |r| r.repository().familiar());
    // Of several errors docker's daemon tells the first.
    let said = why.refusal().map_or_else(|| why.to_string(), ToString::to_string);
    match why.status() {
        Some(_) if why.has_code("NAME_UNKNOWN") => format!("repository {repository} not found: {said}"),
        Some(400..=499) if why.has_code("MANIFEST_UNKNOWN") => format!("manifest for {reference} not found: {said}"),
        Some(400..=499) if why.has_code("DENIED") => {
            let said = if why.refusal().is_some_and(wharfie_remote::ApiError::has_own_words) { &said } else { DENIED };
            format!(
                "pull access denied for {repository}, repository does not exist or may require 'docker login': {said}"
            )
        }
        // Scripts compare these whole.
        _ if matches!(why, wharfie_remote::Error::NoBasicCredentials { .. }) => reasons(why),
        _ if why.refusal().is_some() => said,
        _ => reasons(why),
    }
}

/// The standard text of the registries' code `DENIED`.
const DENIED: &str = "denied: requested access to the resource is denied";

/// A tag's target that cannot be one.
pub fn tag_text(target: &str, error: &Error) -> String {
    match error {
        Error::Reference(why) => format!("Error parsing reference: {target:?} is not a valid repository/tag: {why}"),
        other => engine_text(other),
    }
}

/// An error with everything underneath on one line.
pub fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(why) = source {
        let reason = why.to_string();
        // Some errors repeat what is underneath them.
        if !text.ends_with(&reason) {
            write!(text, ": {reason}").expect("a string accepts every write");
        }
        source = why.source();
    }
    text
}

#[cfg(test)]
mod table;

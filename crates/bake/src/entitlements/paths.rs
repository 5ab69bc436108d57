//! Paths that are needed, and those that cover them.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::path;

/// What has to be known of the file system.
pub struct Files<'a> {
    /// Where the user stands, absolute.
    pub working_directory: &'a str,
    /// The part of an absolute path that exists, with all links followed, and the rest.
    pub resolve: &'a dyn Fn(&str) -> std::io::Result<(String, String)>,
}

impl Files<'_> {
    fn resolved(&self, given: &str) -> Result<(String, String)> {
        let absolute = match given.starts_with('/') {
            true => given.to_owned(),
            false => format!("{}/{given}", self.working_directory),
        };
        (self.resolve)(&absolute).map_err(|why| Error::new(format!("failed to evaluate path \"{given}\": {why}")))
    }
}

/// What of `needed` is not beneath what is allowed. Of paths beneath each other, the outer one is told.
pub(super) fn missing(allowed: &[String], needed: &BTreeSet<String>, files: &Files<'_>) -> Result<Vec<String>> {
    if allowed.iter().any(|path| path == "*") {
        return Ok(Vec::new());
    }
    let mut covered = Vec::new();
    for path in allowed {
        let (there, rest) = files.resolved(path)?;
        covered.push(path::clean(&format!("{there}/{rest}")));
    }
    let mut existing = BTreeSet::new();
    for path in needed {
        existing.insert(path::clean(&files.resolved(path)?.0));
    }
    let existing: Vec<String> = existing.into_iter().collect();
    let outer = existing.iter().filter(|path| !existing.iter().any(|other| other != *path && is_beneath(path, other)));
    let missing = outer.filter(|path| !covered.iter().any(|allowed| is_beneath(path, allowed)));
    Ok(missing.cloned().collect())
}

fn is_beneath(path: &str, folder: &str) -> bool {
    folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The paths as they are shown: from where the user stands, unless that is more than one folder up.
pub(super) fn shown(paths: &[String], working_directory: &str) -> Vec<String> {
    let short = |path: &String| {
        let relative = relative(path, working_directory);
        if relative.starts_with("../..") { path.clone() } else { relative }
    };
    paths.iter().map(short).collect()
}

/// The way from one absolute path to another.
fn relative(path: &str, from: &str) -> String {
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, from) = (parts(path), parts(from));
    let shared = path.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let way: Vec<_> = up.chain(path[shared..].iter().cloned()).collect();
    if way.is_empty() { ".".to_owned() } else { way.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_short() {
        for (path, expected) in
            [("/w/d", "."), ("/w/d/a", "a"), ("/w/x", "../x"), ("/y", "/y"), ("/w", ".."), ("/", "/")]
        {
            assert_eq!(shown(&[path.to_owned()], "/w/d"), [expected], "{path}");
        }
    }
}

//! Ignore files: no text makes reading them panic, and a folder with something to be seen in it is looked into.

use wharfie_build::Ignore;
use wharfie_build::path::clean;

/// Insists on it for one ignore file, with a path as its last line.
pub(crate) fn run(text: &str) {
    let (rules, path) = text.rsplit_once('\n').unwrap_or(("", text));
    let Ok(ignore) = Ignore::parse(rules) else { return };
    let path = clean(path);
    if path.starts_with(['/', '.']) || ignore.is_ignored(&path) {
        return;
    }
    for (end, _) in path.match_indices('/') {
        assert!(ignore.may_include_below(&path[..end]), "{} is looked into for {path}", &path[..end]);
    }
}

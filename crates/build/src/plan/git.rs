//! Git repositories as sources of ADD: addresses, with what is wanted of them behind a `#` or a `?`.

use super::GitSource;
use crate::dockerfile::instruction::truth;
use crate::dockerfile::quoted;
use crate::path::clean;
use crate::{Error, Result};

/// A git repository as an address says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GitAddress {
    pub(super) source: GitSource,
    /// Whether the address says anything about `.git`.
    pub(super) keep_git_dir: Option<bool>,
    /// `github.com/a/b`, which can be a path as well.
    pub(super) may_be_path: bool,
}

impl GitAddress {
    /// The repository that `text` names; `None` if it names none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>> {
        if text.starts_with("./") || text.starts_with("../") {
            return Ok(None);
        }
        let may_be_path = text.starts_with("github.com/");
        let Some(parts) = (if may_be_path { url(&format!("https://{text}")) } else { address(text) }) else {
            return Ok(None);
        };
        let mut git = Self { may_be_path, ..Self::default() };
        git.source.remote = parts.remote;
        git.source.with_submodules = true;
        if !parts.fragment.is_empty() {
            let (reference, below) = parts.fragment.split_once(':').unwrap_or((&parts.fragment, ""));
            git.source.reference = some(reference);
            git.source.subdirectory = some(clean(&format!("/{below}")).trim_start_matches('/'));
        }
        git.ask(&parts.query)?;
        // Whatever it says, it is a folder below the repository's.
        let folder = git.source.subdirectory.map(|folder| clean(&format!("/{folder}")));
        git.source.subdirectory = folder.as_deref().and_then(|folder| some(folder.trim_start_matches('/')));
        Ok(Some(git))
    }

    /// Whether `text` names a repository, were it only with a mistake.
    pub(super) fn is_git(text: &str) -> bool {
        !matches!(Self::parse(text), Ok(None))
    }

    /// What stands behind a `?`.
    fn ask(&mut self, query: &[(String, String)]) -> Result<()> {
        let (mut tag, mut branch) = (None, None);
        for (at, (name, value)) in query.iter().enumerate() {
            let shown = quoted(name);
            if query[at + 1..].iter().any(|(other, _)| other == name) {
                return Err(Error::new(format!("query {shown} has multiple values")));
            }
            let switch = || match value.as_str() {
                "" => Ok(true),
                value => truth(value).ok_or_else(|| Error::new(format!("invalid {name} value: {}", quoted(value)))),
            };
            if value.is_empty() && !matches!(name.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit") {
                return Err(Error::new(format!("query {shown} has no value")));
            }
            match name.as_str() {
                "ref" => agree("ref", &mut self.source.reference, value.clone())?,
                "tag" => tag = Some(value),
                "branch" => branch = Some(value),
                "subdir" => agree("subdir", &mut self.source.subdirectory, value.clone())?,
                "checksum" | "commit" => self.source.checksum = Some(value.clone()),
                "keep-git-dir" => self.keep_git_dir = Some(switch()?),
                "submodules" => self.source.with_submodules = switch()?,
                "mtime" if matches!(value.as_str(), "checkout" | "commit") => {}
                "mtime" => {
                    let value = quoted(value);
                    let text = format!("invalid mtime value: {value} (must be \"checkout\" or \"commit\")");
                    return Err(Error::new(text));
                }
                "fetch-by-commit" => drop(switch()?),
                _ => return Err(Error::new(format!("unexpected query {shown}"))),
            }
        }
        if let Some(tag) = tag {
            agree("ref", &mut self.source.reference, below("refs/tags/", tag))?;
        }
        match (branch, tag) {
            (Some(_), Some(_)) => Err(Error::new("branch conflicts with tag")),
            (Some(branch), None) => agree("ref", &mut self.source.reference, below("refs/heads/", branch)),
            (None, _) => Ok(()),
        }
    }
}

/// Takes a value that must not contradict one that is there.
fn agree(name: &str, known: &mut Option<String>, value: String) -> Result<()> {
    match known {
        Some(known) if *known != value => {
            Err(Error::new(format!("{name} conflicts: {} vs {}", quoted(known), quoted(&value))))
        }
        _ => {
            *known = Some(value);
            Ok(())
        }
    }
}

fn below(folder: &str, name: &str) -> String {
    if name.starts_with(folder) { name.to_owned() } else { format!("{folder}{name}") }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// An address taken apart.
struct Parts {
    remote: String,
    query: Vec<(String, String)>,
    fragment: String,
}

fn address(text: &str) -> Option<Parts> {
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            let scheme = scheme.to_ascii_lowercase();
            let parts = url(&format!("{scheme}://{rest}"))?;
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            let path = decoded(path.split_once('/').map_or("", |(_, path)| path), false)?;
            match scheme.as_str() {
                "http" | "https" => path.ends_with(".git").then_some(parts),
                "ssh" | "git" => Some(parts),
                _ => None,
            }
        }
        _ => secure_copy(text),
    }
}

/// `https://host/path?query#fragment`; `None` if it cannot be one.
fn url(text: &str) -> Option<Parts> {
    let (front, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (remote, query) = front.split_once('?').unwrap_or((front, ""));
    let authority = remote.split_once("://")?.1.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    if text.contains(|c: char| c.is_ascii_control()) || host.contains(' ') || !port.is_none_or(is_port) {
        return None;
    }
    decoded(remote, false)?;
    Some(Parts { remote: remote.to_owned(), query: pairs(query), fragment: decoded(fragment, false)? })
}

/// `git@host:path?query#fragment`.
fn secure_copy(text: &str) -> Option<Parts> {
    let (user, rest) = text.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    let is_word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || more.contains(c))
    };
    if !is_word(user, "_") || !is_word(host, ".") || rest.contains('\n') {
        return None;
    }
    let (front, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = front.split_once('?').unwrap_or((front, ""));
    let remote = format!("{user}@{host}:{path}");
    Some(Parts { remote, query: pairs(query), fragment: fragment.to_owned() })
}

/// `a=b&c`; what cannot be read is left out.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    };
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).filter_map(pair).collect()
}

/// A part of an address with `%41` as what it stands for; `None` if that makes no sense.
pub(super) fn unescaped(text: &str) -> Option<String> {
    decoded(text, false)
}

/// With `%41` as what it stands for, and a plus as a blank if `has_plus`.
fn decoded(text: &str, has_plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'%' => {
                let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
                if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                rest = &tail[2..];
                u8::from_str_radix(digits, 16).ok()?
            }
            b'+' if has_plus => b' ',
            other => *other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let shown = match GitAddress::parse(text) {
            Ok(Some(git)) => {
                let source = git.source;
                let part =
                    |name: &str, part: Option<String>| part.map(|part| format!(" {name}={part}")).unwrap_or_default();
                Some(format!(
                    "{}{}{}{}{}",
                    source.remote,
                    part("ref", source.reference),
                    part("dir", source.subdirectory),
                    part("sum", source.checksum),
                    if source.with_submodules { "" } else { " alone" },
                ))
            }
            Ok(None) => None,
            Err(why) => Some(why.to_string()),
        };
        assert_eq!(shown.as_deref(), expected, "{text}");
    }

    #[test]
    fn addresses_name_repositories() {
        check("https://h/a.git", Some("https://h/a.git"));
        check("HTTPS://h/a.git#v1:sub/../dir/", Some("https://h/a.git ref=v1 dir=dir"));
        check("https://h/a.git#:dir", Some("https://h/a.git dir=dir"));
        check(
            "https://h/a.git?ref=v1&subdir=d&checksum=abc&submodules=false",
            Some("https://h/a.git ref=v1 dir=d sum=abc alone"),
        );
        check("https://h/a.git?tag=v1", Some("https://h/a.git ref=refs/tags/v1"));
        check("https://h/a.git?branch=b", Some("https://h/a.git ref=refs/heads/b"));
        check("git@h:a/b.git#v1", Some("git@h:a/b.git ref=v1"));
        check("https://h:80/a.git?subdir=/../d/", Some("https://h:80/a.git dir=d"));
        check("git@h:a/b?ref=v", Some("git@h:a/b ref=v"));
        check("ssh://git@h/a", Some("ssh://git@h/a"));
        check("git://h/a", Some("git://h/a"));
    }

    #[test]
    fn other_texts_name_none() {
        for text in [
            "a",
            "./a.git",
            "https://h/a",
            "ssh://git@h:a/b",
            "https://h/a.git/x",
            "ftp://h/a.git",
            "a:b",
            "@h:x",
            "/a@b",
        ] {
            check(text, None);
        }
        assert!(GitAddress::parse("github.com/a/b").unwrap().unwrap().may_be_path);
    }

    #[test]
    fn contradictions_are_told() {
        check("https://h/a.git?ref=a#b", Some("ref conflicts: \"b\" vs \"a\""));
        check("https://h/a.git?tag=a&branch=b", Some("branch conflicts with tag"));
        check("https://h/a.git?ref=a&ref=b", Some("query \"ref\" has multiple values"));
        check("https://h/a.git?ref=", Some("query \"ref\" has no value"));
        check("https://h/a.git?depth=1", Some("unexpected query \"depth\""));
        check("https://h/a.git?submodules=maybe", Some("invalid submodules value: \"maybe\""));
        check("https://h/a.git?mtime=x", Some("invalid mtime value: \"x\" (must be \"checkout\" or \"commit\")"));
    }
}

//! Patterns of repositories: `*` is anything within one component of a name, `**` anything at all.

use std::net::Ipv6Addr;

use wharfie_oci::pattern::Pattern;
use wharfie_oci::{Reference, Repository};

/// A repository's name as policies compare it: hosts in lower case, ports without zeros before them and not the one that is meant
/// without any, Docker Hub under one name. Whoever spells a registry in another way means the same one, and is judged by the same rule.
pub(crate) fn plain(repository: &Repository) -> String {
    spelled(repository.host(), repository.path())
}

/// As [`plain`], of a name that somebody wrote; `None` if it is none.
pub(crate) fn plain_text(repository: &str) -> Option<String> {
    let reference: Reference = repository.parse().ok()?;
    reference.is_name_only().then(|| plain(reference.repository()))
}

/// A pattern as it is compared with [`plain`] names.
///
/// # Errors
/// Why it can mean no repository at all: a rule that nobody is judged by would seem to close a door.
pub(crate) fn normal(pattern: &str) -> Result<String, &'static str> {
    let is_wild = |text: &str| text.contains(['*', '?']);
    let Some((host, path)) = pattern.split_once('/') else {
        return match pattern.contains("**") {
            true => Ok(pattern.to_ascii_lowercase()),
            false => Err("write a registry and a path, as in registry.example/team/*"),
        };
    };
    let is_host = is_wild(host)
        || host.contains(['.', ':'])
        || host == "localhost"
        || host.bytes().any(|byte| byte.is_ascii_uppercase());
    if !is_host {
        return Err("write its registry before it, as in docker.io/team/web, or **/ for any");
    }
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:[]*?".contains(&byte);
    if !host.bytes().all(may_stand) {
        return Err("no registry is called so");
    }
    if host.rsplit_once(':').is_some_and(|(_, port)| port.starts_with('0') && is_wild(port)) {
        return Err("no port begins with 0");
    }
    let may_stand = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*?".contains(&byte);
    if !path.bytes().all(may_stand) || path.split('/').any(str::is_empty) {
        return Err("no repository is called so: tags and capital letters do not belong to it");
    }
    if path.contains("**") {
        return Ok(format!("{}/{path}", plain_host(host)));
    }
    Ok(spelled(host, path))
}

fn spelled(host: &str, path: &str) -> String {
    let host = plain_host(host);
    match host == HUB && !path.contains('/') {
        true => format!("{host}/library/{path}"),
        false => format!("{host}/{path}"),
    }
}

fn plain_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    // The colons of an address of version 6 stand in brackets.
    let (name, port) = match host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((name, port)) => (name, Some(port)),
        None => (host.as_str(), None),
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')?.parse::<Ipv6Addr>().ok());
    let name = address.map_or_else(|| name.to_owned(), |address| format!("[{address}]"));
    let host = match port.map(str::parse::<u16>) {
        None | Some(Ok(HTTPS)) => name,
        Some(Ok(port)) => format!("{name}:{port}"),
        Some(Err(_)) => host,
    };
    if ALIASES.contains(&host.as_str()) { HUB.to_owned() } else { host }
}

const HUB: &str = "docker.io";
/// The machines behind Docker Hub, by which its images can be named as well.
const ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// The port that is meant where none is written.
const HTTPS: u16 = 443;

/// True if `pattern` means `name`, by the grammar of all our patterns.
pub fn fits(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern).is_match(name)
}

/// How much a pattern says: the one that says most decides.
pub fn weight(pattern: &str) -> (bool, usize) {
    (!pattern.contains(['*', '?']), pattern.bytes().filter(|byte| !b"*?".contains(byte)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_one_name_whatever_its_spelling() {
        for (spelled, expected) in [
            ("LOCALHOST:05600/team/web", "localhost:5600/team/web"),
            ("R.Example/web", "r.example/web"),
            ("[::1]:5000/web", "[::1]:5000/web"),
            ("web", "docker.io/library/web"),
            ("DOCKER.IO/web", "docker.io/library/web"),
            ("registry-1.docker.io/library/web", "docker.io/library/web"),
            ("r.example:0443/web", "r.example/web"),
            ("[0:0:0:0:0:0:0:1]:5000/web", "[::1]:5000/web"),
            ("[::0001]/web", "[::1]/web"),
        ] {
            let reference: Reference = spelled.parse().unwrap();
            assert_eq!(plain(reference.repository()), expected);
        }
    }

    #[test]
    fn patterns_are_spelled_as_names_are() {
        fn check(pattern: &str, expected: Option<&str>) {
            assert_eq!(normal(pattern).ok().as_deref(), expected, "{pattern}");
        }
        check("Localhost:5811/team/*", Some("localhost:5811/team/*"));
        check("localhost:05811/team/web", Some("localhost:5811/team/web"));
        check("*.Example:443/**", Some("*.example/**"));
        check("docker.io/*", Some("docker.io/library/*"));
        check("docker.io/**", Some("docker.io/**"));
        check("index.docker.io/team/web", Some("docker.io/team/web"));
        check("REGISTRY/web", Some("registry/web"));
        check("[::1]:5000/web", Some("[::1]:5000/web"));
        check("**", Some("**"));
        check("**/web", Some("**/web"));
        for none in ["", "*", "web", "team/web", "registry.example", "r.example/", "r.example/a//b", "r.example/Web"] {
            check(none, None);
        }
        for none in ["r.example/web:1", "r.example/web@sha256:1", "r example/web", "localhost:05*/web", "/web"] {
            check(none, None);
        }
    }

    #[test]
    fn stars_stay_within_components() {
        fn check(pattern: &str, name: &str, expected: bool) {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        check("docker.io/library/web", "docker.io/library/web", true);
        check("docker.io/library/web", "docker.io/library/web2", false);
        check("docker.io/library/*", "docker.io/library/web", true);
        check("docker.io/*", "docker.io/library/web", false);
        check("docker.io/**", "docker.io/library/web", true);
        check("**", "registry.example:5000/a/b", true);
        check("*.example/**", "registry.example/a/b", true);
        check("*.example/**", "evil/registry.example/a", false);
        check("", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-b-d", false);
    }
}

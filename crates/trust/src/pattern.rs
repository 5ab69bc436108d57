//! Patterns of repositories: `*` is anything within one component of a name, `**` anything at all.

use wharfie_oci::Repository;
use wharfie_oci::pattern::Pattern;

/// A repository's name as policies write it: hosts in lower case, ports without zeros before them. Whoever spells a registry in
/// another way means the same one, and is judged by the same rule.
pub(crate) fn plain(repository: &Repository) -> String {
    let host = repository.host().to_ascii_lowercase();
    let host = match host.rsplit_once(':') {
        Some((name, port)) => match port.parse::<u16>() {
            Ok(port) => format!("{name}:{port}"),
            Err(_) => host,
        },
        None => host,
    };
    format!("{host}/{}", repository.path())
}

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
        ] {
            let reference: wharfie_oci::Reference = spelled.parse().unwrap();
            assert_eq!(plain(reference.repository()), expected);
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

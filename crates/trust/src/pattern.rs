//! Patterns of repositories: `*` is anything within one component of a name, `**` anything at all.

/// True if `pattern` fits the whole of `name`. Takes time in proportion to both lengths multiplied.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // `reached[n]`: what was read of the pattern fits the first n bytes of the name.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; name.len() + 1];
        if pattern[at] == b'*' {
            let is_deep = pattern.get(at + 1) == Some(&b'*');
            at += if is_deep { 2 } else { 1 };
            let mut is_open = false;
            for n in 0..=name.len() {
                is_open |= reached[n];
                next[n] = is_open;
                if !is_deep && name.get(n) == Some(&b'/') {
                    is_open = false;
                }
            }
        } else {
            for n in 0..name.len() {
                next[n + 1] = reached[n] && name[n] == pattern[at];
            }
            at += 1;
        }
        reached = next;
    }
    reached[name.len()]
}

/// How much a pattern says: the one that says most decides.
pub fn weight(pattern: &str) -> (bool, usize) {
    (!pattern.contains('*'), pattern.bytes().filter(|byte| *byte != b'*').count())
}

#[cfg(test)]
mod tests {
    use super::*;

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

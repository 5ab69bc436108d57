//! Shell patterns over names: `*` and `?` do not cross a slash.
//! Source: Go's `path.Match`, which docker's reference filter uses.

/// The pattern is malformed. As in Go it is noticed only when matching gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

/// True if `pattern` matches all of `name`.
///
/// # Errors
/// When the pattern is malformed as far as it was looked at.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    match_from(&pattern, &name)
}

/// Matches literally up to each star, remembering the last star only: a star before it never needs to grow again.
fn match_from(pattern: &[char], name: &[char]) -> Result<bool, BadPattern> {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            while pattern.get(p) == Some(&'*') {
                p += 1;
            }
            star = Some((p, n));
            continue;
        }
        if p == pattern.len() && n == name.len() {
            return Ok(true);
        }
        if p < pattern.len()
            && let Some((used, is_match)) = one(&pattern[p..], name.get(n).copied())?
            && is_match
        {
            p += used;
            n += 1;
            continue;
        }
        // Let the last star take one more character, unless that is a slash.
        match star {
            Some((after, at)) if at < name.len() && name[at] != '/' => {
                star = Some((after, at + 1));
                (p, n) = (after, at + 1);
            }
            _ => {
                check_rest(&pattern[p..])?;
                return Ok(false);
            }
        }
    }
}

/// Matches one character against the head of the pattern: how much of the pattern that was, and whether it fits.
fn one(pattern: &[char], c: Option<char>) -> Result<Option<(usize, bool)>, BadPattern> {
    let Some(&head) = pattern.first() else { return Ok(None) };
    Ok(Some(match head {
        '?' => (1, c.is_some_and(|c| c != '/')),
        '[' => {
            let (used, is_match) = class(pattern, c)?;
            (used, is_match)
        }
        '\\' => {
            let literal = pattern.get(1).ok_or(BadPattern)?;
            (2, c == Some(*literal))
        }
        literal => (1, c == Some(literal)),
    }))
}

/// `[a-z]`, `[^a]`.
fn class(pattern: &[char], c: Option<char>) -> Result<(usize, bool), BadPattern> {
    let mut at = 1;
    let is_negated = pattern.get(at) == Some(&'^');
    if is_negated {
        at += 1;
    }
    let mut is_match = false;
    let mut ranges = 0;
    loop {
        if pattern.get(at) == Some(&']') && ranges > 0 {
            at += 1;
            break;
        }
        let low = class_char(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = class_char(pattern, &mut at)?;
        }
        is_match |= c.is_some_and(|c| (low..=high).contains(&c));
        ranges += 1;
    }
    Ok((at, c.is_some_and(|c| c != '/') && is_match != is_negated))
}

fn class_char(pattern: &[char], at: &mut usize) -> Result<char, BadPattern> {
    let mut c = *pattern.get(*at).ok_or(BadPattern)?;
    if c == '-' || c == ']' {
        return Err(BadPattern);
    }
    *at += 1;
    if c == '\\' {
        c = *pattern.get(*at).ok_or(BadPattern)?;
        *at += 1;
    }
    // A class that ends here has no closing bracket.
    if *at >= pattern.len() { Err(BadPattern) } else { Ok(c) }
}

/// A mismatch does not hide that the rest is malformed.
fn check_rest(pattern: &[char]) -> Result<(), BadPattern> {
    let mut at = 0;
    while at < pattern.len() {
        at += match pattern[at] {
            '[' => class(&pattern[at..], None)?.0,
            '\\' if at + 1 == pattern.len() => return Err(BadPattern),
            '\\' => 2,
            _ => 1,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: Result<bool, BadPattern>) {
        assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
    }

    #[test]
    fn stars_stop_at_slashes() {
        check("*", "web", Ok(true));
        check("*", "team/web", Ok(false));
        check("*/*", "team/web", Ok(true));
        check("*/*", "x.io/b", Ok(true));
        check("**/c", "b/c", Ok(true));
        check("**/c", "a/b/c", Ok(false));
        check("w*b", "web", Ok(true));
        check("w*b", "webs", Ok(false));
        check("a*b*c", "aXbYbZc", Ok(true));
        check("web:*", "web:1.2", Ok(true));
    }

    #[test]
    fn classes_and_escapes() {
        check("we?", "web", Ok(true));
        check("we?", "we/", Ok(false));
        check("[v-x]eb", "web", Ok(true));
        check("[^a]eb", "web", Ok(true));
        check("[^w]eb", "web", Ok(false));
        check("w\\eb", "web", Ok(true));
        check("", "", Ok(true));
        check("", "x", Ok(false));
    }

    #[test]
    fn malformed_patterns_are_noticed() {
        check("[", "web", Err(BadPattern));
        check("[a", "web", Err(BadPattern));
        check("[]a]", "web", Err(BadPattern));
        check("[-x]", "web", Err(BadPattern));
        check("x[", "web", Err(BadPattern));
        check("web\\", "web", Err(BadPattern));
    }
}

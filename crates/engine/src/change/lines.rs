//! Instructions out of lines: comments go, continued lines are joined. Source: Dockerfile reference, "Format", as BuildKit
//! reads it.

/// The instructions of `text`, each on one line, without blanks around it.
pub(super) fn instructions(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let (first, mut goes_on) = continued(if is_comment(line) { "" } else { line.trim_start() });
        let mut whole = first.to_owned();
        while goes_on {
            let Some(line) = lines.next() else { break };
            // Comments and empty lines between continued ones are as if they were not there.
            if is_comment(line) || line.trim().is_empty() {
                continue;
            }
            let (more, again) = continued(line);
            whole.push_str(more);
            goes_on = again;
        }
        if !whole.trim().is_empty() {
            found.push(whole.trim().to_owned());
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The line without the backslash at its end, and whether there was one. Two of them are one that is meant.
fn continued(line: &str) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix('\\') {
        Some(rest) if !rest.ends_with('\\') => (rest, true),
        _ => (line, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_instructions() {
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(instructions(text), expected, "{text:?}");
        }
        check("CMD a\nENV b=1", &["CMD a", "ENV b=1"]);
        check("ENV a=1 \\\n  b=2", &["ENV a=1   b=2"]);
        check("ENV a=1 \\\n# no\n\n  b=2\nCMD q", &["ENV a=1   b=2", "CMD q"]);
        check("# x\n\n  CMD q  \r\n", &["CMD q"]);
        check("CMD a\\ \t\nb", &["CMD ab"]);
        check("CMD a\\\\\nUSER b", &["CMD a\\\\", "USER b"]);
        check("CM\\\nD q", &["CMD q"]);
        check("CMD a \\", &["CMD a"]);
        check("# x\n", &[]);
    }
}

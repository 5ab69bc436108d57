//! Excerpts: the lines that an error or a finding is about, with those around them.

use std::fmt::Write;

use super::Lines;

/// Shows `places` of the file called `name`, as docker does: at least four lines, those that are meant marked. Empty if there
/// are no such lines.
///
/// ```text
/// Dockerfile:2
/// --------------------
///    1 |     FROM x
///    2 | >>> RUN y
/// --------------------
/// ```
pub fn excerpt(name: &str, text: &str, places: &[Lines]) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let Some(first) = places.iter().map(|place| place.first).min() else { return String::new() };
    let last = places.iter().map(|place| place.last).max().unwrap_or(first).min(lines.len());
    if first < 1 || first > lines.len() {
        return String::new();
    }
    let (mut start, mut end) = (first, last);
    // Each round shows a line more on both sides, and counts three, two if it is at an end of the file.
    let wanted = if first == last { 4 } else { 2 };
    let mut count = 0;
    while count < wanted {
        if start > 1 {
            start -= 1;
            count += 1;
        }
        if end != lines.len() {
            end += 1;
            count += 1;
        }
        count += 1;
    }
    let mut out = format!("{name}:{first}\n{RULE}\n");
    for (number, line) in lines.iter().enumerate().take(end).skip(start - 1).map(|(at, line)| (at + 1, line)) {
        let is_meant = places.iter().any(|place| (place.first..=place.last).contains(&number));
        let sign = if is_meant { ">>>" } else { "   " };
        let _ = writeln!(out, " {number:3} | {sign} {line}");
    }
    out.push_str(RULE);
    out.push('\n');
    out
}

const RULE: &str = "--------------------";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, places: &[(usize, usize)], expected: &str) {
        let places: Vec<_> = places.iter().map(|(first, last)| Lines { first: *first, last: *last }).collect();
        assert_eq!(excerpt("Dockerfile", text, &places), expected, "{text:?} {places:?}");
    }

    #[test]
    fn places_have_surroundings() {
        check(
            "FROM x\nRUN y",
            &[(2, 2)],
            "Dockerfile:2\n--------------------\n   1 |     FROM x\n   2 | >>> RUN y\n--------------------\n",
        );
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n",
            &[(4, 4)],
            "Dockerfile:4\n--------------------\n   2 |     2\n   3 |     3\n   4 | >>> 4\n   5 |     5\n   6 |     6\n--------------------\n",
        );
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n",
            &[(4, 5)],
            "Dockerfile:4\n--------------------\n   3 |     3\n   4 | >>> 4\n   5 | >>> 5\n   6 |     6\n--------------------\n",
        );
        check(
            "1\n2\n3\n4\n5\n6\n7\n8",
            &[(2, 2), (6, 6)],
            "Dockerfile:2\n--------------------\n   1 |     1\n   2 | >>> 2\n   3 |     3\n   4 |     4\n   5 |     5\n   6 | >>> 6\n   7 |     7\n--------------------\n",
        );
        check(
            "1\n",
            &[(1, 1)],
            "Dockerfile:1\n--------------------\n   1 | >>> 1\n   2 |     \n--------------------\n",
        );
    }

    #[test]
    fn what_is_nowhere_is_not_shown() {
        check("1", &[], "");
        check("1", &[(0, 0)], "");
        check("1", &[(2, 2)], "");
    }
}

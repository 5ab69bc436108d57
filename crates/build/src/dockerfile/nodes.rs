//! First layer: a text as instructions, each with the lines it stands on.
//! Source: Dockerfile reference, "Format", "Parser directives", "escape".

use super::error::{Error, Result};

/// A text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Continues lines and takes the meaning of the character behind it.
    pub escape: char,
    /// Its instructions.
    pub nodes: Vec<Node>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its first line, counted from 1.
    pub first: usize,
    /// Its last line.
    pub last: usize,
    /// Its keyword as it is written.
    pub keyword: String,
    /// What follows the keyword, on one line, without the blanks before it.
    pub rest: String,
}

/// 65,535 bytes: docker reads no longer line. Lines that are continued may become longer together.
const MAX_LINE: usize = 65_535;

impl Dockerfile {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// When there is no instruction in it, a line is too long, or a parser directive makes no sense.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = lines(text)?;
        let escape = escape(&lines)?;
        let mut nodes = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let first = at;
            let line = lines[at];
            at += 1;
            if is_comment(line) || is_blank(line) {
                continue;
            }
            let (start, mut goes_on) = continued(line.trim_start(), escape);
            let mut whole = start.to_owned();
            let mut last = first;
            while goes_on && at < lines.len() {
                let line = lines[at];
                // Comments and empty lines between continued ones are as if they were not there.
                if !is_comment(line) && !is_blank(line) {
                    let (more, again) = continued(line, escape);
                    whole.push_str(more);
                    goes_on = again;
                }
                last = at;
                at += 1;
            }
            let whole = whole.trim_start();
            let (keyword, rest) = whole.split_once(is_separator).unwrap_or((whole, ""));
            if keyword.is_empty() && rest.is_empty() {
                continue;
            }
            nodes.push(Node {
                first: first + 1,
                last: last + 1,
                keyword: keyword.to_owned(),
                rest: rest.trim_start().to_owned(),
            });
        }
        if nodes.is_empty() { Err(Error::Empty) } else { Ok(Self { escape, nodes }) }
    }
}

fn lines(text: &str) -> Result<Vec<&str>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    match lines.iter().any(|line| line.len() > MAX_LINE) {
        true => Err(Error::LongLine(MAX_LINE)),
        false => Ok(lines),
    }
}

/// The escape character that the directives at the top choose. Anything else than a directive that is known ends them.
fn escape(lines: &[&str]) -> Result<char> {
    let mut seen: Vec<String> = Vec::new();
    let mut escape = '\\';
    for line in lines {
        let Some((name, value)) = directive(line) else { break };
        if seen.contains(&name) {
            return Err(Error::SecondDirective(name));
        }
        if name == "escape" {
            escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => return Err(Error::Escape(other.to_owned())),
            };
        }
        seen.push(name);
    }
    Ok(escape)
}

/// `# name=value` of a name that is known.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    matches!(name.as_str(), "syntax" | "escape" | "check").then_some((name, value.trim()))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// A no-break space is a blank, and separates nothing.
fn is_separator(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// The line without the escape character at its end, and whether there was one. Two of them are one that is meant.
fn continued(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, true),
        _ => (line, false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(usize, usize, &str, &str)]) {
        let nodes = Dockerfile::parse(text).map(|file| file.nodes).unwrap_or_default();
        let found: Vec<_> =
            nodes.iter().map(|node| (node.first, node.last, node.keyword.as_str(), node.rest.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn lines_become_instructions() {
        check("CMD a\nENV b=1", &[(1, 1, "CMD", "a"), (2, 2, "ENV", "b=1")]);
        check("ENV a=1 \\\n  b=2", &[(1, 2, "ENV", "a=1   b=2")]);
        check("ENV a=1 \\\n# no\n\n  b=2\nCMD q", &[(1, 4, "ENV", "a=1   b=2"), (5, 5, "CMD", "q")]);
        check("# x\n\n  CMD q  \r\n", &[(3, 3, "CMD", "q  ")]);
        check("CMD a\\ \t\nb", &[(1, 2, "CMD", "ab")]);
        check("CMD a\\\\\nUSER b", &[(1, 1, "CMD", "a\\\\"), (2, 2, "USER", "b")]);
        check("US\\\nER q", &[(1, 2, "USER", "q")]);
        check("CMD a \\", &[(1, 1, "CMD", "a ")]);
        check("RUN a \\\n# c\n\nUSER x", &[(1, 4, "RUN", "a USER x")]);
        check("CMD\u{b}a", &[(1, 1, "CMD", "a")]);
        check("USER\u{a0}x", &[(1, 1, "USER\u{a0}x", "")]);
        check("\u{feff}CMD a", &[(1, 1, "CMD", "a")]);
        check("# x\n", &[]);
    }

    #[test]
    fn the_escape_character_is_chosen_at_the_top_only() {
        let escape = |text: &str| Dockerfile::parse(text).map(|file| file.escape).map_err(|why| why.to_string());
        assert_eq!(escape("# escape=`\nCMD a"), Ok('`'));
        assert_eq!(escape("# syntax=docker/dockerfile:1\n  # ESCAPE = `\nCMD a"), Ok('`'));
        assert_eq!(escape("# a comment\n# escape=`\nCMD a"), Ok('\\'));
        assert_eq!(escape("\n# escape=`\nCMD a"), Ok('\\'));
        assert_eq!(escape("# foo=bar\n# escape=`\nCMD a"), Ok('\\'));
        assert_eq!(escape("# escape=x\nCMD a"), Err("invalid escape token 'x' does not match ` or \\".to_owned()));
        let twice = "# escape=`\n# escape=`\nCMD a";
        assert_eq!(escape(twice), Err("only one escape parser directive can be used".to_owned()));
        check("# escape=`\nCMD c:\\ `\n b", &[(2, 3, "CMD", "c:\\  b")]);
    }

    #[test]
    fn a_line_has_an_end() {
        let long = format!("CMD {}", "a".repeat(MAX_LINE));
        assert_eq!(Dockerfile::parse(&long), Err(Error::LongLine(MAX_LINE)));
        let continued = format!("CMD {}", "aaaa \\\n".repeat(MAX_LINE / 4));
        assert!(Dockerfile::parse(&continued).is_ok_and(|file| file.nodes.len() == 1));
    }

    proptest! {
        #[test]
        fn lines_are_counted_whatever_they_say(text in "[\\PC\\n\\\\#\" ]{0,200}") {
            if let Ok(file) = Dockerfile::parse(&text) {
                let count = text.split('\n').count();
                let mut before = 0;
                for node in file.nodes {
                    prop_assert!(before < node.first && node.first <= node.last && node.last <= count);
                    before = node.last;
                }
            }
        }
    }
}

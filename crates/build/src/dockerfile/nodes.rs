//! First layer: a text as instructions, each with the lines it stands on and its words still unexpanded.
//! Source: Dockerfile reference, "Format", "Parser directives", "escape", "Here-documents".

use super::directives::{self, Directives};
use super::error::{Error, Result};
use super::heredoc::HereDocument;
use super::words::{is_legacy, is_separator, json_words, name_values, split_blanks, split_words};
use super::{Lines, Located};

/// A text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The whole text.
    pub text: String,
    /// Continues lines and takes the meaning of the character behind it.
    pub escape: char,
    /// What `# check=` says, up to the first blank.
    pub check: Option<String>,
    /// What `# syntax=` says, up to the first blank.
    pub syntax: Option<String>,
    /// Its instructions.
    pub nodes: Vec<Node>,
    /// The last lines of instructions that have an empty line in them.
    pub empty_continuations: Vec<usize>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands, here-documents included.
    pub lines: Lines,
    /// The instruction on one line, without the blanks before it.
    pub line: String,
    /// Its keyword as it is written.
    pub keyword: String,
    /// What follows the keyword, on one line, without the blanks before it.
    pub rest: String,
    /// The words with two dashes right behind the keyword, without quotes.
    pub flags: Vec<String>,
    /// What follows those.
    pub arguments: Arguments,
    /// The comments before it, without their signs. An empty one forgets those before it.
    pub comments: Vec<String>,
    /// What stands below it, in the order in which it was announced.
    pub documents: Vec<HereDocument>,
}

/// What an instruction says, by the form that its keyword has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// Words; also a whole line as one.
    Words(Vec<String>),
    /// The exec form.
    Json(Vec<String>),
    /// Names and values.
    Pairs(Vec<Pair>),
    /// HEALTHCHECK: its kind, and what follows in either form.
    Check(String, Box<Arguments>),
    /// ONBUILD: an instruction in the instruction.
    Nested(Box<Node>),
}

/// A name with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether a blank stood between them.
    pub is_legacy: bool,
}

/// 65,535 bytes: docker reads no longer line. Lines that are continued may become longer together.
const MAX_LINE: usize = 65_535;

/// Instructions in each other. More than one is refused later, so what stands in the last of these is no matter.
const MAX_DEPTH: usize = 8;

impl Dockerfile {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// When there is no instruction in it, a line is too long, or an instruction has not the form that its keyword asks for.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_located(text).map_err(|located| located.why)
    }

    /// Takes `bytes` apart; each that is no UTF-8 becomes the sign for that.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn read(bytes: &[u8]) -> Result<Self, crate::Error> {
        if bytes.is_empty() {
            return Err(crate::Error::new("the Dockerfile cannot be empty"));
        }
        let dockerfile = Self::parse_located(&decoded(bytes))?;
        let count = dockerfile.nodes.len();
        match count > MAX_INSTRUCTIONS {
            true => Err(crate::Error::new(format!(
                "the Dockerfile has {count} instructions, and {MAX_INSTRUCTIONS} are the most that are built"
            ))),
            false => Ok(dockerfile),
        }
    }

    pub(crate) fn parse_located(text: &str) -> Result<Self, Located> {
        let mut reader = Reader { text, at: 0, escape: '\\', empty_continuations: Vec::new() };
        let nodes = reader.nodes()?;
        Ok(Self {
            text: text.to_owned(),
            escape: reader.escape,
            check: first_word("check", text),
            syntax: first_word("syntax", text),
            nodes,
            empty_continuations: reader.empty_continuations,
        })
    }
}

/// 1,024: there is an image after each, with all that the ones before it say, so work and space grow with the square. Of layers
/// no kernel takes more than half as many.
const MAX_INSTRUCTIONS: usize = 1024;

/// Each byte that is no UTF-8 is a character.
fn decoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// What a directive at the top of a file says, up to the first blank.
fn first_word(name: &str, text: &str) -> Option<String> {
    let value = directives::of_file(name, text)?;
    Some(value.split(' ').next().unwrap_or_default().to_owned())
}

/// What `# check=` says in a file that may be none.
pub(crate) fn check_directive(bytes: &[u8]) -> Option<String> {
    first_word("check", &decoded(bytes))
}

/// Goes through the lines of a file.
struct Reader<'a> {
    /// What is still to be read.
    text: &'a str,
    /// How many lines have been.
    at: usize,
    escape: char,
    empty_continuations: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// The next line with what ends it. A line that is too long ends the file, and stays.
    fn line(&mut self) -> Option<&'a str> {
        let end = self.text.find('\n').map_or(self.text.len(), |at| at + 1);
        let (line, rest) = self.text.split_at(end);
        if line.is_empty() || line.strip_suffix('\n').unwrap_or(line).len() > MAX_LINE {
            return None;
        }
        self.text = rest;
        self.at += 1;
        Some(line)
    }

    fn nodes(&mut self) -> Result<Vec<Node>, Located> {
        let mut nodes = Vec::new();
        let mut directives = Directives::default();
        let mut comments = Vec::new();
        self.text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        while let Some(line) = self.line() {
            let first = self.at;
            let trimmed = line.trim_end_matches(['\r', '\n']).trim_start();
            if trimmed.starts_with('#') {
                // docker counts this line only once it has been read.
                let directive = directives.next(trimmed).map_err(|why| Located::new(why, first - 1, first - 1))?;
                match directive {
                    Some((name, value)) if name == "escape" => {
                        self.escape = escape(value).map_err(|why| Located::new(why, first - 1, first - 1))?;
                    }
                    Some(_) => {}
                    None => comment(line, &mut comments),
                }
                continue;
            }
            let (start, goes_on) = continued(trimmed, self.escape);
            // Nothing but directives may stand before directives.
            let _ = directives.next(trimmed);
            if start.is_empty() && !goes_on {
                continue;
            }
            let whole = self.joined(start, goes_on);
            let lines = (first, self.at);
            let comments = std::mem::take(&mut comments);
            let mut node =
                Node::of_line(&whole, comments, self.escape, 0).map_err(|why| Located::new(why, lines.0, lines.1))?;
            if node.can_have_documents() && whole.contains("<<") {
                self.documents(&whole, &mut node).map_err(|why| Located::new(why, first, self.at))?;
            }
            node.lines = Lines { first, last: self.at };
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(Located::new(Error::Empty, self.at, self.at));
        }
        match self.text.is_empty() {
            true => Ok(nodes),
            false => Err(Located::new(Error::LongLine(MAX_LINE), self.at, self.at)),
        }
    }

    /// The line with those that continue it. Comments and empty lines between them are as if they were not there.
    fn joined(&mut self, start: &str, mut goes_on: bool) -> String {
        let mut whole = start.to_owned();
        let mut has_empty = false;
        while goes_on && let Some(line) = self.line() {
            let line = line.trim_end_matches(['\r', '\n']);
            if line.trim_start().starts_with('#') {
                continue;
            }
            if line.trim_start().is_empty() {
                has_empty = true;
                continue;
            }
            let (more, again) = continued(line, self.escape);
            whole.push_str(more);
            goes_on = again;
        }
        if has_empty {
            self.empty_continuations.push(self.at);
        }
        whole
    }

    fn documents(&mut self, line: &str, node: &mut Node) -> Result<()> {
        for mut document in HereDocument::of_line(line)? {
            loop {
                let line = self.line().ok_or(Error::OpenDocument)?;
                if document.is_ended_by(line) {
                    break;
                }
                document.body.push_str(line);
            }
            node.documents.push(document);
        }
        Ok(())
    }
}

impl Node {
    /// The instruction on a line that has been joined.
    fn of_line(line: &str, comments: Vec<String>, escape: char, depth: usize) -> Result<Self> {
        let line = line.trim_start();
        let (keyword, rest) = match line.find(is_separator) {
            Some(at) => (&line[..at], line[at..].trim_start_matches(is_separator)),
            None => (line.trim_end(), ""),
        };
        let (flags, arguments) = flags(rest.trim_end(), escape);
        Ok(Self {
            lines: Lines { first: 0, last: 0 },
            line: line.to_owned(),
            keyword: keyword.to_owned(),
            rest: rest.to_owned(),
            flags,
            arguments: Arguments::of(keyword, arguments.trim(), escape, depth)?,
            comments,
            documents: Vec::new(),
        })
    }

    fn can_have_documents(&self) -> bool {
        let node = match &self.arguments {
            Arguments::Nested(node) if self.keyword.eq_ignore_ascii_case("onbuild") => node,
            _ => self,
        };
        let is_json = matches!(node.arguments, Arguments::Json(_));
        !is_json && ["add", "copy", "run"].iter().any(|keyword| node.keyword.eq_ignore_ascii_case(keyword))
    }
}

impl Arguments {
    fn of(keyword: &str, text: &str, escape: char, depth: usize) -> Result<Self> {
        let line = || if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        let blanks = || if text.is_empty() { Vec::new() } else { split_blanks(text) };
        Ok(match keyword.to_lowercase().as_str() {
            "add" | "copy" | "volume" => json_words(text)?.map_or_else(|| Self::Words(blanks()), Self::Json),
            "cmd" | "entrypoint" | "run" | "shell" => Self::command(text)?,
            "arg" => Self::Words(split_words(text, escape)),
            "env" => Self::Pairs(pairs("ENV", text, escape)?),
            "label" => Self::Pairs(pairs("LABEL", text, escape)?),
            "expose" | "from" => Self::Words(blanks()),
            "healthcheck" if !text.is_empty() => {
                let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                Self::Check(kind.to_owned(), Box::new(Self::command(rest.trim_start())?))
            }
            "onbuild" if !text.is_empty() && depth < MAX_DEPTH => {
                Self::Nested(Box::new(Node::of_line(text, Vec::new(), escape, depth + 1)?))
            }
            "maintainer" | "stopsignal" | "user" | "workdir" => Self::Words(line()),
            _ => Self::Words(Vec::new()),
        })
    }

    /// The exec form, or the whole line.
    fn command(text: &str) -> Result<Self> {
        let words = || if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        Ok(json_words(text)?.map_or_else(|| Self::Words(words()), Self::Json))
    }
}

fn pairs(keyword: &str, text: &str, escape: char) -> Result<Vec<Pair>> {
    let words = split_words(text, escape);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let is_legacy = is_legacy(&words);
    let pairs = name_values(keyword, text, escape)?.into_iter();
    Ok(pairs.map(|(name, value)| Pair { name, value, is_legacy }).collect())
}

/// The flags at the beginning of a line without their quotes, and the rest of the line. Two dashes alone end them.
fn flags(line: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = line.trim_start();
    while rest.starts_with("--") {
        let mut flag = String::new();
        let mut quote = None;
        let mut end = rest.len();
        let mut characters = rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match (c, quote) {
                (c, None) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) if c == escape => flag.extend(characters.next().map(|(_, c)| c)),
                (c, _) => flag.push(c),
            }
        }
        rest = &rest[end..];
        if flag == "--" {
            break;
        }
        flags.push(flag);
        rest = rest.trim_start();
    }
    (flags, rest)
}

/// The escape character that a directive chooses.
fn escape(value: &str) -> Result<char> {
    match value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => Err(Error::Escape(other.to_owned())),
    }
}

/// Keeps a comment, or forgets those so far. Of an indented one docker keeps the sign.
fn comment(line: &str, comments: &mut Vec<String>) {
    let mut characters = line.chars();
    characters.next();
    match characters.as_str().trim() {
        "" => comments.clear(),
        comment => comments.push(comment.to_owned()),
    }
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
        let found: Vec<_> = nodes
            .iter()
            .map(|node| (node.lines.first, node.lines.last, node.keyword.as_str(), node.rest.as_str()))
            .collect();
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
        let long = format!("FROM a\nCMD {}", "a".repeat(MAX_LINE));
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
                    let lines = node.lines;
                    prop_assert!(before < lines.first && lines.first <= lines.last && lines.last <= count);
                    before = lines.last;
                }
            }
        }
    }
}

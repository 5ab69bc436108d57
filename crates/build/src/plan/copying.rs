//! COPY and ADD: what is copied, from where, and as whose.

use wharfie_oci::Digest;

use super::git::GitAddress;
use super::planner::Planner;
use super::states::Command;
use super::steps::{Effect, below};
use super::{Action, Copy, File, Mode, Source};
use crate::dockerfile::instruction::{self, Instruction};
use crate::dockerfile::{Style, quoted};
use crate::lint::judge;
use crate::path::{Glob, clean};
use crate::{Error, Result};

/// The words of an instruction, expanded.
struct Words {
    owner: String,
    mode: String,
    checksum: String,
    sources: Vec<String>,
    destination: String,
    files: Vec<File>,
}

/// What one instruction's repositories have in common, so far.
struct Wanted {
    checksum: String,
    keep_git_dir: Option<bool>,
}

impl Planner<'_> {
    pub(super) fn copy_step(&mut self, at: usize, command: &Command, copy: &instruction::Copy) -> Result<Effect> {
        let instruction = &command.instruction;
        let words = self.copy_words(at, instruction, copy)?;
        let from = command.origins.first().copied();
        if from.is_some_and(|from| !self.states.all[from].is_done) {
            let (from, stage) = (quoted(&copy.from), quoted(&self.states.all[at].numbering.stage));
            let text = format!("cannot copy from stage {from}, it needs to be defined before current stage {stage}");
            return Err(Error::new(text));
        }
        let destination = destination(&self.config(at).working_dir, &words.destination);
        let mode = if words.mode.is_empty() { None } else { Some(Mode::parse(&words.mode)?) };
        judge_checksum(&words)?;
        let label = Some(self.label(at, command, &instruction.written, self.style, &|_| None));
        let mut wanted = Wanted { checksum: words.checksum.clone(), keep_git_dir: copy.keep_git_dir };
        let mut sources = Vec::new();
        for source in &words.sources {
            sources.push(match remote(source, copy.is_add, &mut wanted)? {
                Some(remote) => remote,
                None => {
                    if from.is_none() {
                        judge::copied(instruction, source, copy.is_add, &self.request.ignore, self.linter);
                    }
                    local(source, copy.parents)
                }
            });
        }
        let created_by = Some(created_by(copy, &words));
        sources.extend(words.files.into_iter().map(Source::Inline));
        let copied = Copy {
            from: from.map(|from| self.origin(from)),
            sources,
            destination,
            owner: Some(words.owner).filter(|owner| !owner.is_empty()),
            mode,
            link: copy.link,
            parents: copy.parents,
            exclude: copy.exclude.clone(),
            is_add: copy.is_add,
            checksum: Some(wanted.checksum).filter(|checksum| !checksum.is_empty()),
            unpack: copy.unpack,
        };
        Ok(Effect { action: Action::Copy(Box::new(copied)), label, created_by })
    }

    fn copy_words(&mut self, at: usize, instruction: &Instruction, copy: &instruction::Copy) -> Result<Words> {
        let owner = self.word(at, instruction, &copy.owner)?;
        let mode = self.word(at, instruction, &copy.mode)?;
        let checksum = self.word(at, instruction, &copy.checksum)?;
        let mut sources = Vec::new();
        for source in &copy.sources {
            sources.push(self.word(at, instruction, source)?);
        }
        let destination = self.word(at, instruction, &copy.destination)?;
        let mut files = Vec::new();
        // A text keeps its quotes, and has the backslash whatever the file says.
        let style = Style { ignores_quotes: true, ..Style::of('\\') };
        for document in &copy.documents {
            let body = match document.expands {
                true => self.styled_word(at, instruction, &document.text, style)?,
                false => document.text.clone(),
            };
            files.push(File { name: document.name.clone(), body });
        }
        Ok(Words { owner, mode, checksum, sources, destination, files })
    }
}

/// `COPY --chown=1 a b # buildkit`.
fn created_by(copy: &instruction::Copy, words: &Words) -> String {
    let mut text = if copy.is_add { "ADD" } else { "COPY" }.to_owned();
    let mut add = |word: &str| {
        text.push(' ');
        text.push_str(word);
    };
    if copy.parents {
        add("--parents");
    }
    if !words.owner.is_empty() {
        add(&format!("--chown={}", words.owner));
    }
    if !words.mode.is_empty() {
        add(&format!("--chmod={}", words.mode));
    }
    words.sources.iter().for_each(|source| add(source));
    words.files.iter().for_each(|file| add(&format!("<<{}", file.name)));
    add(&words.destination);
    text.push_str(" # buildkit");
    text
}

/// Where files are copied to. A slash at the end stays, for it says that a folder is meant.
fn destination(folder: &str, path: &str) -> String {
    // What is empty is the working directory, not its root.
    let path = if matches!(path, "" | ".") { "./" } else { path };
    let whole = below(folder, path);
    match () {
        () if path.starts_with('/') || whole == "/" => whole,
        () if path.ends_with('/') => format!("{whole}/"),
        () if path.ends_with("/.") => format!("{whole}/."),
        () => whole,
    }
}

fn judge_checksum(words: &Words) -> Result<()> {
    match words.sources.as_slice() {
        _ if words.checksum.is_empty() => Ok(()),
        [source] if is_url(source) || GitAddress::is_git(source) => Ok(()),
        [_] => Err(Error::new("checksum requires HTTP(S) or Git sources")),
        _ => Err(Error::new("checksum can't be specified for multiple sources")),
    }
}

/// Whether a source is fetched.
pub(super) fn is_remote(source: &str) -> Result<bool> {
    Ok(is_url(source) || GitAddress::parse(source)?.is_some_and(|git| !git.may_be_path))
}

fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// What is fetched for a source; `None` if it is a path.
fn remote(source: &str, is_add: bool, wanted: &mut Wanted) -> Result<Option<Source>> {
    if let Some(git) = GitAddress::parse(source)?.filter(|git| !git.may_be_path) {
        if !is_add {
            return Err(Error::new("source can't be a git ref for COPY"));
        }
        if let (Some(flag), Some(own)) = (wanted.keep_git_dir, git.keep_git_dir)
            && flag != own
        {
            return Err(Error::new("inconsistent keep-git-dir configuration"));
        }
        wanted.keep_git_dir = git.keep_git_dir.or(wanted.keep_git_dir);
        let mut source = git.source;
        if let Some(own) = &source.checksum {
            if !wanted.checksum.is_empty() && wanted.checksum != *own {
                let (flag, own) = (quoted(&wanted.checksum), quoted(own));
                return Err(Error::new(format!("checksum mismatch {flag} != {own}")));
            }
            wanted.checksum.clone_from(own);
        }
        source.checksum = Some(wanted.checksum.clone()).filter(|checksum| !checksum.is_empty());
        source.keep_git_dir = wanted.keep_git_dir.unwrap_or(false);
        return Ok(Some(Source::Git(Box::new(source))));
    }
    if !is_url(source) {
        return Ok(None);
    }
    if !is_add {
        return Err(Error::new("source can't be a URL for COPY"));
    }
    if !wanted.checksum.is_empty() {
        wanted.checksum.parse::<Digest>().map_err(|why| Error::because("", Box::new(why)))?;
    }
    Ok(Some(Source::Url { url: source.to_owned(), name: file_name(source) }))
}

/// What a file from an address is called.
fn file_name(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let name = path.trim_end_matches('/').rsplit('/').next().and_then(super::git::unescaped);
    name.filter(|name| !name.is_empty() && name != ".").unwrap_or_else(|| "__unnamed__".to_owned())
}

fn local(source: &str, parents: bool) -> Source {
    if !parents {
        return Source::Path(below("/", source));
    }
    let (root, pattern) = source.split_once("/./").unwrap_or(("/", source));
    let pattern = below("/", pattern).trim_start_matches('/').to_owned();
    let is_required = !Glob::is_pattern(root) && !Glob::is_pattern(&pattern);
    Source::Below { root: clean(&below("/", root)), pattern, is_required }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_keep_what_says_folder() {
        let check = |folder: &str, path: &str, expected: &str| {
            assert_eq!(destination(folder, path), expected, "{folder} {path}");
        };
        check("/w", "a", "/w/a");
        check("/w", "a/", "/w/a/");
        check("/w", "a/.", "/w/a/.");
        check("/w", ".", "/w/");
        check("/w", "", "/w/");
        check("/", ".", "/");
        check("", "./", "/");
        check("/w", "/a/", "/a/");
        check("/w", "../a", "/a");
    }

    #[test]
    fn urls_name_files() {
        let check = |url: &str, expected: &str| assert_eq!(file_name(url), expected, "{url}");
        check("https://h/a/b.tar.gz?x=1#y", "b.tar.gz");
        check("https://h/a%20b", "a b");
        check("https://h/a/", "a");
        check("https://h/", "__unnamed__");
        check("https://h", "__unnamed__");
    }

    #[test]
    fn parents_have_a_pivot() {
        let check = |source: &str, root: &str, pattern: &str, is_required| {
            let expected = Source::Below { root: root.to_owned(), pattern: pattern.to_owned(), is_required };
            assert_eq!(local(source, true), expected, "{source}");
        };
        check("a/b", "/", "a/b", true);
        check("./a/*.txt", "/", "a/*.txt", false);
        check("x/./a/b", "/x", "a/b", true);
        check("x*/./a", "/x*", "a", false);
        check("/x/./y/./z", "/x", "y/z", true);
    }
}

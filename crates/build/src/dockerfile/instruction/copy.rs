//! COPY and ADD.

use super::flags::{Flags, Form};
use super::words;
use crate::dockerfile::{HereDocument, Node};
use crate::{Error, Result};

/// COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Whether it is ADD.
    pub is_add: bool,
    /// `--from`; empty if it was not given.
    pub from: String,
    /// `--chown`.
    pub owner: String,
    /// `--chmod`.
    pub mode: String,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: String,
    /// `--unpack`.
    pub unpack: Option<bool>,
    /// Paths and addresses.
    pub sources: Vec<String>,
    /// Here-documents.
    pub documents: Vec<Document>,
    /// Where to.
    pub destination: String,
}

/// A file whose text stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether variables in it are replaced.
    pub expands: bool,
}

pub(super) fn add(node: &Node) -> Result<Copy> {
    let known = [
        ("chown", Form::Text),
        ("chmod", Form::Text),
        ("link", Form::Switch),
        ("keep-git-dir", Form::Switch),
        ("checksum", Form::Text),
        ("unpack", Form::Switch),
        ("exclude", Form::Texts),
    ];
    of("ADD", node, &known)
}

pub(super) fn copy(node: &Node) -> Result<Copy> {
    let known = [
        ("chown", Form::Text),
        ("from", Form::Text),
        ("chmod", Form::Text),
        ("link", Form::Switch),
        ("exclude", Form::Texts),
        ("parents", Form::Switch),
    ];
    of("COPY", node, &known)
}

fn of(keyword: &str, node: &Node, known: &[(&'static str, Form)]) -> Result<Copy> {
    let [paths @ .., destination] = words(node) else { return Err(no_destination(keyword)) };
    if paths.is_empty() {
        return Err(no_destination(keyword));
    }
    let flags = Flags::read(&node.flags, known)?;
    let announced = |word: &str| HereDocument::of_word(word).ok().flatten();
    if announced(destination).is_some() {
        return Err(Error::new(format!("{keyword} cannot accept a heredoc as a destination")));
    }
    let mut sources = Vec::new();
    let mut documents = Vec::new();
    for path in paths {
        match announced(path) {
            Some(document) => documents.push(Document {
                // Of several with one name the last one's text is everybody's.
                text: node
                    .documents
                    .iter()
                    .rfind(|known| known.name == document.name)
                    .map(|known| HereDocument { drops_tabs: document.drops_tabs, ..known.clone() }.text())
                    .unwrap_or_default(),
                name: document.name,
                expands: document.expands,
            }),
            None => sources.push(path.clone()),
        }
    }
    Ok(Copy {
        is_add: keyword == "ADD",
        from: flags.text("from"),
        owner: flags.text("chown"),
        mode: flags.text("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        exclude: flags.texts("exclude"),
        keep_git_dir: flags.switch("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.switch("unpack"),
        sources,
        documents,
        destination: destination.clone(),
    })
}

fn no_destination(keyword: &str) -> Error {
    Error::new(format!(
        "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
    ))
}

//! What template text is made of.

use crate::render::quote::quote;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A mistake; its text says what is wrong.
    Error,
    /// The end of the template.
    Eof,
    /// Text outside actions.
    Text,
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// A run of blanks inside an action.
    Space,
    /// `true` or `false`.
    Bool,
    /// A printable character without another meaning.
    Char,
    /// `'x'`.
    CharConstant,
    /// `=`.
    Assign,
    /// `:=`.
    Declare,
    /// `.Name`.
    Field,
    /// A name.
    Identifier,
    /// `(`.
    LeftParen,
    /// `)`.
    RightParen,
    /// A number.
    Number,
    /// `|`.
    Pipe,
    /// `"…"`.
    Str,
    /// Text between backquotes.
    RawStr,
    /// `$` or `$name`.
    Variable,
    /// `.`.
    Dot,
    /// One of the words that steer.
    Keyword,
}

/// A token: its text and where it starts.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) pos: usize,
    pub(super) text: String,
}

impl Token {
    /// How messages show it.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.clone(),
            Kind::Keyword | Kind::Dot => format!("<{}>", self.text),
            _ if self.text.len() > 10 => format!("{}...", quote(&self.text.chars().take(10).collect::<String>())),
            _ => quote(&self.text),
        }
    }

    /// Whether it is this word.
    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.kind == Kind::Keyword && self.text == word
    }
}

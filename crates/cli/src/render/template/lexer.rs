//! Template text into tokens. Everything is read at once; a mistake becomes the last token, so that what stands before it is judged first.

use super::token::{Kind, Token};
use crate::render::quote::quote;

const KEYWORDS: [&str; 11] =
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"];
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// The tokens of `text`; the last one is `Eof` or `Error`.
pub(super) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, pos: 0, start: 0, parens: 0, tokens: Vec::new() };
    if let Err(message) = lexer.run() {
        lexer.tokens.push(Token { kind: Kind::Error, pos: lexer.start, text: message });
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    start: usize,
    parens: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.text[self.start..self.pos].to_owned();
        self.tokens.push(Token { kind, pos: self.start, text });
        self.start = self.pos;
    }

    fn skip(&mut self, bytes: usize) {
        self.pos += bytes;
        self.start = self.pos;
    }

    /// Alternates between text and actions up to the end.
    fn run(&mut self) -> Result<(), String> {
        loop {
            let Some(length) = self.rest().find(OPEN) else {
                self.pos = self.text.len();
                if self.pos > self.start {
                    self.emit(Kind::Text);
                }
                self.emit(Kind::Eof);
                return Ok(());
            };
            let trimmed = left_trim(&self.rest()[length + OPEN.len()..]);
            let text = &self.rest()[..length];
            let kept = if trimmed { text.trim_end_matches(is_space).len() } else { length };
            self.pos += kept;
            if kept > 0 {
                self.emit(Kind::Text);
            }
            self.skip(length - kept);
            self.open(trimmed)?;
        }
    }

    /// An action or a comment; its opening braces are next.
    fn open(&mut self, trimmed: bool) -> Result<(), String> {
        let marker = if trimmed { TRIM_BYTES } else { 0 };
        if self.rest()[OPEN.len() + marker..].starts_with("/*") {
            self.skip(OPEN.len() + marker);
            let end = self.rest().find("*/").ok_or("unclosed comment")?;
            self.pos += end + 2;
            let Some(trims) = self.at_close() else {
                return Err("comment ends before closing delimiter".to_owned());
            };
            self.close(trims, false);
            return Ok(());
        }
        self.pos += OPEN.len();
        self.emit(Kind::Open);
        self.skip(marker);
        self.parens = 0;
        self.inside()
    }

    /// Whether an action ends here, and whether it trims the text after it.
    fn at_close(&self) -> Option<bool> {
        let rest = self.rest();
        if right_trim(rest) && rest[TRIM_BYTES..].starts_with(CLOSE) {
            return Some(true);
        }
        rest.starts_with(CLOSE).then_some(false)
    }

    fn close(&mut self, trims: bool, emit: bool) {
        self.skip(if trims { TRIM_BYTES } else { 0 });
        self.pos += CLOSE.len();
        if emit {
            self.emit(Kind::Close);
        }
        let rest = self.rest();
        self.skip(if trims { rest.len() - rest.trim_start_matches(is_space).len() } else { 0 });
    }

    fn inside(&mut self) -> Result<(), String> {
        loop {
            if let Some(trims) = self.at_close() {
                if self.parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                self.close(trims, true);
                return Ok(());
            }
            let c = self.next().ok_or("unclosed action")?;
            match c {
                c if is_space(c) => self.space(),
                '=' => self.emit(Kind::Assign),
                ':' => {
                    if self.next() != Some('=') {
                        return Err("expected :=".to_owned());
                    }
                    self.emit(Kind::Declare);
                }
                '|' => self.emit(Kind::Pipe),
                '"' => self.quoted('"', "unterminated quoted string", Kind::Str)?,
                '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
                '`' => {
                    let end = self.rest().find('`').ok_or("unterminated raw quoted string")?;
                    self.pos += end + 1;
                    self.emit(Kind::RawStr);
                }
                '$' => self.name(Kind::Variable, Kind::Variable)?,
                '.' if self.peek().is_some_and(|c| !c.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot)?,
                '.' | '+' | '-' | '0'..='9' => {
                    self.pos = self.start;
                    self.number()?;
                }
                c if is_word(c) => self.word()?,
                '(' => {
                    self.emit(Kind::LeftParen);
                    self.parens += 1;
                }
                ')' => {
                    self.parens = self.parens.checked_sub(1).ok_or("unexpected right paren")?;
                    self.emit(Kind::RightParen);
                }
                ' '..='~' => self.emit(Kind::Char),
                c => return Err(format!("unrecognized character in action: {}", code_point(c))),
            }
        }
    }

    /// A run of blanks, of which the last may belong to ` -}}`.
    fn space(&mut self) {
        let mut last = self.start;
        while self.peek().is_some_and(is_space) {
            last = self.pos;
            self.pos += 1;
        }
        let end = self.pos;
        self.pos = last;
        if self.at_close() == Some(true) {
            if last > self.start {
                self.emit(Kind::Space);
            }
        } else {
            self.pos = end;
            self.emit(Kind::Space);
        }
    }

    fn word(&mut self) -> Result<(), String> {
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        self.terminated()?;
        let word = &self.text[self.start..self.pos];
        let kind = match word {
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    /// What follows `.` or `$`; `bare` if nothing does.
    fn name(&mut self, kind: Kind, bare: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(bare);
            return Ok(());
        }
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        self.terminated()?;
        self.emit(kind);
        Ok(())
    }

    fn terminated(&self) -> Result<(), String> {
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(format!("bad character {}", code_point(c))),
            _ => Ok(()),
        }
    }

    fn at_terminator(&self) -> bool {
        self.peek().is_none_or(|c| is_space(c) || ".,|:)(".contains(c)) || self.rest().starts_with(CLOSE)
    }

    fn quoted(&mut self, mark: char, unterminated: &str, kind: Kind) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                Some(c) if c == mark => break,
                None | Some('\n' | '\\') => return Err(unterminated.to_owned()),
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// Anything like a number; whether it is one is found when it is read.
    fn number(&mut self) -> Result<(), String> {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        while self.accept(digits) {}
        if self.accept(".") {
            while self.accept(digits) {}
        }
        if digits.len() == 11 && self.accept("eE") {
            self.accept("+-");
            while self.accept("0123456789_") {}
        }
        if self.peek().is_some_and(|c| is_word(c) || matches!(c, '+' | '-')) {
            self.next();
            return Err(format!("bad number syntax: {}", quote(&self.text[self.start..self.pos])));
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.pos += 1;
        }
        found
    }
}

/// `- ` after the opening braces, and ` -` before the closing ones.
const TRIM_BYTES: usize = 2;

fn left_trim(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

fn right_trim(rest: &str) -> bool {
    rest.strip_prefix(is_space).is_some_and(|rest| rest.starts_with('-'))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// `U+007D '}'`.
fn code_point(c: char) -> String {
    let code = format!("U+{:04X}", c as u32);
    if c.is_control() { code } else { format!("{code} '{c}'") }
}

//! Tokens into a tree. Decides what a template means; whether fields exist is found when it runs.

use std::collections::BTreeMap;

use super::ast::{Branch, Invocation, List, Node};
use super::error::ParseError;
use super::lexer::lex;
use super::literal::unquote;
use super::token::{Kind, Token};
use crate::render::quote::quote;

/// Parentheses and control actions inside each other, at most: what keeps hostile templates from exhausting the stack.
const MAX_DEPTH: usize = 100;

/// Named templates.
pub(super) type Definitions = BTreeMap<String, List>;

/// Reads a whole template: its own list under the empty name, and those it defines.
pub(super) fn parse(text: &str) -> Result<Definitions, ParseError> {
    let mut parser = Parser {
        text,
        tokens: lex(text),
        next: 0,
        furthest: 0,
        action_line: 0,
        scope: Scope::new(),
        depth: 0,
        defined: Definitions::new(),
    };
    let root = parser.top()?;
    parser.define(String::new(), root)?;
    Ok(parser.defined)
}

/// What names mean at one place.
pub(super) struct Scope {
    pub(super) variables: Vec<String>,
    ranges: usize,
}

impl Scope {
    fn new() -> Scope {
        Scope { variables: vec!["$".to_owned()], ranges: 0 }
    }
}

/// Where in the tokens reading stands, and what it knows there.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    pub(super) next: usize,
    furthest: usize,
    /// The line on which the action being read began, or 0.
    action_line: usize,
    pub(super) scope: Scope,
    depth: usize,
    defined: Definitions,
}

/// What ended a list.
enum End {
    End,
    /// `else`; if another control word follows at once, it is next.
    Else,
}

impl End {
    fn shown(&self) -> &'static str {
        match self {
            End::End => "{{end}}",
            End::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    End(End),
}

/// What reading gives.
pub(super) type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    pub(super) fn peek(&mut self) -> &Token {
        self.furthest = self.furthest.max(self.next);
        &self.tokens[self.next]
    }

    /// The last token is never passed: there is always one to look at.
    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn peek_word(&mut self) -> &Token {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    pub(super) fn take_word(&mut self) -> Token {
        self.peek_word();
        self.take()
    }

    fn line(&self, pos: usize) -> usize {
        1 + self.text[..pos].bytes().filter(|&byte| byte == b'\n').count()
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let line = self.line(self.tokens[self.furthest].pos);
        Err(ParseError { line, message: message.into() })
    }

    pub(super) fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.shown()));
        }
        let line = self.action_line;
        if line == 0 || line == self.line(token.pos) {
            return self.fail(token.text.clone());
        }
        let began = if token.text.ends_with(" action") { "" } else { " in action" };
        self.fail(format!("{}{began} started at :{line}", token.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// Runs `inner` one level deeper.
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.fail(format!("nested more than {MAX_DEPTH} levels deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Keeps a template under its name: of two with content, neither wins.
    fn define(&mut self, name: String, list: List) -> Parsed<()> {
        let is_empty = |list: &List| list.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        match self.defined.get(&name) {
            Some(old) if !is_empty(old) => {
                if !is_empty(&list) {
                    return self.fail(format!("template: multiple definition of template {}", quote(&name)));
                }
            }
            _ => {
                self.defined.insert(name, list);
            }
        }
        Ok(())
    }

    fn top(&mut self) -> Parsed<List> {
        let mut list = List::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::Open {
                let open = self.next;
                self.take();
                if self.peek_word().is_keyword("define") {
                    self.take();
                    self.definition()?;
                    continue;
                }
                self.next = open;
            }
            match self.item()? {
                Item::Node(node) => list.push(node),
                Item::End(end) => return self.fail(format!("unexpected {}", end.shown())),
            }
        }
        Ok(list)
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let name = self.take_word();
        let name = self.template_name(&name, context)?;
        self.expect(Kind::Close, context)?;
        let list = self.separate_list(context)?;
        self.define(name, list)
    }

    /// The list of a template of its own: it sees no variables and no loop from outside.
    fn separate_list(&mut self, context: &str) -> Parsed<List> {
        let outside = std::mem::replace(&mut self.scope, Scope::new());
        let (list, end) = self.deeper(Self::list)?;
        self.scope = outside;
        match end {
            End::End => Ok(list),
            End::Else => self.fail(format!("unexpected {} in {context}", end.shown())),
        }
    }

    fn template_name(&self, token: &Token, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return self.unexpected(token, context);
        }
        unquote(&token.text).or_else(|message| self.fail(message))
    }

    /// Everything up to `end` or `else`.
    fn list(&mut self) -> Parsed<(List, End)> {
        let mut list = List::new();
        while self.peek_word().kind != Kind::Eof {
            match self.item()? {
                Item::Node(node) => list.push(node),
                Item::End(end) => return Ok((list, end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::Open => {
                self.action_line = self.line(token.pos);
                let item = self.action()?;
                self.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let word = self.peek_word().clone();
        if word.kind == Kind::Keyword && word.text != "nil" && word.text != "define" {
            self.take();
        }
        let node = match (word.kind, word.text.as_str()) {
            (Kind::Keyword, "block") => self.block()?,
            (Kind::Keyword, "break") => self.leave("{{break}}", Node::Break)?,
            (Kind::Keyword, "continue") => self.leave("{{continue}}", Node::Continue)?,
            (Kind::Keyword, "else") => {
                let next = self.peek_word();
                if !next.is_keyword("if") && !next.is_keyword("with") {
                    self.expect(Kind::Close, "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            (Kind::Keyword, "end") => {
                self.expect(Kind::Close, "end")?;
                return Ok(Item::End(End::End));
            }
            (Kind::Keyword, "if") => Node::If(self.branch("if")?),
            (Kind::Keyword, "range") => Node::Range(self.branch("range")?),
            (Kind::Keyword, "with") => Node::With(self.branch("with")?),
            (Kind::Keyword, "template") => self.template()?,
            _ => Node::Action(self.pipeline("command", Kind::Close)?),
        };
        Ok(Item::Node(node))
    }

    fn leave(&mut self, shown: &str, node: Node) -> Parsed<Node> {
        self.expect(Kind::Close, shown)?;
        if self.scope.ranges == 0 {
            return self.fail(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::Close)?;
        let list = self.separate_list(context)?;
        self.define(name.clone(), list)?;
        Ok(Node::Template(Invocation { pos: token.pos, name, pipe: Some(pipe) }))
    }

    fn template(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipe = if self.peek_word().kind == Kind::Close {
            self.take();
            None
        } else {
            Some(self.pipeline(context, Kind::Close)?)
        };
        Ok(Node::Template(Invocation { pos: token.pos, name, pipe }))
    }

    fn branch(&mut self, word: &str) -> Parsed<Branch> {
        self.deeper(|parser| {
            let mark = parser.scope.variables.len();
            let pipe = parser.pipeline(word, Kind::Close)?;
            let ranges = usize::from(word == "range");
            parser.scope.ranges += ranges;
            let (then, end) = parser.list()?;
            parser.scope.ranges -= ranges;
            let otherwise = match end {
                End::End => None,
                End::Else => Some(parser.otherwise(word)?),
            };
            parser.scope.variables.truncate(mark);
            Ok(Branch { pipe, then, otherwise })
        })
    }

    /// What follows `else`. `else if` and `else with` share the `end` of the action they belong to.
    fn otherwise(&mut self, word: &str) -> Parsed<List> {
        if matches!(word, "if" | "with") && self.peek().is_keyword(word) {
            self.take();
            let branch = self.branch(word)?;
            return Ok(vec![if word == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        let (list, end) = self.list()?;
        match end {
            End::End => Ok(list),
            End::Else => self.fail(format!("expected end; found {}", end.shown())),
        }
    }
}

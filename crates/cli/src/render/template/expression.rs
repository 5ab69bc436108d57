//! What stands inside actions: pipelines, declarations, commands and operands.

use std::rc::Rc;

use super::ast::{Command, Operand, Pipeline, Term};
use super::functions::Function;
use super::literal::{Number, unquote};
use super::parser::{Parsed, Parser};
use super::token::Kind;
use crate::render::quote::quote;

impl Parser<'_> {
    /// A pipeline up to `end`.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipeline> {
        let pos = self.peek_word().pos;
        let mut pipe = Pipeline { pos, variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {}
                Kind::Keyword if token.text == "nil" => {}
                _ => return self.unexpected(&token, context),
            }
            self.next -= 1;
            let command = self.command()?;
            pipe.commands.push(command);
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(command.args[0].what, Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Str(..)) {
                return self.fail(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, and in a range also `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipeline, context: &str) -> Parsed<()> {
        while self.peek_word().kind == Kind::Variable {
            let before = self.next;
            let variable = self.take();
            let next = self.peek_word().clone();
            let is_comma = next.kind == Kind::Char && next.text == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.next = before;
                return Ok(());
            }
            self.take();
            pipe.variables.push(variable.text.clone());
            self.scope.variables.push(variable.text);
            if !is_comma {
                pipe.assigns = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() > 1 {
                return self.fail(format!("too many declarations in {context}"));
            }
            if !matches!(self.peek_word().kind, Kind::Variable | Kind::Close | Kind::RightParen) {
                return self.fail("range can only initialize variables");
            }
        }
        Ok(())
    }

    /// One command; a `|` after it is consumed, what ends the pipeline is not.
    fn command(&mut self) -> Parsed<Command> {
        let pos = self.peek_word().pos;
        let mut args = Vec::new();
        loop {
            self.peek_word();
            args.extend(self.operand()?);
            let token = self.peek().clone();
            match token.kind {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => break,
                Kind::Pipe => {
                    self.take();
                    break;
                }
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if args.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { pos, args })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        let pos = self.peek().pos;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.take().text[1..].to_owned());
        }
        if names.is_empty() {
            return Ok(Some(operand));
        }
        match &mut operand.what {
            Term::Field(fields) | Term::Variable(fields) => {
                fields.append(&mut names);
                operand.pos = pos;
                Ok(Some(operand))
            }
            Term::Bool(_) | Term::Str(..) | Term::Number(_) | Term::Nil | Term::Dot => {
                self.fail(format!("unexpected . after term {}", quote(&operand.to_string())))
            }
            _ => Ok(Some(Operand { pos, what: Term::Chain(Box::new(operand), names) })),
        }
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek_word().clone();
        let what = match token.kind {
            Kind::Identifier => match Function::named(&token.text) {
                Some(function) => Term::Function(function),
                None => return self.fail(format!("function {} not defined", quote(&token.text))),
            },
            Kind::Dot => Term::Dot,
            Kind::Keyword if token.text == "nil" => Term::Nil,
            Kind::Variable if self.scope.variables.contains(&token.text) => Term::Variable(vec![token.text]),
            Kind::Variable => return self.fail(format!("undefined variable {}", quote(&token.text))),
            Kind::Field => Term::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Number => Term::Number(Number::parse(&token.text).or_else(|message| self.fail(message))?),
            Kind::CharConstant => Term::Number(Number::parse_char(&token.text).or_else(|message| self.fail(message))?),
            Kind::LeftParen => {
                self.take();
                let pipe = self.deeper(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand { pos: pipe.pos, what: Term::Pipeline(Box::new(pipe)) }));
            }
            Kind::Str | Kind::RawStr => {
                let text = unquote(&token.text).or_else(|message| self.fail(message))?;
                Term::Str(Rc::from(text), token.text)
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(Operand { pos: token.pos, what }))
    }
}

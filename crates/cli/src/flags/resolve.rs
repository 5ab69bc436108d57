//! From the program's words to the command that runs: global flags, the walk down the tree, help, argument counts.

use super::command::{Arity, Command, Entry};
use super::error::UsageError;
use super::help::{self, Place};
use super::matches::Matches;
use super::parse::{Words, parse_words};

/// What the words ask for.
pub enum Parsed<R: 'static> {
    /// Run a command.
    Run(Invocation<R>),
    /// Print `text` (it ends in a newline) and leave with exit code 0.
    Help {
        /// What to print.
        text: String,
        /// Where to print it: stdout when help was asked for, stderr when a command was missing.
        stream: Stream,
        /// A line to print before it.
        note: Option<(&'static str, Stream)>,
    },
    /// Print the program's version and leave with exit code 0.
    Version,
}

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Data.
    Stdout,
    /// Everything else.
    Stderr,
}

/// A command with its words.
pub struct Invocation<R: 'static> {
    /// What to call.
    pub run: R,
    /// The command that this is.
    pub command: &'static Command<R>,
    /// The command's own flags and arguments.
    pub matches: Matches,
    /// The flags before the command word.
    pub globals: Matches,
    /// The command's full path, for example `wharfie image ls`; aliases are replaced by the name they stand for.
    pub path: String,
}

/// Reads the words after the program's name. `program` is the name to show, `root` the tree: its flags are the global ones, which count only
/// before the command word. Help is broken at `columns`, or nowhere if that is 0.
///
/// # Errors
/// Unknown flags and commands, missing or bad values, wrong argument counts: see [`UsageError`].
pub fn parse<R: Copy>(
    root: &'static Command<R>,
    program: &str,
    words: &[String],
    columns: usize,
) -> Result<Parsed<R>, UsageError> {
    let mut place = Place { root, command: root, path: vec![program], columns };
    let global = read(&place, words, false)?;
    if global.matches.flags_version() {
        return Ok(Parsed::Version);
    }
    let mut rest: Vec<String> = global.matches.args().to_vec();
    if global.help {
        return Ok(shown(&place, Stream::Stdout, global.short_help));
    }
    if rest.first().is_some_and(|word| word == "help") && root.entry("help").is_none() {
        return topic(place, &rest[1..]);
    }
    loop {
        if !place.command.is_group() {
            return leaf(&place, &rest, global.matches);
        }
        let found = rest.first().and_then(|word| place.command.entry(word));
        if let Some(entry) = found {
            place.enter(entry);
            rest.remove(0);
            continue;
        }
        // A group may do something by itself, with words that are no commands of it: `scan IMAGE` beside `scan db`.
        if place.command.run.is_some() {
            return leaf(&place, &rest, global.matches);
        }
        // Flags after a word that is no command are the program's own, as with docker.
        let is_root = place.path.len() == 1;
        let words = read(&place, &rest, is_root || place.command.interspersed)?;
        if is_root && words.matches.flags_version() {
            return Ok(Parsed::Version);
        }
        if words.help {
            return Ok(shown(&place, Stream::Stdout, words.short_help));
        }
        return match words.matches.arg(0) {
            None => Ok(shown(&place, Stream::Stderr, false)),
            Some(word) => {
                let known: Vec<&str> =
                    place.command.subcommands.iter().filter(|entry| !entry.hidden).map(|entry| entry.name).collect();
                let usage = Some(place.usage_line()).filter(|_| !is_root);
                Err(UsageError::unknown_command(program, &place.path(), word, &known, usage.as_deref()))
            }
        };
    }
}

impl Matches {
    /// Whether a switch called `version` is declared and on.
    fn flags_version(&self) -> bool {
        self.declares("version") && self.flag("version")
    }
}

impl<R> Place<'_, R> {
    fn enter(&mut self, entry: &'static Entry<R>) {
        self.path.push(entry.name);
        self.command = entry.command;
    }
}

fn read<R>(place: &Place<'_, R>, words: &[String], interspersed: bool) -> Result<Words, UsageError> {
    parse_words(place.command, words, interspersed)
        .map_err(|why| UsageError::flag(&why.message, why.help, &place.path(), &place.usage_line()))
}

fn shown<R>(place: &Place<'_, R>, stream: Stream, short: bool) -> Parsed<R> {
    // As docker has it: the program's own flags speak elsewhere than those of its commands.
    let note_stream = if place.path.len() == 1 { Stream::Stderr } else { stream };
    let note = short.then_some(("Flag shorthand -h has been deprecated, use --help", note_stream));
    Parsed::Help { text: help::text(place), stream, note }
}

/// `help WORD…`: help of the command the words lead to.
fn topic<R>(mut place: Place<'_, R>, words: &[String]) -> Result<Parsed<R>, UsageError> {
    let mut rest = words;
    while let Some((word, tail)) = rest.split_first() {
        let Some(entry) = place.command.entry(word) else {
            break;
        };
        place.enter(entry);
        rest = tail;
    }
    match rest {
        [] => Ok(shown(&place, Stream::Stdout, false)),
        rest => Err(UsageError::unknown_topic(&rest.join(" "))),
    }
}

fn leaf<R: Copy>(place: &Place<'_, R>, words: &[String], globals: Matches) -> Result<Parsed<R>, UsageError> {
    let command = place.command;
    let words = read(place, words, command.interspersed)?;
    if words.help {
        return Ok(shown(place, Stream::Stdout, words.short_help));
    }
    if let Some((rule, see)) = broken_rule(command.arity, words.matches.args().len()) {
        return Err(UsageError::count(place.path[0], &rule, &place.path(), &place.usage_line(), see));
    }
    let run = command.run.expect("a command without subcommands can run");
    Ok(Parsed::Run(Invocation { run, command, matches: words.matches, globals, path: place.path() }))
}

/// The rule that `count` arguments break, and whether its message ends with `See`.
fn broken_rule(arity: Arity, count: usize) -> Option<(String, bool)> {
    let arguments = |n: usize| {
        if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") }
    };
    match arity {
        Arity::None if count > 0 => Some(("accepts no arguments".to_owned(), false)),
        Arity::Exact(n) if count != n => Some((format!("requires {}", arguments(n)), false)),
        Arity::AtLeast(n) if count < n => Some((format!("requires at least {}", arguments(n)), true)),
        Arity::AtMost(n) if count > n => Some((format!("requires at most {}", arguments(n)), false)),
        Arity::Range(low, high) if count < low || count > high => {
            Some((format!("requires at least {low} and at most {}", arguments(high)), false))
        }
        _ => None,
    }
}

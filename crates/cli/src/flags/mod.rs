//! The command line: a static tree of commands and flags, its grammar, its error texts, and everything generated from it (help, shell
//! completion, manual pages). The grammar is POSIX/GNU; the texts are the ones scripts already match on.
//!
//! The tree knows nothing about what commands do: `R` is whatever the program wants to call, usually a function pointer.

mod command;
mod completion;
mod error;
mod help;
mod manpage;
mod matches;
mod parse;
mod resolve;
mod typed;
mod wrap;

pub use command::{Argument, Arity, Check, Command, Complete, Entry, Example, Flag, Kind, Needs};
pub use completion::{Shell, completion};
pub use error::UsageError;
pub use help::help;
pub use manpage::manpage;
pub use matches::Matches;
pub use resolve::{Invocation, Parsed, Stream, parse};
pub use typed::{Conditions, Number, Switch, Text, Texts, Typed};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

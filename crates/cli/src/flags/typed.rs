//! Flags with the type of what they say. A command declares constants of these types and asks for them by name, so that a name
//! that is misspelt, or read as something else than it is, does not compile.

use std::marker::PhantomData;

use super::command::{Check, Complete, Flag, Kind};
use super::matches::Matches;

/// A flag whose value is read as `T`.
#[derive(Debug)]
pub struct Typed<T: ?Sized> {
    flag: Flag,
    value: PhantomData<T>,
}

/// Present or not.
pub type Switch = Typed<bool>;

/// One text, or none.
pub type Text = Typed<str>;

/// One whole number, 0 unless said.
pub type Number = Typed<i64>;

/// Any number of texts.
pub type Texts = Typed<[String]>;

/// Any number of `name=value`.
pub type Conditions = Typed<[(String, String)]>;

/// What a flag can be read as.
pub trait Value {
    /// What it is when it is read.
    type Read<'a>;

    /// Reads the flag `long`.
    fn read<'a>(matches: &'a Matches, long: &str) -> Self::Read<'a>;
}

impl Switch {
    /// A switch, off unless given.
    pub const fn new(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::bool(long, help))
    }
}

impl Text {
    /// One text.
    pub const fn new(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::str(long, help))
    }
}

impl Number {
    /// One whole number.
    pub const fn new(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::int(long, help))
    }
}

impl Texts {
    /// A list, one value each time.
    pub const fn new(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::list(long, help))
    }

    /// A list whose values may be separated by commas.
    pub const fn of_commas(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::comma_list(long, help))
    }
}

impl Conditions {
    /// A list of `name=value` conditions.
    pub const fn new(long: &'static str, help: &'static str) -> Self {
        Self::of(Flag::filter(long, help))
    }
}

impl<T: ?Sized> Typed<T> {
    const fn of(flag: Flag) -> Self {
        Self { flag, value: PhantomData }
    }

    /// The flag as a command declares it.
    pub const fn flag(&self) -> Flag {
        self.flag
    }

    /// The name after `--`.
    pub const fn long(&self) -> &'static str {
        self.flag.long
    }

    /// Gives it a letter.
    pub const fn short(self, short: char) -> Self {
        Self::of(self.flag.short(short))
    }

    /// The value when not given: `true` for a switch that is on, a number or a text.
    pub const fn default(self, default: &'static str) -> Self {
        Self::of(self.flag.default(default))
    }

    /// Names its value in help.
    pub const fn value_name(self, name: &'static str) -> Self {
        Self::of(self.flag.value_name(name))
    }

    /// Leaves it out of help.
    pub const fn hidden(self) -> Self {
        Self::of(self.flag.hidden())
    }

    /// Marks what docker has and we have not.
    pub const fn unsupported(self) -> Self {
        Self::of(self.flag.unsupported())
    }

    /// What a shell offers for its value, instead of files.
    pub const fn complete(self, complete: Complete) -> Self {
        Self::of(self.flag.complete(complete))
    }

    /// Checks each value while parsing.
    pub const fn check(self, check: Check) -> Self {
        Self::of(self.flag.check(check))
    }

    /// Another spelling of this flag, which help leaves out.
    pub const fn also(&self, long: &'static str) -> Flag {
        let kind = match self.flag.kind {
            Kind::Bool => Flag::bool(long, self.flag.help),
            Kind::Str => Flag::str(long, self.flag.help),
            Kind::Int => Flag::int(long, self.flag.help),
            Kind::List => Flag::list(long, self.flag.help),
            Kind::CommaList => Flag::comma_list(long, self.flag.help),
            Kind::Filter => Flag::filter(long, self.flag.help),
        };
        let flag = kind.hidden().alias_of(self.flag.long).complete(self.flag.complete).value_name(self.flag.value_name);
        match self.flag.check {
            Some(check) => flag.check(check),
            None => flag,
        }
    }
}

impl Value for bool {
    type Read<'a> = bool;

    fn read(matches: &Matches, long: &str) -> bool {
        matches.flag(long)
    }
}

impl Value for str {
    /// The last value given, else the declared default, else nothing.
    type Read<'a> = Option<&'a str>;

    fn read<'a>(matches: &'a Matches, long: &str) -> Option<&'a str> {
        matches.value(long)
    }
}

impl Value for i64 {
    type Read<'a> = i64;

    fn read(matches: &Matches, long: &str) -> i64 {
        matches.int(long)
    }
}

impl Value for [String] {
    type Read<'a> = &'a [String];

    fn read<'a>(matches: &'a Matches, long: &str) -> &'a [String] {
        matches.values(long)
    }
}

impl Value for [(String, String)] {
    /// Names in lower case, names and values without blanks around them, empty ones left out.
    type Read<'a> = Vec<(String, String)>;

    fn read(matches: &Matches, long: &str) -> Self::Read<'static> {
        matches.filters(long)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::super::resolve::{Invocation, Parsed, parse};
    use super::*;

    const ALL: Switch = Switch::new("all", "").short('a');
    const NAME: Text = Text::new("name", "").default("web");
    const LAST: Number = Number::new("last", "");
    const ENV: Texts = Texts::new("env", "").short('e');
    const PLATFORM: Texts = Texts::of_commas("platform", "");
    const FILTER: Conditions = Conditions::new("filter", "");
    const NETWORK: Text = Text::new("network", "");
    const STRANGER: Switch = Switch::new("stranger", "");

    static ROOT: Command<()> = Command {
        flags: &[
            ALL.flag(),
            NAME.flag(),
            LAST.flag(),
            ENV.flag(),
            PLATFORM.flag(),
            FILTER.flag(),
            NETWORK.flag(),
            NETWORK.also("net"),
        ],
        run: Some(()),
        ..Command::BASE
    };

    fn matches(words: &[&str]) -> Matches {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match parse(&ROOT, "wharfie", &words, 0) {
            Ok(Parsed::Run(Invocation { globals, .. })) => globals,
            _ => panic!("{words:?} is refused"),
        }
    }

    #[test]
    fn flags_say_what_their_type_promises() {
        let said = matches(&["-a", "--last", "3", "-e", "A=1", "-e", "B", "--platform=a,b", "--filter", " Name =x "]);
        assert!(said.get(&ALL) && said.is_given(&ALL) && !said.is_given(&NAME));
        assert_eq!((said.get(&NAME), said.get(&LAST)), (Some("web"), 3));
        assert_eq!(
            (said.get(&ENV), said.get(&PLATFORM)),
            (&["A=1".to_owned(), "B".to_owned()][..], &["a".to_owned(), "b".to_owned()][..])
        );
        assert_eq!(said.get(&FILTER), [("name".to_owned(), "x".to_owned())]);
        assert_eq!((said.get(&NETWORK), said.find(&STRANGER)), (None, None));
    }

    #[test]
    fn another_spelling_says_the_same() {
        assert_eq!(matches(&["--net", "host"]).get(&NETWORK), Some("host"));
    }

    #[test]
    #[should_panic(expected = "flag --stranger is declared by the command that asks for it")]
    fn a_flag_that_is_not_declared_is_not_asked_for() {
        matches(&[]).get(&STRANGER);
    }
}

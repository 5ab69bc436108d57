//! The shape of the command tree. Everything is `const`: building the tree costs nothing at start-up.

/// One command or group of commands. The same static may be entered under several names (`images`, `image ls`, `image list`).
///
/// Write statics as `Command { about: "…", ..Command::BASE }`.
pub struct Command<R: 'static> {
    /// One line for lists of commands.
    pub about: &'static str,
    /// What follows the command's path in its usage line, for example `[OPTIONS] [REPOSITORY[:TAG]]`.
    pub usage: &'static str,
    /// How many positional arguments are accepted.
    pub arity: Arity,
    /// What the positional arguments can be, where that is more than the usage says: groups of words, each with what it means.
    pub arguments: &'static [&'static [Argument]],
    /// Its flags; `--help` is understood by every command and not listed.
    pub flags: &'static [Flag],
    /// The commands below a group; empty for a command that runs.
    pub subcommands: &'static [Entry<R>],
    /// What `--help` ends with.
    pub examples: &'static [Example],
    /// Whether flags may follow positional arguments.
    pub interspersed: bool,
    /// What a shell offers for positional arguments.
    pub complete: Complete,
    /// What it has to have before it begins.
    pub needs: Needs,
    /// The exit code if it does not even begin.
    pub not_begun: u8,
    /// What to call; `None` for groups.
    pub run: Option<R>,
}

impl<R: 'static> Command<R> {
    /// A command without anything, to be completed by struct update.
    pub const BASE: Command<R> = Command {
        about: "",
        usage: "",
        arity: Arity::None,
        arguments: &[],
        flags: &[],
        subcommands: &[],
        examples: &[],
        interspersed: true,
        complete: Complete::Nothing,
        needs: Needs::Nothing,
        not_begun: 1,
        run: None,
    };

    /// The flag with this long name, if declared.
    pub fn flag(&self, long: &str) -> Option<&'static Flag> {
        self.flags.iter().find(|flag| flag.long == long)
    }

    /// The entry reached by `word`: by its name first, by an alias else.
    pub fn entry(&self, word: &str) -> Option<&'static Entry<R>> {
        let entries = self.subcommands.iter();
        entries.clone().find(|e| e.name == word).or_else(|| entries.clone().find(|e| e.aliases.contains(&word)))
    }

    /// Whether this is a group of commands.
    pub fn is_group(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

/// How a positional argument can be written, and what it means then.
pub type Argument = (&'static str, &'static str);

/// A command under a name, in a group.
pub struct Entry<R: 'static> {
    /// The word that reaches the command; messages show this one even when an alias was typed.
    pub name: &'static str,
    /// Other words for it at this place.
    pub aliases: &'static [&'static str],
    /// The command itself.
    pub command: &'static Command<R>,
    /// Whether top-level help lists it among the common commands.
    pub common: bool,
    /// Whether lists of commands leave it out.
    pub hidden: bool,
}

impl<R: 'static> Entry<R> {
    /// Enters `command` as `name`.
    pub const fn new(name: &'static str, command: &'static Command<R>) -> Self {
        Entry { name, aliases: &[], command, common: false, hidden: false }
    }

    /// Adds other words that reach it.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Lists it among the common commands.
    pub const fn common(mut self) -> Self {
        self.common = true;
        self
    }

    /// Leaves it out of lists.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

/// A worked example: what it does, and the words after the program's name.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// What it shows, one line.
    pub text: &'static str,
    /// The command line without the program's name, for example `images -q`.
    pub command: &'static str,
}

/// How much an ordinary user's command needs to be in the user namespace where the files of containers' users are the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Not at all.
    Nothing,
    /// There may be files that it does not see without.
    Sight,
    /// As [`Self::Sight`], if it is asked for sizes.
    SightForSizes,
    /// Without it there is nothing to do.
    Namespace,
}

/// How many positional arguments a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// None at all.
    None,
    /// Exactly this many.
    Exact(usize),
    /// This many or more.
    AtLeast(usize),
    /// This many or fewer.
    AtMost(usize),
    /// Between the two, both included.
    Range(usize, usize),
    /// Any number; the command checks for itself.
    Any,
}

/// What a shell should offer for positional arguments, or for a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// Nothing.
    Nothing,
    /// Names of local images.
    Images,
    /// Names of local images, what says where others are, and files.
    Places,
    /// Names of containers.
    Containers,
    /// Names of volumes.
    Volumes,
    /// Names of networks.
    Networks,
    /// Names of all of these.
    Everything,
    /// Files and folders.
    Files,
    /// One of these words.
    Words(&'static [&'static str]),
}

/// What values a flag takes and how repeated ones add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Present or not; never takes the next word.
    Bool,
    /// One text; the last one counts.
    Str,
    /// One whole number of 64 bits; the last one counts.
    Int,
    /// Every occurrence adds one value.
    List,
    /// Every occurrence adds values separated by commas; double quotes protect a comma.
    CommaList,
    /// Every occurrence adds one `name=value`; checked while parsing.
    Filter,
}

/// Judges one value of a flag; `Err` is the reason it is refused.
pub type Check = fn(&str) -> Result<(), String>;

/// One flag of a command.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The name after `--`.
    pub long: &'static str,
    /// The letter after `-`.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// The word for its value in help; empty means the kind's own word.
    pub value_name: &'static str,
    /// The value when not given; empty means none (`false`, `""`, `0`).
    pub default: &'static str,
    /// Help text; further lines are aligned below the first.
    pub help: &'static str,
    /// Whether help leaves it out.
    pub hidden: bool,
    /// Whether it is accepted for docker's sake only.
    pub is_unsupported: bool,
    /// The long name of the flag this one is another spelling of.
    pub alias_of: Option<&'static str>,
    /// What a shell offers for its value.
    pub complete: Complete,
    /// Judges a value while parsing; the text of a refusal ends the message `invalid argument …: `.
    pub check: Option<Check>,
}

impl Flag {
    const fn new(long: &'static str, kind: Kind, help: &'static str) -> Flag {
        Flag {
            long,
            short: None,
            kind,
            value_name: "",
            default: "",
            help,
            hidden: false,
            is_unsupported: false,
            alias_of: None,
            complete: Complete::Files,
            check: None,
        }
    }

    /// A switch, off unless given.
    pub const fn bool(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Bool, help)
    }

    /// One text.
    pub const fn str(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Str, help)
    }

    /// One whole number.
    pub const fn int(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Int, help)
    }

    /// A list, one value each time.
    pub const fn list(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::List, help)
    }

    /// A list whose values may be separated by commas.
    pub const fn comma_list(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::CommaList, help)
    }

    /// A list of `name=value` conditions.
    pub const fn filter(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Filter, help)
    }

    /// Gives it a letter.
    pub const fn short(mut self, short: char) -> Flag {
        self.short = Some(short);
        self
    }

    /// The value when not given: `true` for a switch that is on, a number or a text.
    pub const fn default(mut self, default: &'static str) -> Flag {
        self.default = default;
        self
    }

    /// Names its value in help.
    pub const fn value_name(mut self, name: &'static str) -> Flag {
        self.value_name = name;
        self
    }

    /// Leaves it out of help.
    pub const fn hidden(mut self) -> Flag {
        self.hidden = true;
        self
    }

    /// Marks what docker has and we have not: [`Matches::unsupported`](super::Matches::unsupported) tells of it.
    pub const fn unsupported(mut self) -> Flag {
        self.is_unsupported = true;
        self
    }

    /// Makes it another spelling of the flag `long`: its values are stored there.
    pub const fn alias_of(mut self, long: &'static str) -> Flag {
        self.alias_of = Some(long);
        self
    }

    /// What a shell offers for its value, instead of files.
    pub const fn complete(mut self, complete: Complete) -> Flag {
        self.complete = complete;
        self
    }

    /// Checks each value while parsing.
    pub const fn check(mut self, check: Check) -> Flag {
        self.check = Some(check);
        self
    }
}

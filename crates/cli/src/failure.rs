//! How a command ends when it does not succeed: what stderr says, and the exit code.

use std::fmt::Display;
use std::io;

use wharfie_content::in_words;
use wharfie_engine::container::ContainerError;
use wharfie_engine::networks::NetworkError;
use wharfie_engine::patterns::{Named, Which};
use wharfie_engine::volumes::VolumeError;
use wharfie_oci::{Fault, Kind, Speaker};

use crate::compat::DAEMON;
use crate::env;

/// Results of commands.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A command that failed. Its text is complete; empty if everything has been said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For stderr, without a final newline.
    pub text: String,
    /// What the user can do, a line each, after the text: scripts match on that.
    pub help: Vec<String>,
    /// For whoever started the program.
    pub code: u8,
    /// Who would say it with docker. What stands before the text is a part of the text.
    pub speaker: Speaker,
    /// Names that nothing has, for which another one may have been meant.
    pub missing: Vec<Missing>,
}

/// A name that nothing of its kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What should have it.
    pub named: Named,
    /// The name.
    pub name: String,
    /// Whether it was looked for elsewhere: what is here under another tag is not what was wanted then.
    pub is_elsewhere: bool,
}

/// The name that an error is about, if it is about one that nothing has.
fn missing(why: &wharfie_engine::Error) -> Option<Missing> {
    use wharfie_engine::Error;
    Some(match why {
        Error::NoSuchImage(name) => Missing::new(Named::Images, name),
        // Whether there is none or only others may have it, a registry does not say.
        Error::Pull { reference, source }
            if matches!(source.kind(), Kind::NotFound | Kind::Denied | Kind::Unauthenticated) =>
        {
            Missing::new(Named::Images, reference)
        }
        Error::Container(ContainerError::NoSuch(name) | ContainerError::NoSuchLink(name)) => {
            Missing::new(Named::Containers(Which::Any), name)
        }
        Error::Volume(VolumeError::NoSuch(name)) => Missing::new(Named::Volumes, name),
        Error::Network(NetworkError::NoSuch(name)) => Missing::new(Named::Networks, name),
        _ => return None,
    })
}

/// An ordinary failure.
pub const FAILED: u8 = 1;
/// A template that does not parse, in `inspect`.
pub const BAD_TEMPLATE: u8 = 64;
/// 128 + SIGPIPE: whoever read our output has left.
const CLOSED_PIPE: u8 = 141;

/// How lines of help are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hints {
    /// What the program is called: it may stand in for docker.
    pub program: String,
    /// Whether they are shown at all.
    pub are_wanted: bool,
}

impl Hints {
    /// What the user's environment says of them, with docker's variable.
    pub fn of(program: &str) -> Self {
        const NO: [&str; 6] = ["0", "f", "F", "false", "False", "FALSE"];
        let said = env::nonempty("DOCKER_CLI_HINTS");
        Self { program: program.to_owned(), are_wanted: !said.is_some_and(|said| NO.contains(&said.as_str())) }
    }

    /// A line of help, if it is to be shown. The commands in it can be copied.
    pub fn line(&self, help: &str) -> Option<String> {
        self.are_wanted.then(|| format!(" help: {}", help.replace("`wharfie ", &format!("`{} ", self.program))))
    }
}

impl Failure {
    /// Fails with a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), help: Vec::new(), code: FAILED, speaker: Speaker::Client, missing: Vec::new() }
    }

    /// Fails with an error and everything underneath it, after some words of ours, and says what can be done.
    pub fn because<E: Fault>(words: &str, why: &E) -> Self {
        Self::new(format!("{words}{}", crate::compat::reasons(why))).help(why.help())
    }

    /// Fails with a text that docker's daemon would say.
    pub fn daemon(text: impl Display) -> Self {
        Self { speaker: Speaker::Daemon, ..Self::new(format!("{DAEMON}{text}")) }
    }

    /// Fails with a text and an exit code of its own.
    pub fn with_code(text: impl Into<String>, code: u8) -> Self {
        Self { code, ..Self::new(text) }
    }

    /// Fails after everything has been said.
    pub fn silent() -> Self {
        Self::new("")
    }

    /// The same with another exit code.
    #[must_use]
    pub fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The same with one more line of help, if there is one.
    #[must_use]
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help.extend(help);
        self
    }

    /// Several failures as one: their texts, then what can be done, said once.
    pub fn all(failures: Vec<Self>) -> Self {
        let mut all = Self::silent();
        let mut texts = Vec::new();
        for failure in failures {
            texts.push(failure.text);
            all.missing.extend(failure.missing);
            for help in failure.help {
                if !all.help.contains(&help) {
                    all.help.push(help);
                }
            }
        }
        Self { text: texts.join("\n"), ..all }
    }

    /// All that stderr shows.
    pub fn message(&self, hints: &Hints) -> String {
        let help = self.help.iter().filter_map(|help| hints.line(help));
        let texts = Some(self.text.clone()).filter(|text| !text.is_empty());
        in_words(&texts.into_iter().chain(help).collect::<Vec<_>>().join("\n")).into_owned()
    }

    /// Output that could not be written. A closed pipe is no error worth a word.
    pub fn output(why: &io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::BrokenPipe => Self::silent().code(CLOSED_PIPE),
            _ => Self::new(format!("cannot write the output: {why}")),
        }
    }

    /// What kept an archive from being written to our output. A closed pipe is no error worth a word here either.
    pub fn while_printing(why: wharfie_engine::Error) -> Self {
        let is_closed = |why: &(dyn std::error::Error + 'static)| {
            why.downcast_ref::<io::Error>().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe)
        };
        let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&why);
        while let Some(error) = at {
            if is_closed(error) {
                return Self::silent().code(CLOSED_PIPE);
            }
            at = error.source();
        }
        why.into()
    }
}

impl From<wharfie_engine::Error> for Failure {
    fn from(why: wharfie_engine::Error) -> Self {
        let missing = missing(&why).into_iter().collect();
        Self { speaker: why.speaker(), missing, ..Self::new(crate::compat::engine_text(&why)) }.help(why.help())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

macro_rules! of_engine {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(why: $error) -> Self {
                wharfie_engine::Error::from(why).into()
            }
        })*
    };
}
of_engine!(ContainerError, NetworkError, VolumeError);

impl From<wharfie_oci::platform::ParsePlatformError> for Failure {
    fn from(why: wharfie_oci::platform::ParsePlatformError) -> Self {
        Self::new(why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(are_wanted: bool) -> Hints {
        Hints { program: "docker".to_owned(), are_wanted }
    }

    #[test]
    fn commands_in_help_are_called_as_the_program_was() {
        let failure = Failure::new("no").help(Some("`wharfie ps` lists wharfie's own".to_owned()));
        assert_eq!(failure.message(&hints(true)), "no\n help: `docker ps` lists wharfie's own");
    }

    #[test]
    fn systems_reasons_are_words() {
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(Failure::output(&full).message(&hints(true)), "cannot write the output: no space left on device");
    }

    #[test]
    fn several_failures_say_once_what_can_be_done() {
        let failure = |text: &str, help: &str| Failure::new(text).help(Some(help.to_owned()));
        let all = Failure::all(vec![failure("no a", "list them"), failure("no b", "list them"), Failure::new("c")]);
        assert_eq!(all.message(&hints(true)), "no a\nno b\nc\n help: list them");
        assert_eq!(all.message(&hints(false)), "no a\nno b\nc");
    }
}

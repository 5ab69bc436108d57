//! Limits of processes.

use std::fmt;
use std::str::FromStr;

use wharfie_runtime::Rlimit;

use super::{BadWord, kept_as_text};

/// One limit of a container's processes: `NAME=SOFT[:HARD]`. -1 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// What holds.
    pub soft: i64,
    /// What it can be raised to.
    pub hard: i64,
}

impl Ulimit {
    /// As the runtime sets it.
    pub(crate) fn to_runtime(&self) -> Rlimit {
        // -1 has all bits set in the kernel's type too.
        let number = i64::cast_unsigned;
        Rlimit { name: self.name.clone(), soft: number(self.soft), hard: number(self.hard) }
    }
}

impl FromStr for Ulimit {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let (name, values) =
            text.split_once('=').ok_or_else(|| BadWord::new(format!("invalid ulimit argument: {text}")))?;
        if !Rlimit::is_known(name) {
            return Err(BadWord::new(format!("invalid ulimit type: {name}")));
        }
        let number = |text: &str| {
            let why = || BadWord::new(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
            text.parse::<i64>().ok().filter(|number| *number >= -1).ok_or_else(why)
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (number(soft)?, number(hard)?);
        let why = "ulimit soft limit must be less than or equal to hard limit";
        match (soft, hard) {
            (_, -1) => {}
            (-1, hard) => return Err(BadWord::new(format!("{why}: soft: -1 (unlimited), hard: {hard}"))),
            (soft, hard) if soft > hard => return Err(BadWord::new(format!("{why}: {soft} > {hard}"))),
            _ => {}
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, self.soft, self.hard)
    }
}

kept_as_text!(Ulimit);

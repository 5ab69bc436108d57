//! Signals by name or number, also those that have no fixed meaning.

use std::str::FromStr;

use super::ContainerError;
use crate::error::{Error, Result};

/// A signal that can be sent to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(u8);

impl Signal {
    /// Cannot be refused.
    pub const KILL: Self = Self(9);
    /// Asks to end.
    pub const TERM: Self = Self(15);

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The first and the last real-time signal, as programs count them: the C libraries keep two for themselves.
const FIRST_REAL_TIME: u8 = 34;
const LAST: u8 = 64;

/// Names without `SIG`, in the order of their numbers from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

impl FromStr for Signal {
    type Err = Error;

    /// Reads a number, a name with or without `SIG` in any case, `RTMIN+N` or `RTMAX-N`.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::from(ContainerError::BadSignal(text.to_owned()));
        if let Ok(number) = text.parse::<i64>() {
            let number = u8::try_from(number).ok().filter(|number| (1..=LAST).contains(number));
            return number.map(Self).ok_or_else(invalid);
        }
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let name = match name {
            "IOT" => "ABRT",
            "CLD" => "CHLD",
            "POLL" => "IO",
            name => name,
        };
        let named = NAMES.iter().zip(1..).find_map(|(known, number)| (*known == name).then_some(number));
        named.or_else(|| real_time(name)).map(Self).ok_or_else(invalid)
    }
}

fn real_time(name: &str) -> Option<u8> {
    let offset = |text: &str, most: u8| text.parse().ok().filter(|offset| (1..=most).contains(offset));
    match name {
        "RTMIN" => Some(FIRST_REAL_TIME),
        "RTMAX" => Some(LAST),
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(above), _) => offset(above, 15).map(|above: u8| FIRST_REAL_TIME + above),
            (_, Some(below)) => offset(below, 14).map(|below: u8| LAST - below),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("sigkill", 9),
            ("SIGSTKFLT", 16),
            ("SYS", 31),
            ("34", 34),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmin+15", 49),
            ("RTMAX-14", 50),
            ("SIGRTMAX", 64),
            ("CLD", 17),
        ] {
            assert_eq!(text.parse::<Signal>().unwrap().number(), number, "{text}");
        }
        for text in ["", "0", "65", "-1", "256", "RTMIN+16", "RTMAX-15", "RTMIN-1", "RTMIN+", "RTMAX+1", "SIG", "NOPE"]
        {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}

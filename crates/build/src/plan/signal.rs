//! STOPSIGNAL: a signal by its name or its number.

/// Whether there is such a signal. Numbers are taken as they come.
pub(super) fn is_known(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().is_ok_and(|number| number != 0);
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let numbered = |first: &str, last: u32| {
        name.strip_prefix(first).is_some_and(|number| (1..=last).any(|known| known.to_string() == number))
    };
    NAMES.contains(&name) || numbered("RTMIN+", 15) || numbered("RTMAX-", 14)
}

const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["TERM", "sigterm", "9", "65", "-1", "SIGRTMIN+3", "RTMAX-14"] {
            assert!(is_known(text), "{text}");
        }
        for text in ["0", "", "FOO", "RTMIN+16", "SIG"] {
            assert!(!is_known(text), "{text}");
        }
    }
}

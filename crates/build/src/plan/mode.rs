//! `--chmod`: octal digits, or chmod's letters.
//! Source: chmod(1), "Symbolic modes".

use super::Mode;
use crate::{Error, Result};

/// All permission bits.
const MAX: u32 = 0o7777;

impl Mode {
    /// Reads what `--chmod` says.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let not_octal = || {
            let text = format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777");
            Error::new(text)
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= MAX);
            return bits.map(Self::Bits).ok_or_else(not_octal);
        }
        match text.split(',').all(is_clause) {
            true => Ok(Self::Symbolic(text.to_owned())),
            false => Err(Error::new("invalid syntax")),
        }
    }
}

/// Whether a text is one clause: whose bits, then signs, each with what it does to which bits.
fn is_clause(text: &str) -> bool {
    let mut actions = text.trim_start_matches(['a', 'u', 'g', 'o']);
    if actions.is_empty() {
        return false;
    }
    while !actions.is_empty() {
        let Some(bits) = actions.strip_prefix(['+', '-', '=']) else { return false };
        actions = bits.trim_start_matches(['r', 's', 't', 'w', 'X', 'x', 'u', 'g', 'o']);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read() {
        let check = |text: &str, expected: Result<Mode, &str>| {
            assert_eq!(Mode::parse(text).map_err(|why| why.to_string()), expected.map_err(str::to_owned), "{text}");
        };
        let octal = |text: &str| {
            format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
        };
        let symbolic = |text: &str| Ok(Mode::Symbolic(text.to_owned()));
        check("755", Ok(Mode::Bits(0o755)));
        check("07777", Ok(Mode::Bits(0o7777)));
        check("10000", Err(&octal("10000")));
        check("0o755", Err(&octal("0o755")));
        check("9", Err(&octal("9")));
        check("u=rwX,go=rX", symbolic("u=rwX,go=rX"));
        check("+x", symbolic("+x"));
        check("a=", symbolic("a="));
        check("u+r-w", symbolic("u+r-w"));
        check("go=u-w", symbolic("go=u-w"));
        check("u", Err("invalid syntax"));
        check("u+x,", Err("invalid syntax"));
        check("z+x", Err("invalid syntax"));
        check("+755", Err("invalid syntax"));
        check("-1", Err("invalid syntax"));
    }
}

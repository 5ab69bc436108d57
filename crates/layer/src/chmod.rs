//! Modes as people write them: `755`, `u=rwX,go-w`.

/// What becomes of a file's permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeChange {
    /// They become these, at most 0o7777.
    Bits(u16),
    /// They are changed one after the other.
    Clauses(Vec<Clause>),
}

/// One `WHO OPERATOR WHAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    /// Bits that may change.
    who: u16,
    operator: Operator,
    /// Bits for everybody.
    bits: u16,
    /// `X`: execution, where somebody has it or it is a directory.
    execute: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

impl ModeChange {
    /// Reads a mode; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return u16::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777).map(Self::Bits);
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            clause(part, &mut clauses)?;
        }
        Some(Self::Clauses(clauses))
    }

    /// The bits of a file that had `mode`.
    pub fn apply(&self, mode: u16, is_directory: bool) -> u16 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Clauses(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_directory)),
        }
    }
}

fn clause(text: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let end = text.find(['+', '-', '='])?;
    let mut who = 0;
    for c in text[..end].chars() {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let who = if who == 0 { 0o7777 } else { who };
    let mut rest = text[end..].chars().peekable();
    while let Some(operator) = rest.next() {
        let operator = match operator {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let mut made = Clause { who, operator, bits: 0, execute: false };
        while let Some(c) = rest.next_if(|c| !matches!(c, '+' | '-' | '=')) {
            match c {
                'r' => made.bits |= 0o444,
                'w' => made.bits |= 0o222,
                'x' => made.bits |= 0o111,
                'X' => made.execute = true,
                's' => made.bits |= 0o6000,
                't' => made.bits |= 0o1000,
                _ => return None,
            }
        }
        clauses.push(made);
    }
    Some(())
}

impl Clause {
    fn apply(self, mode: u16, is_directory: bool) -> u16 {
        let may_run = self.execute && (is_directory || mode & 0o111 != 0);
        let bits = (self.bits | if may_run { 0o111 } else { 0 }) & self.who;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => (mode & !(self.who & 0o6777)) | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, mode: u16, is_directory: bool, expected: u16) {
        let change = ModeChange::parse(text).unwrap();
        assert_eq!(change.apply(mode, is_directory), expected, "{text} of {mode:o}");
    }

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        check("755", 0o600, false, 0o755);
        check("04711", 0o600, false, 0o4711);
        check("u=rwX,go=rX", 0o600, false, 0o644);
        check("u=rwX,go=rX", 0o700, false, 0o755);
        check("u=rwX,go=rX", 0o700, true, 0o755);
        check("+x", 0o644, false, 0o755);
        check("go-w", 0o666, false, 0o644);
        check("a+r-w", 0o222, false, 0o444);
        check("u+s", 0o755, false, 0o4755);
        check("o+t", 0o755, true, 0o1755);
        for text in ["", "9", "x", "u", "u=q", "10000", "u=rw,,g=r"] {
            assert_eq!(ModeChange::parse(text), None, "{text}");
        }
    }
}

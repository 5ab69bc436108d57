//! Findings that somebody has looked at: a file of lines, each an id with a reason and, if wanted, a package and an end.
//!
//! ```text
//! CVE-2024-1234                                     # we do not use that function
//! CVE-2023-9999 package=openssl until=2027-01-31    # waits for the vendor
//! ```

use crate::advisory::Finding;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The finding's id, or any of its other names.
    pub id: String,
    /// The package that it is about; any if not given.
    pub package: Option<String>,
    /// The last day on which it counts, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// Why.
    pub reason: String,
}

/// Reads the file.
///
/// # Errors
/// The number of the first line that makes no sense, and what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Exception>, (usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (words, reason) = line.split_once('#').unwrap_or((line, ""));
        let mut words = words.split_whitespace();
        let Some(id) = words.next() else { continue };
        let mut exception =
            Exception { id: id.to_owned(), package: None, until: None, reason: reason.trim().to_owned() };
        for word in words {
            match word.split_once('=') {
                Some(("package", name)) => exception.package = Some(name.to_owned()),
                Some(("until", day)) if is_day(day) => exception.until = Some(day.to_owned()),
                Some(("until", day)) => return Err((number + 1, format!("{day} is no day: write YYYY-MM-DD"))),
                _ => return Err((number + 1, format!("{word} is neither package=NAME nor until=YYYY-MM-DD"))),
            }
        }
        found.push(exception);
    }
    Ok(found)
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
        && ("01"..="12").contains(&&text[5..7])
        && ("01"..="31").contains(&&text[8..10])
}

impl Exception {
    /// True if its time is over on the day `today`.
    pub fn is_over(&self, today: &str) -> bool {
        self.until.as_deref().is_some_and(|until| until < today)
    }

    /// True if it is about this finding in the package called `name`.
    pub fn is_about(&self, finding: &Finding, name: &str) -> bool {
        let is_named = finding.id == self.id || finding.ids.contains(&self.id);
        is_named && self.package.as_deref().is_none_or(|package| package == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_accepted_and_why() {
        let text = "# all of it\n\nCVE-1 # not used\nGHSA-2 package=a until=2026-12-31 # later\n";
        let found = parse(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].id.as_str(), found[0].reason.as_str()), ("CVE-1", "not used"));
        assert!(found[1].is_over("2027-01-01") && !found[1].is_over("2026-12-31") && !found[0].is_over("9999-01-01"));
        assert_eq!(parse("CVE-1\nCVE-2 until=soon").unwrap_err().0, 2);
        assert_eq!(parse("CVE-2 for ever").unwrap_err().0, 1);
        assert!(parse("CVE-2 until=2026-13-01").is_err());
    }
}

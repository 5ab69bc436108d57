//! From what on findings are a failure: `--fail-on` of `scan` and `maintain`.

use wharfie_scan::advisory::{KEV, Meta, Severity};

use super::scan::known_severity;
use crate::failure::{Failure, Result};
use crate::flags::{Matches, Texts};

/// What `--fail-on` takes.
pub(crate) const LIMITS: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical", EXPLOITED];
/// The word for what CISA knows to be exploited, however bad it is.
const EXPLOITED: &str = "kev";

/// What findings are a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Those of this severity, and worse ones.
    pub(crate) severity: Option<Severity>,
    /// Those that are known to be exploited.
    pub(crate) is_exploited: bool,
}

impl Limit {
    /// What a flag says; `None` if it was not given. One without a word would be a gate that is always open, in all scripts whose
    /// variable is not set.
    pub(crate) fn of_flag(matches: &Matches, flag: &Texts) -> Result<Option<Self>> {
        let words: Vec<&str> = matches.get(flag).iter().map(String::as_str).collect();
        match words.is_empty() && matches.is_given(flag) {
            true => Self::parse([""]),
            false => Self::parse(words),
        }
    }

    /// Reads words; `None` if there are none.
    pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>> {
        let mut limit = None::<Self>;
        for word in words {
            let limit = limit.get_or_insert(Self { severity: None, is_exploited: false });
            if word.eq_ignore_ascii_case(EXPLOITED) {
                limit.is_exploited = true;
                continue;
            }
            let found = known_severity(word).ok_or_else(|| {
                let help = format!("`--fail-on` takes {}; also several, with commas", LIMITS.join(", "));
                Failure::new(format!("invalid severity {word:?}")).help(Some(help))
            })?;
            limit.severity = Some(limit.severity.map_or(found, |known| known.min(found)));
        }
        Ok(limit)
    }

    /// True for a finding that is a failure.
    pub(crate) fn is_reached(self, severity: Severity, is_exploited: bool) -> bool {
        self.severity.is_some_and(|limit| severity >= limit) || (self.is_exploited && is_exploited)
    }
}

/// Refuses to look for what is exploited where the data base cannot say it.
pub(crate) fn check_exploited(meta: &Meta) -> Result {
    match meta.ecosystems.contains_key(KEV) {
        true => Ok(()),
        false => Err(Failure::new("the data base does not say what is exploited")
            .help(Some("`wharfie scan db import known_exploited_vulnerabilities.json` takes CISA's list".to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Hints;

    #[test]
    fn limits_are_severities_and_what_is_exploited() {
        let parse = |words: &[&str]| Limit::parse(words.iter().copied());
        assert_eq!(parse(&[]).unwrap(), None);
        let both = parse(&["critical", "kev", "High"]).unwrap().unwrap();
        assert_eq!(both, Limit { severity: Some(Severity::High), is_exploited: true });
        assert!(both.is_reached(Severity::Low, true) && both.is_reached(Severity::High, false));
        assert!(!both.is_reached(Severity::Medium, false));
        let alone = parse(&["KEV"]).unwrap().unwrap();
        assert!(!alone.is_reached(Severity::Critical, false) && alone.is_reached(Severity::Unknown, true));
        assert!(parse(&["bad"]).unwrap_err().message(&Hints::of("wharfie")).contains("critical, kev"));
    }
}

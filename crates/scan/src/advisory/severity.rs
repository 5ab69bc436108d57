//! How bad something is.

use serde::{Deserialize, Serialize};

/// From unknown to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody says.
    #[default]
    Unknown,
    /// Its maintainers say that it does not matter.
    Negligible,
    /// CVSS below 4.
    Low,
    /// CVSS below 7.
    Medium,
    /// CVSS below 9.
    High,
    /// CVSS from 9 on.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 6] = [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its word, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads a word as data bases and people write it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "negligible" | "unimportant" | "none" | "end-of-life" => Self::Negligible,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// The rating of a score (CVSS 3.1, section 5).
    pub fn of_score(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            score if score > 0.0 => Self::Low,
            _ => Self::Negligible,
        }
    }
}

/// The score of a CVSS vector of version 3 or 4.
pub(super) fn score(vector: &str) -> Option<f64> {
    let parsed: cvss::Cvss = vector.parse().ok()?;
    let score = parsed.score();
    ((0.0..=10.0).contains(&score)).then_some((score * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_ratings() {
        assert_eq!(score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some(9.8));
        assert_eq!(score("CVSS:3.0/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N"), Some(2.5));
        assert_eq!(score("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"), Some(9.3));
        assert_eq!(score("nonsense"), None);
        assert_eq!(Severity::of_score(9.0), Severity::Critical);
        assert_eq!(Severity::of_score(0.1), Severity::Low);
        assert_eq!(Severity::parse("MODERATE"), Some(Severity::Medium));
        assert!(Severity::Negligible < Severity::Low && Severity::Unknown < Severity::Critical);
    }
}

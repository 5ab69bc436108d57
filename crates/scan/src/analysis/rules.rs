//! dive's rules for pipelines: what an image may waste, and whether it does. Words and texts are those of dive 0.13.

use super::Analysis;

/// The rules, as they were given: each is a number, or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The least share of bytes that are needed, 0 to 1.
    pub lowest_efficiency: String,
    /// The most bytes that may be wasted, as `20MB`.
    pub highest_wasted_bytes: String,
    /// The largest share of what was added to the lowest layer that may be wasted, 0 to 1.
    pub highest_user_wasted_percent: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lowest_efficiency: "0.9".to_owned(),
            highest_wasted_bytes: "disabled".to_owned(),
            highest_user_wasted_percent: "0.1".to_owned(),
        }
    }
}

/// What became of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// A line for each rule and one for all.
    pub text: String,
    /// No rule was broken.
    pub passes: bool,
}

enum Outcome {
    Pass,
    Skip,
    Fail(String),
}

impl Rules {
    /// Sets a rule by its name, as dive's files have it, old and new: true if there is one of it.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let rule = match name {
            LOWEST_EFFICIENCY | "lowest-efficiency" => &mut self.lowest_efficiency,
            HIGHEST_WASTED_BYTES | "highest-wasted-bytes" => &mut self.highest_wasted_bytes,
            HIGHEST_USER_WASTED_PERCENT | "highest-user-wasted-percent" => &mut self.highest_user_wasted_percent,
            _ => return false,
        };
        value.clone_into(rule);
        true
    }

    /// Says of each rule that makes no sense why.
    pub fn problems(&self) -> Vec<String> {
        let share = |name: &str, value: &str| match value.trim().parse::<f64>() {
            _ if is_off(value) => None,
            Ok(number) if (0.0..=1.0).contains(&number) => None,
            Ok(_) => Some(format!("{name} config value is outside allowed range (0-1), given '{value}'")),
            Err(_) => Some(format!("{name}: invalid config value ('{value}')")),
        };
        let bytes = (!is_off(&self.highest_wasted_bytes) && parse_bytes(&self.highest_wasted_bytes).is_none())
            .then(|| format!("{HIGHEST_WASTED_BYTES}: invalid config value ('{}')", self.highest_wasted_bytes));
        [
            share(HIGHEST_USER_WASTED_PERCENT, &self.highest_user_wasted_percent),
            bytes,
            share(LOWEST_EFFICIENCY, &self.lowest_efficiency),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Holds an image against the rules. One that makes no sense is broken.
    pub fn judge(&self, analysis: &Analysis) -> Verdict {
        let number = |value: &str| value.trim().parse().unwrap_or(f64::NAN);
        let percent = match self.highest_user_wasted_percent.as_str() {
            value if is_off(value) => Outcome::Skip,
            value => {
                let (limit, there) = (number(value), analysis.user_wasted());
                // Without layers above the lowest there is no share, and nothing is wasted.
                match limit < there || limit.is_nan() {
                    true => Outcome::Fail(format!(
                        "too many bytes wasted, relative to the user bytes added (%-user-wasted-bytes={} > threshold={limit})",
                        float(there)
                    )),
                    false => Outcome::Pass,
                }
            }
        };
        let bytes = match self.highest_wasted_bytes.as_str() {
            value if is_off(value) => Outcome::Skip,
            value => match parse_bytes(value) {
                Some(limit) if analysis.efficiency.wasted <= limit => Outcome::Pass,
                limit => Outcome::Fail(format!(
                    "too many bytes wasted (wasted-bytes={} > threshold={})",
                    analysis.efficiency.wasted,
                    limit.unwrap_or_default()
                )),
            },
        };
        let efficiency = match self.lowest_efficiency.as_str() {
            value if is_off(value) => Outcome::Skip,
            value => match number(value) {
                limit if limit <= analysis.efficiency.score => Outcome::Pass,
                limit => Outcome::Fail(format!(
                    "image efficiency is too low (efficiency={} < threshold={limit})",
                    float(analysis.efficiency.score)
                )),
            },
        };
        report(&[
            (HIGHEST_USER_WASTED_PERCENT, percent),
            (HIGHEST_WASTED_BYTES, bytes),
            (LOWEST_EFFICIENCY, efficiency),
        ])
    }
}

const LOWEST_EFFICIENCY: &str = "lowestEfficiency";
const HIGHEST_WASTED_BYTES: &str = "highestWastedBytes";
const HIGHEST_USER_WASTED_PERCENT: &str = "highestUserWastedPercent";

fn report(outcomes: &[(&str, Outcome)]) -> Verdict {
    let (mut text, mut counts) = (String::new(), [0; 3]);
    for (name, outcome) in outcomes {
        let (which, line) = match outcome {
            Outcome::Pass => (0, format!("  PASS: {name}\n")),
            Outcome::Fail(why) => (1, format!("  FAIL: {name}: {why}\n")),
            Outcome::Skip => (2, format!("  SKIP: {name}: rule disabled\n")),
        };
        counts[which] += 1;
        text.push_str(&line);
    }
    let [passed, failed, skipped] = counts;
    let word = if failed == 0 { "PASS" } else { "FAIL" };
    text.push_str(&format!(
        "Result:{word} [Total:{}] [Passed:{passed}] [Failed:{failed}] [Warn:0] [Skipped:{skipped}]\n",
        outcomes.len()
    ));
    Verdict { text, passes: failed == 0 }
}

fn is_off(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "" | "disabled" | "off" | "false")
}

/// Bytes as dive takes them: units of 1,000, of 1,024 with an `i`; commas in numbers say nothing.
fn parse_bytes(text: &str) -> Option<u64> {
    let mut text = text.trim().replace(',', "");
    if text.ends_with(['i', 'I']) {
        text.push('B');
    }
    wharfie_oci::size::parse(&text, wharfie_oci::size::Units::Decimal)
}

/// A number as Go's `%v` has it, but for very large and very small ones.
fn float(value: f64) -> String {
    match value.is_infinite() {
        true => "+Inf".to_owned(),
        false => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_dive_does() {
        for (text, expected) in [
            ("20MB", Some(20_000_000)),
            ("20 mb", Some(20_000_000)),
            ("1,000", Some(1000)),
            ("42MiB", Some(42 << 20)),
            ("42 Mi", Some(42 << 20)),
            ("1.5k", Some(1500)),
            ("x", None),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn rules_have_two_names_and_can_be_off() {
        let mut rules = Rules::default();
        assert!(rules.set("lowest-efficiency", "1.5") && rules.set("highestWastedBytes", "many"));
        assert!(!rules.set("lowestefficiency", "1"));
        assert_eq!(
            rules.problems(),
            [
                "highestWastedBytes: invalid config value ('many')",
                "lowestEfficiency config value is outside allowed range (0-1), given '1.5'"
            ]
        );
        rules.set("lowestEfficiency", " Off ");
        rules.set("highestWastedBytes", "false");
        assert_eq!(rules.problems(), Vec::<String>::new());
    }
}

//! What lists, prunes and streams of events are asked for: `name=value` pairs, read by one grammar for everything there is.
//! Different names must all hold, of equal ones one; labels must all hold.
//! Source: moby, `api/types/filters/parse.go`.

pub mod image;
mod prune;

use std::collections::BTreeMap;

use wharfie_oci::Timestamp;

pub use image::{Command, Filters};
pub use prune::{Prunable, PruneFilters};

use crate::error::{Error, Result};

/// Reads a time or a duration before now. Now and the time zone are the face's.
pub type ParseMoment<'a> = &'a dyn Fn(&str) -> Result<Timestamp, String>;

/// Pairs whose names are known, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions(Vec<(String, String)>);

impl Conditions {
    /// Judges the names of pairs; they are in lower case.
    ///
    /// # Errors
    /// For a name that is not among the `known` ones.
    pub fn parse(pairs: &[(String, String)], known: &'static [&'static str]) -> Result<Self> {
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::UnknownFilter { name: name.clone(), known }),
            None => Ok(Self(pairs.to_vec())),
        }
    }

    /// The values of a name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// True if the name was given.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// True if the name was not given, or one of its values fits.
    pub fn any(&self, name: &str, fits: impl FnMut(&str) -> bool) -> bool {
        !self.has(name) || self.values(name).any(fits)
    }

    /// A name that takes a truth value; `None` if it was not given.
    ///
    /// # Errors
    /// When its values are none or contradict each other.
    pub fn truth(&self, name: &str) -> Result<Option<bool>> {
        if !self.has(name) {
            return Ok(None);
        }
        let has = |words: [&str; 2]| self.values(name).any(|value| words.contains(&value));
        match (has(["true", "1"]), has(["false", "0"])) {
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => {
                let values: Vec<&str> = self.values(name).collect();
                Err(Error::InvalidFilter(format!("{name}=[{}]", values.join(" "))))
            }
        }
    }

    /// The moment of `until`, of which there may be one.
    ///
    /// # Errors
    /// When there are several, or it is no moment.
    pub fn until(&self, moment: ParseMoment<'_>) -> Result<Option<Timestamp>> {
        let mut values = self.values("until");
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => moment(value).map(Some).map_err(Error::BadTime),
            (Some(_), Some(_)) => Err(Error::SeveralUntil),
        }
    }

    /// The labels that must be there and those that must not.
    pub fn labels(&self) -> Labels {
        let of = |name: &str| self.values(name).map(Label::parse).collect();
        Labels { with: of("label"), without: of("label!") }
    }
}

/// What is asked of labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// They must all be there.
    pub with: Vec<Label>,
    /// They must not all be there.
    pub without: Vec<Label>,
}

impl Labels {
    /// True if nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }

    /// True if these labels are as they must be.
    pub fn accept(&self, labels: &BTreeMap<String, String>) -> bool {
        let are_on = |wanted: &[Label]| wanted.iter().all(|label| label.is_on(labels));
        are_on(&self.with) && (self.without.is_empty() || !are_on(&self.without))
    }
}

/// A label, with its value if one was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// The value it must have exactly; `None` accepts any.
    pub value: Option<String>,
}

impl Label {
    fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((key, value)) => Self { key: key.to_owned(), value: Some(value.to_owned()) },
            None => Self { key: text.to_owned(), value: None },
        }
    }

    fn is_on(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.key).is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}

/// Whether `name` is meant by the value of a `name` filter, with or without a slash before it: a regular expression, as docker takes
/// it. One that is none means nothing.
pub fn matches_name(pattern: &str, name: &str) -> bool {
    let slashed = format!("/{name}");
    // What people mostly write are parts of names, sometimes anchored: those need no machine.
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte));
    if !is_plain(pattern.trim_start_matches('^').trim_end_matches('$')) {
        let bounded = regex::RegexBuilder::new(pattern).size_limit(MAX_MACHINE).build();
        return pattern == name || bounded.is_ok_and(|machine| machine.is_match(name) || machine.is_match(&slashed));
    }
    let (from_start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (to_end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
    [name, &slashed].iter().any(|name| match (from_start, to_end) {
        (true, true) => *name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    })
}

/// 1 MiB: what an expression may become.
const MAX_MACHINE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn conditions(given: &[(&str, &str)]) -> Conditions {
        Conditions(pairs(given))
    }

    #[test]
    fn an_unknown_name_is_refused_in_dockers_words() {
        let refused = Conditions::parse(&pairs(&[("name", "x"), ("foo", "x")]), &["name"]);
        assert_eq!(refused.unwrap_err().to_string(), "invalid filter 'foo'");
    }

    #[test]
    fn one_of_several_values_is_enough() {
        let asked = conditions(&[("name", "a"), ("name", "b")]);
        assert!(asked.any("name", |value| value == "b") && !asked.any("name", |value| value == "c"));
        assert!(asked.any("id", |_| false));
    }

    #[test]
    fn truth_values_are_four_words_that_must_agree() {
        let check = |values: &[&str], expected: Result<bool, &str>| {
            let given: Vec<(&str, &str)> = values.iter().map(|value| ("dangling", *value)).collect();
            let found = conditions(&given).truth("dangling").map_err(|why| why.to_string());
            assert_eq!(found, expected.map(Some).map_err(str::to_owned), "{values:?}");
        };
        check(&["true"], Ok(true));
        check(&["1", "true"], Ok(true));
        check(&["0"], Ok(false));
        check(&["x"], Err("invalid filter 'dangling=[x]'"));
        check(&["1", "0"], Err("invalid filter 'dangling=[1 0]'"));
        assert_eq!(conditions(&[]).truth("dangling").unwrap(), None);
    }

    #[test]
    fn there_is_one_last_moment() {
        let moment = |text: &str| text.parse().map(|seconds| Timestamp { seconds, nanos: 0 }).map_err(|_| "no".into());
        let until = |given: &[(&str, &str)]| conditions(given).until(&moment).map_err(|why| why.to_string());
        assert_eq!(until(&[]), Ok(None));
        assert_eq!(until(&[("until", "7")]), Ok(Some(Timestamp { seconds: 7, nanos: 0 })));
        assert_eq!(until(&[("until", "x")]), Err("no".to_owned()));
        assert_eq!(until(&[("until", "1"), ("until", "2")]), Err("more than one until filter specified".to_owned()));
    }

    #[test]
    fn labels_must_all_be_there_and_those_that_must_not_exclude_only_together() {
        let check = |given: &[(&str, &str)], labels: &[(&str, &str)], expected: bool| {
            let labels = pairs(labels).into_iter().collect();
            assert_eq!(conditions(given).labels().accept(&labels), expected, "{given:?} {labels:?}");
        };
        check(&[], &[], true);
        check(&[("label", "a"), ("label", "b=1")], &[("a", ""), ("b", "1")], true);
        check(&[("label", "a"), ("label", "b=1")], &[("a", ""), ("b", "2")], false);
        check(&[("label!", "a"), ("label!", "b=1")], &[("a", "")], true);
        check(&[("label!", "a"), ("label!", "b=1")], &[("a", ""), ("b", "1")], false);
        check(&[("label", "c"), ("label!", "a")], &[("a", ""), ("c", "")], false);
    }

    #[test]
    fn names_match_in_part_or_anchored() {
        for (pattern, name, expected) in [
            ("we", "web", true),
            ("^/web$", "web", true),
            ("^web$", "webs", false),
            ("eb$", "web", true),
            ("x", "web", false),
            ("w[ae]b", "web", true),
            ("^web|db$", "db", true),
            ("we.", "we", false),
            (r"web\d+", "web10", true),
            ("^/we?b", "wb", true),
            ("(", "web", false),
            ("a{1000}{1000}{1000}", "web", false),
        ] {
            assert_eq!(matches_name(pattern, name), expected, "{pattern} {name}");
        }
    }
}

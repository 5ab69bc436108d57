//! Filters of `images` and `image prune`, parsed once.

use wharfie_oci::{ImageConfig, Timestamp};

use crate::error::{Error, Result};

/// What an image must have to be listed or pruned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// `dangling=true` or `false`.
    pub dangling: Option<bool>,
    /// Labels that must all be there.
    pub labels: Vec<Label>,
    /// Labels that must not all be there.
    pub without_labels: Vec<Label>,
    /// Images that must be newer, as the user wrote them.
    pub before: Vec<String>,
    /// Images that must be older, as the user wrote them.
    pub since: Vec<String>,
    /// It must have been made before this moment.
    pub until: Option<Timestamp>,
    /// Patterns of which one reference must match at least one.
    pub references: Vec<String>,
}

/// A label, with its value if one was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// The value it must have exactly; `None` accepts any.
    pub value: Option<String>,
}

/// Which command's filters are parsed: each knows other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `images`.
    List,
    /// `image prune`.
    Prune,
}

impl Label {
    fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((key, value)) => Self { key: key.to_owned(), value: Some(value.to_owned()) },
            None => Self { key: text.to_owned(), value: None },
        }
    }

    /// True if the image has this label.
    pub fn is_on(&self, config: &ImageConfig) -> bool {
        let found = config.labels().and_then(|labels| labels.get(&self.key));
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}

impl Filters {
    /// Reads `name=value` pairs whose names are in lower case. `moment` reads a time or a duration before now.
    ///
    /// # Errors
    /// For unknown names and values that make no sense, in docker's words.
    pub fn parse(
        command: Command,
        pairs: &[(String, String)],
        moment: &dyn Fn(&str) -> Result<Timestamp, String>,
    ) -> Result<Self> {
        let mut filters = Self::default();
        let mut dangling = Vec::new();
        let is_list = command == Command::List;
        for (name, value) in pairs {
            match name.as_str() {
                "dangling" => dangling.push(value.as_str()),
                "label" => filters.labels.push(Label::parse(value)),
                "label!" if !is_list => filters.without_labels.push(Label::parse(value)),
                "before" if is_list => filters.before.push(value.clone()),
                "since" if is_list => filters.since.push(value.clone()),
                "reference" if is_list => filters.references.push(value.clone()),
                "until" if filters.until.is_some() => return Err(Error::SeveralUntil),
                "until" => filters.until = Some(moment(value).map_err(Error::BadTime)?),
                other => return Err(Error::InvalidFilter(other.to_owned())),
            }
        }
        filters.dangling = truth(&dangling)?;
        Ok(filters)
    }

    /// True if the labels are as they must be.
    pub fn accepts_labels(&self, config: &ImageConfig) -> bool {
        self.labels.iter().all(|label| label.is_on(config))
            && (self.without_labels.is_empty() || !self.without_labels.iter().all(|label| label.is_on(config)))
    }

    /// True if labels have to be looked at.
    pub fn needs_labels(&self) -> bool {
        !self.labels.is_empty() || !self.without_labels.is_empty()
    }
}

fn truth(values: &[&str]) -> Result<Option<bool>> {
    let refuse = || Error::InvalidFilter(format!("dangling=[{}]", values.join(" ")));
    let mut found = None;
    for value in values {
        let value = match *value {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return Err(refuse()),
        };
        if found.is_some_and(|found| found != value) {
            return Err(refuse());
        }
        found = Some(value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(command: Command, pairs: &[(&str, &str)]) -> Result<Filters, String> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let moment = |_: &str| Ok(Timestamp::from_nanos(0));
        Filters::parse(command, &pairs, &moment).map_err(|why| why.to_string())
    }

    #[test]
    fn refusals_use_dockers_words() {
        fn check(command: Command, pairs: &[(&str, &str)], expected: &str) {
            assert_eq!(parse(command, pairs).unwrap_err(), expected);
        }
        check(Command::List, &[("foo", "x")], "invalid filter 'foo'");
        check(Command::List, &[("label!", "x")], "invalid filter 'label!'");
        check(Command::List, &[("dangling", "x")], "invalid filter 'dangling=[x]'");
        check(Command::Prune, &[("until", "1h"), ("until", "2h")], "more than one until filter specified");
        check(Command::Prune, &[("before", "x")], "invalid filter 'before'");
    }

    #[test]
    fn negative_labels_exclude_only_together() {
        let filters = parse(Command::Prune, &[("label!", "a"), ("label!", "b=1")]).unwrap();
        let with = |json: &str| ImageConfig::parse(json.as_bytes()).unwrap();
        assert!(filters.accepts_labels(&with(r#"{"config":{"Labels":{"a":""}}}"#)));
        assert!(!filters.accepts_labels(&with(r#"{"config":{"Labels":{"a":"","b":"1"}}}"#)));
    }
}

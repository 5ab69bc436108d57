//! Filters of `images` and `image prune`, parsed once.

use std::collections::BTreeMap;

use wharfie_oci::{ImageConfig, Timestamp};

use super::{Conditions, Labels, ParseMoment};
use crate::error::Result;

/// What an image must have to be listed or pruned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// `dangling=true` or `false`.
    pub dangling: Option<bool>,
    /// Its labels.
    pub labels: Labels,
    /// Images that must be newer, as the user wrote them.
    pub before: Vec<String>,
    /// Images that must be older, as the user wrote them.
    pub since: Vec<String>,
    /// It must have been made before this moment.
    pub until: Option<Timestamp>,
    /// Patterns of which one reference must match at least one.
    pub references: Vec<String>,
}

/// Which command's filters are parsed: each knows other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `images`.
    List,
    /// `image prune`.
    Prune,
}

impl Filters {
    /// Reads `name=value` pairs whose names are in lower case.
    ///
    /// # Errors
    /// For unknown names and values that make no sense, in docker's words.
    pub fn parse(command: Command, pairs: &[(String, String)], moment: ParseMoment<'_>) -> Result<Self> {
        let known: &'static [&'static str] = match command {
            Command::List => &["dangling", "label", "before", "since", "reference", "until"],
            Command::Prune => &["dangling", "label", "label!", "until"],
        };
        let conditions = Conditions::parse(pairs, known)?;
        let of = |name: &str| conditions.values(name).map(str::to_owned).collect();
        Ok(Self {
            dangling: conditions.truth("dangling")?,
            labels: conditions.labels(),
            before: of("before"),
            since: of("since"),
            until: conditions.until(moment)?,
            references: of("reference"),
        })
    }

    /// True if the labels are as they must be.
    pub fn accepts_labels(&self, config: &ImageConfig) -> bool {
        match config.labels() {
            Some(labels) => self.labels.accept(labels),
            None => self.labels.accept(&BTreeMap::new()),
        }
    }

    /// True if labels have to be looked at.
    pub fn needs_labels(&self) -> bool {
        !self.labels.is_empty()
    }
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
        check(Command::Prune, &[("before", "x")], "invalid filter 'before'");
    }
}

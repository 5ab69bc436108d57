//! Conditions of `container prune`, `network prune` and `volume prune`.

use std::collections::BTreeMap;

use wharfie_oci::Timestamp;

use super::{Conditions, Labels, ParseMoment};
use crate::error::Result;

/// What is pruned: each knows other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prunable {
    /// Containers that have ended, or networks that nobody is on.
    ContainersOrNetworks,
    /// Volumes that nobody uses.
    Volumes,
}

/// What must be true of something that is to be pruned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneFilters {
    /// It was made before this moment.
    pub until: Option<Timestamp>,
    /// Its labels.
    pub labels: Labels,
    /// Volumes: also those that were given a name.
    pub all: bool,
}

impl PruneFilters {
    /// Reads `name=value` pairs whose names are in lower case.
    ///
    /// # Errors
    /// For unknown names and values that make no sense, in docker's words.
    pub fn parse(what: Prunable, pairs: &[(String, String)], moment: ParseMoment<'_>) -> Result<Self> {
        let known: &'static [&'static str] = match what {
            Prunable::ContainersOrNetworks => &["until", "label", "label!"],
            Prunable::Volumes => &["all", "label", "label!"],
        };
        let conditions = Conditions::parse(pairs, known)?;
        Ok(Self {
            until: conditions.until(moment)?,
            labels: conditions.labels(),
            all: conditions.truth("all")? == Some(true),
        })
    }

    /// True if something with these labels, made at this moment, is to be pruned.
    pub(crate) fn accept(&self, created: Timestamp, labels: &BTreeMap<String, String>) -> bool {
        self.until.is_none_or(|until| created < until) && self.labels.accept(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pruned_knows_its_own_conditions() {
        let parse = |what: Prunable, name: &str, value: &str| {
            let pairs = [(name.to_owned(), value.to_owned())];
            PruneFilters::parse(what, &pairs, &|_| Ok(Timestamp::ZERO)).map_err(|why| why.to_string())
        };
        assert!(parse(Prunable::Volumes, "all", "true").unwrap().all);
        assert!(!parse(Prunable::Volumes, "all", "false").unwrap().all);
        assert_eq!(parse(Prunable::Volumes, "until", "1h").unwrap_err(), "invalid filter 'until'");
        assert_eq!(parse(Prunable::ContainersOrNetworks, "all", "1").unwrap_err(), "invalid filter 'all'");
    }

    #[test]
    fn what_is_younger_than_the_last_moment_stays() {
        let limit = Timestamp { seconds: 10, nanos: 0 };
        let filters = PruneFilters { until: Some(limit), ..PruneFilters::default() };
        assert!(filters.accept(Timestamp { seconds: 9, nanos: 0 }, &BTreeMap::new()));
        assert!(!filters.accept(limit, &BTreeMap::new()));
    }
}

//! Quoted patterns where names are expected: `rm 'test-*'`, `rmi 'team/*:old'`. Only a word that no name can be is a pattern.

use std::collections::BTreeSet;

use wharfie_store::containers::{ContainerRow, Status};

use crate::container::{ContainerError, is_alive};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::networks::NetworkError;
use crate::volumes::VolumeError;
use crate::{glob, names};

/// What words name, and which of those things a pattern means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Images, by their familiar references.
    Images,
    /// Containers, by their names.
    Containers(Which),
    /// Volumes.
    Volumes,
    /// Networks of users' own.
    Networks,
}

/// Which containers a pattern means: those to which the verb can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// Those that have processes, frozen or not.
    Running,
    /// Those that are frozen.
    Paused,
}

impl Which {
    fn fits(self, row: &ContainerRow) -> bool {
        match self {
            Self::Any => true,
            Self::Running => is_alive(row) || row.state.status() == Status::Restarting,
            Self::Paused => row.state.status() == Status::Paused,
        }
    }
}

/// A name that is meant.
#[derive(Debug)]
pub struct Meant {
    /// What was written: the name, or a pattern.
    pub word: String,
    /// The name, or why there is none.
    pub name: Result<String>,
}

impl Engine {
    /// The names that words mean: each word itself, or in place of a pattern what fits it, in order. Nothing is named twice
    /// by patterns. A pattern that nothing fits is an error in its place, as a name that nothing has would be.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn expand(&self, named: Named, words: &[String]) -> Result<Vec<Meant>> {
        let mut known = None;
        let mut seen = BTreeSet::new();
        let mut expanded = Vec::new();
        for word in words {
            if !is_pattern(word) {
                expanded.push(Meant { word: word.clone(), name: Ok(word.clone()) });
                continue;
            }
            let known = match &known {
                Some(known) => known,
                None => known.insert(self.names_of(named)?),
            };
            let found = match fitting(word, known) {
                Ok(found) if found.is_empty() => vec![Err(missing(named, word))],
                Ok(found) => found.into_iter().filter(|name| seen.insert(name.clone())).map(Ok).collect(),
                Err(why) => vec![Err(why)],
            };
            expanded.extend(found.into_iter().map(|name| Meant { word: word.clone(), name }));
        }
        Ok(expanded)
    }

    /// The names of everything that could be meant, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn names_of(&self, named: Named) -> Result<Vec<String>> {
        let mut found: Vec<String> = match named {
            Named::Images => {
                let references = self.reader()?.references()?;
                references.iter().map(|row| Ok(names::reference(row)?.familiar())).collect::<Result<_>>()?
            }
            Named::Containers(which) => {
                self.containers()?.into_iter().filter(|row| which.fits(row)).map(|row| row.name.into()).collect()
            }
            Named::Volumes => self.volumes()?.into_iter().map(|volume| volume.name.into()).collect(),
            Named::Networks => self.networks()?.into_iter().map(|network| network.name.into()).collect(),
        };
        found.sort();
        Ok(found)
    }
}

/// True if a word can only be a pattern: no name of docker's has one of these letters.
pub fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

fn fitting(pattern: &str, names: &[String]) -> Result<Vec<String>> {
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    let mut found = Vec::new();
    for name in names {
        if glob::matches(pattern, name).map_err(|_| Error::Pattern)? {
            found.push(name.clone());
        }
    }
    Ok(found)
}

fn missing(named: Named, pattern: &str) -> Error {
    let pattern = pattern.to_owned();
    match named {
        Named::Images => Error::NoSuchImage(pattern),
        Named::Containers(_) => ContainerError::NoSuch(pattern).into(),
        Named::Volumes => VolumeError::NoSuch(pattern).into(),
        Named::Networks => NetworkError::NoSuch(pattern).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_name_can_be_is_a_pattern() {
        for (word, expected) in
            [("web", false), ("team/web:1.2", false), ("we*", true), ("w?b", true), ("[vw]eb", true)]
        {
            assert_eq!(is_pattern(word), expected, "{word}");
        }
    }

    #[test]
    fn patterns_fit_whole_names_and_tags_are_parts_of_names() {
        let names = ["app:old", "team/app:new", "team/app:old", "team/db:old"].map(str::to_owned);
        let check =
            |pattern: &str, expected: &[&str]| assert_eq!(fitting(pattern, &names).unwrap(), expected, "{pattern}");
        check("team/*:old", &["team/app:old", "team/db:old"]);
        check("team/*", &["team/app:new", "team/app:old", "team/db:old"]);
        check("*", &["app:old"]);
        check("te?m/db:*", &["team/db:old"]);
        check("no*", &[]);
        assert!(matches!(fitting("[", &names), Err(Error::Pattern)));
    }
}

//! `[[retain]]` and `[[serve.retention]]` of the settings file: which tags stay.

use serde::Deserialize;
use wharfie_oci::duration;
use wharfie_oci::pattern::Pattern;
use wharfie_oci::retention::{Keep, Occasion, Policy};

use crate::failure::{Failure, Result};

/// What is kept of some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyOptions {
    /// Patterns of repositories; of images as `images` shows them, or in full.
    pub repositories: Vec<String>,
    /// Reasons to keep a tag.
    pub keep: Vec<KeepOptions>,
}

/// A reason to keep tags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KeepOptions {
    /// Patterns of tags; all tags if there are none.
    pub tags: Vec<String>,
    /// The newest so many.
    pub last: Option<usize>,
    /// Those pushed within this time. Only a registry knows.
    pub pushed_within: Option<String>,
    /// Those pulled within this time.
    pub pulled_within: Option<String>,
    /// Those that a container was made from or started within this time. Only a machine's images know.
    pub used_within: Option<String>,
}

/// What a registry knows of its tags.
pub(crate) const OF_REGISTRIES: &[Occasion] = &[Occasion::Pushed, Occasion::Pulled];
/// What a machine knows of its images.
pub(crate) const OF_IMAGES: &[Occasion] = &[Occasion::Pulled, Occasion::Used];

impl PolicyOptions {
    /// The policy, of tags of which `known` is known.
    ///
    /// # Errors
    /// When a time is none, or nobody knows it.
    pub(crate) fn read(&self, known: &[Occasion]) -> Result<Policy> {
        let keep = self.keep.iter().map(|keep| keep.read(known)).collect::<Result<_>>()?;
        Ok(Policy { repositories: repositories(&self.repositories)?, keep })
    }
}

impl KeepOptions {
    /// The reason, of tags of which `known` is known.
    ///
    /// # Errors
    /// When a time is none, or nobody knows it.
    pub(crate) fn read(&self, known: &[Occasion]) -> Result<Keep> {
        let mut within = Vec::new();
        for (occasion, text) in [
            (Occasion::Pushed, &self.pushed_within),
            (Occasion::Pulled, &self.pulled_within),
            (Occasion::Used, &self.used_within),
        ] {
            let Some(text) = text else { continue };
            if !known.contains(&occasion) {
                let known: Vec<_> = known.iter().map(|occasion| format!("{occasion}-within")).collect();
                return Err(Failure::new(format!("it is not known here when a tag was {occasion}"))
                    .help(Some(format!("give {} instead of {occasion}-within", known.join(" or ")))));
            }
            let nanos = duration::parse(text).filter(|nanos| *nanos >= 0).ok_or_else(|| {
                Failure::new(format!("{occasion}-within is {text:?}, which is not a duration"))
                    .help(Some("write for example \"168h\" for a week".to_owned()))
            })?;
            within.push((occasion, nanos / 1_000_000_000));
        }
        Ok(Keep { tags: patterns(&self.tags), last: self.last, within })
    }
}

/// Patterns of repositories as users write them.
///
/// # Errors
/// When one has a tag, which no repository has: it would be about nothing.
pub(crate) fn repositories(texts: &[String]) -> Result<Vec<Pattern>> {
    let tagged = texts.iter().find(|text| text.rsplit('/').next().is_some_and(|last| last.contains([':', '@'])));
    match tagged {
        Some(text) => Err(Failure::new(format!("{text:?} is an image, and not a pattern of repositories"))
            .help(Some("write the repository without a tag, and the tag as a pattern of tags to keep".to_owned()))),
        None => Ok(patterns(texts)),
    }
}

/// Patterns as users write them.
pub(crate) fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_no_tags() {
        let read = |text: &str| repositories(&[text.to_owned()]).is_ok();
        assert!(read("**") && read("localhost:5000/team/*") && read("team/web"));
        assert!(!read("team/web:1") && !read("localhost:5000/web@sha256:0"));
    }

    #[test]
    fn times_that_nobody_knows_are_refused() {
        let used = KeepOptions { used_within: Some("2h".to_owned()), ..KeepOptions::default() };
        assert_eq!(used.read(OF_IMAGES).unwrap().within, [(Occasion::Used, 7200)]);
        assert!(used.read(OF_REGISTRIES).is_err());
        let pushed = KeepOptions { pushed_within: Some("soon".to_owned()), ..KeepOptions::default() };
        assert!(pushed.read(OF_IMAGES).is_err() && pushed.read(OF_REGISTRIES).is_err());
    }
}

//! Which images of a registry are to be mirrored: patterns of repositories and tags.

use wharfie_oci::Reference;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::glob;

/// `HOST/REPOSITORY[:TAG]`, either with `*`, `?` and `[…]`; all tags if none is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// A reference of some repository on the registry; its path is that of the pattern if that has no wildcards.
    host: Reference,
    repository: String,
    tag: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it names no registry's repositories.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (text, "*"),
        };
        if !is_pattern(path) {
            let host: Reference = path.parse()?;
            return Ok(Self { repository: host.repository().path().to_owned(), host, tag: tag.to_owned() });
        }
        // Whatever stands for the path: the host is all that is read from it.
        let (start, rest) = path.split_once('/').ok_or(Error::Pattern)?;
        let host: Reference = format!("{start}/x").parse()?;
        if host.repository().host() != start {
            return Err(Error::Pattern);
        }
        Ok(Self { host, repository: rest.to_owned(), tag: tag.to_owned() })
    }
}

/// What a pattern means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meant {
    /// Images, in the registry's order.
    pub images: Vec<Reference>,
    /// What the registry lists under tags that are none.
    pub odd: Vec<String>,
}

impl Engine {
    /// The images that `pattern` means, in the registry's order. Tags that clients keep signatures under are not among them.
    ///
    /// # Errors
    /// When the registry cannot be asked, does not list its repositories though the pattern needs that, or nothing is meant.
    pub fn matching(&self, pattern: &Pattern) -> Result<Meant> {
        let repository = pattern.host.repository();
        let repositories = match is_pattern(&pattern.repository) {
            false => vec![repository.clone()],
            true => {
                let all = self.remote().repository(repository).repositories()?;
                let mut found = Vec::new();
                for path in all {
                    if glob::matches(&pattern.repository, &path).map_err(|_| Error::Pattern)? {
                        let reference: Reference = format!("{}/{path}", repository.host()).parse()?;
                        found.push(reference.repository().clone());
                    }
                }
                found
            }
        };
        let mut found = Meant::default();
        for repository in repositories {
            for tag in self.tags(&repository)? {
                let is_meant = glob::matches(&pattern.tag, &tag).map_err(|_| Error::Pattern)?;
                if !is_meant || crate::trust::is_signature_tag(&tag) {
                    continue;
                }
                match Reference::tagged(repository.clone(), &tag) {
                    Ok(image) => found.images.push(image),
                    Err(_) => found.odd.push(format!("{}:{tag}", repository.familiar())),
                }
            }
        }
        Ok(found)
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_a_registry() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let found = Pattern::parse(text).ok();
            let parts = found.as_ref().map(|p| (p.host.repository().host(), p.repository.as_str(), p.tag.as_str()));
            assert_eq!(parts, expected, "{text}");
        };
        check("r.example/team/web", Some(("r.example", "team/web", "*")));
        check("r.example:5000/team/web:1.*", Some(("r.example:5000", "team/web", "1.*")));
        check("r.example/team/*", Some(("r.example", "team/*", "*")));
        check("alpine:3.2?", Some(("docker.io", "library/alpine", "3.2?")));
        check("team/*", None);
        check("*", None);
    }
}

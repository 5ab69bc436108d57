//! Where pages are.
//!
//! `/ui/REPO` is a repository and `/ui/REPO/-/REFERENCE` an image: `-` alone is no component of a repository's name (each begins and
//! ends with a letter or digit), so neither is ever the other, whatever repositories are called. What belongs to no repository lies
//! beneath `/ui/-/` for the same reason.

use crate::name::{Reference, RepositoryName};
use crate::query::{decode, encode};

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `/`: the repositories.
    Repositories,
    /// `/ui/REPO`: a repository's tags.
    Repository(RepositoryName),
    /// `/ui/REPO/-/REFERENCE`: what a tag or digest stands for.
    Image(RepositoryName, Reference),
    /// `/ui/-/style.css`: how pages look.
    Style,
    /// Any other path beneath `/ui`.
    Nothing,
}

/// 1,300 bytes: the longest path that can name anything, all of it percent-encoded.
const MAX_PATH: usize = 1300;

impl Address {
    /// Reads a path. `None` if pages have nothing to do with it.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        if path == "/" {
            return Some(Self::Repositories);
        }
        let rest = path.strip_prefix("/ui").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        if rest.len() > MAX_PATH {
            return Some(Self::Nothing);
        }
        let words: Option<Vec<String>> = rest.split('/').skip(1).map(decode).collect();
        let words = words.unwrap_or_default();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.last() == Some(&"") {
            words.pop();
        }
        let name = |words: &[&str]| RepositoryName::parse(&words.join("/"));
        let address = match words[..] {
            [] if rest.len() <= 1 => Some(Self::Repositories),
            ["-", "style.css"] => Some(Self::Style),
            [ref repository @ .., "-", reference] => {
                name(repository).and_then(|name| Some(Self::Image(name, Reference::parse(reference).ok()?)))
            }
            ref repository => name(repository).map(Self::Repository),
        };
        Some(address.unwrap_or(Self::Nothing))
    }

    fn path(&self) -> String {
        match self {
            Self::Repositories | Self::Nothing => "/".to_owned(),
            Self::Repository(name) => format!("/ui/{name}"),
            Self::Image(name, reference) => format!("/ui/{name}/-/{reference}"),
            Self::Style => "/ui/-/style.css".to_owned(),
        }
    }
}

/// Where a link leads: always to a page of this registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Href(String);

impl Href {
    /// The page at an address, with what else its query says.
    pub(super) fn to(address: &Address, pairs: &[(&'static str, &str)]) -> Self {
        let mut text = address.path();
        for (at, (name, value)) in pairs.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(&encode(value));
        }
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use wharfie_oci::Digest;

    use super::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn paths_name_pages() {
        let image = |repository: &str, reference: &str| {
            Some(Address::Image(name(repository), Reference::parse(reference).unwrap()))
        };
        let digest = Digest::of(b"");
        let check = |path: &str, expected: Option<Address>| assert_eq!(Address::parse(path), expected, "{path}");
        for path in ["/", "/ui", "/ui/"] {
            check(path, Some(Address::Repositories));
        }
        check("/ui/a", Some(Address::Repository(name("a"))));
        check("/ui/team/a/", Some(Address::Repository(name("team/a"))));
        check("/ui/style.css", Some(Address::Repository(name("style.css"))));
        check("/ui/-/style.css", Some(Address::Style));
        check("/ui/a/-/1.0", image("a", "1.0"));
        check("/ui/ui/tags/-/-", Some(Address::Nothing));
        check(&format!("/ui/a/b/-/sha256%3A{}", digest.hex()), image("a/b", digest.as_str()));
        for path in [
            "/ui/A",
            "/ui/../a",
            "/ui/a//b",
            "/ui/a/-/",
            "/ui/-/1",
            "/ui/a/-/b/-/1",
            "/ui/%zz",
            "/ui//",
            "/ui/a/-/sha256:x",
        ] {
            check(path, Some(Address::Nothing));
        }
        check(&format!("/ui/{}", "a/".repeat(5000)), Some(Address::Nothing));
        for path in ["", "/uix", "/v2", "/favicon.ico", "/UI"] {
            check(path, None);
        }
    }

    #[test]
    fn links_come_back_to_what_they_name() {
        let digest = Digest::of(b"");
        for address in [
            Address::Repositories,
            Address::Style,
            Address::Repository(name("a/b__c")),
            Address::Image(name("a.b/c-d"), Reference::Digest(digest)),
            Address::Image(name("a"), Reference::parse("_1.0-x").unwrap()),
        ] {
            assert_eq!(Address::parse(Href::to(&address, &[]).as_str()), Some(address));
        }
        let href = Href::to(&Address::Repositories, &[("q", "a&b=\"c\""), ("lang", "zh")]);
        assert_eq!(href.as_str(), "/?q=a%26b%3D%22c%22&lang=zh");
    }
}

//! Search: what a registry has for a term.

use wharfie_model::image::SearchResult;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Conditions;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// A word, with the registry's host before it where that is not Docker Hub.
    pub term: String,
    /// How many results the registry is asked for.
    pub limit: u32,
    /// `name=value` conditions; different names must all hold.
    pub filters: Vec<(String, String)>,
}

impl Engine {
    /// Looks for images on a registry. Results come in the registry's order.
    ///
    /// # Errors
    /// When a filter is unknown or its value makes no sense, or the registry cannot be asked.
    pub fn search(&self, search: &Search) -> Result<Vec<SearchResult>> {
        let wanted = Wanted::parse(&search.filters)?;
        let found = self.remote().search(&search.term, search.limit)?;
        let document = |found: wharfie_remote::SearchResult| SearchResult {
            star_count: found.star_count,
            is_official: found.is_official,
            name: found.name,
            is_automated: found.is_automated,
            description: found.description,
        };
        Ok(found.into_iter().map(document).filter(|result| wanted.takes(result)).collect())
    }
}

/// Which results are wanted.
struct Wanted {
    stars: u64,
    official: Option<bool>,
    automated: Option<bool>,
}

impl Wanted {
    fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let conditions = Conditions::parse(pairs, &["is-automated", "is-official", "stars"])?;
        let mut stars = 0;
        for value in conditions.values("stars") {
            let least: u64 = value.parse().map_err(|_| Error::InvalidFilter(format!("stars={value}")))?;
            stars = least.max(stars);
        }
        let (official, automated) = (conditions.truth("is-official")?, conditions.truth("is-automated")?);
        Ok(Self { stars, official, automated })
    }

    fn takes(&self, result: &SearchResult) -> bool {
        result.star_count >= self.stars
            && self.official.is_none_or(|official| official == result.is_official)
            && self.automated.is_none_or(|automated| automated == result.is_automated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_by_stars_and_marks() {
        let result = SearchResult { star_count: 7, is_official: true, ..SearchResult::default() };
        let check = |pairs: &[(&str, &str)], expected: Result<bool, &str>| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let found = Wanted::parse(&pairs).map(|wanted| wanted.takes(&result)).map_err(|why| why.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{pairs:?}");
        };
        check(&[], Ok(true));
        check(&[("stars", "7"), ("is-official", "1")], Ok(true));
        check(&[("stars", "7"), ("stars", "8")], Ok(false));
        check(&[("is-official", "false")], Ok(false));
        check(&[("is-automated", "true")], Ok(false));
        check(&[("stars", "x")], Err("invalid filter 'stars=x'"));
        check(&[("is-official", "x")], Err("invalid filter 'is-official=[x]'"));
        check(&[("foo", "1")], Err("invalid filter 'foo'"));
    }
}

//! Lists in pages: `n` and `last`, and where the next page is.
//! Source: distribution-spec, "Listing tags", and RFC 5988 for `Link`.

use crate::query::{Query, encode};
use crate::refusal::{Code, Refusal};

/// What of a list is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) limit: usize,
    pub(crate) after: Option<&'a str>,
}

/// 10,000 names: the largest page, also when no number is given; then the answer says where the rest is.
const MAX_PAGE: usize = 10_000;

impl<'a> Asked<'a> {
    /// Reads `n` and `last`.
    ///
    /// # Errors
    /// The answer for an `n` that is no number.
    pub(crate) fn of(query: &'a Query) -> Result<Self, Refusal> {
        let limit = match query.value("n") {
            None => MAX_PAGE,
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().unwrap_or(MAX_PAGE).min(MAX_PAGE)
            }
            Some(text) => {
                return Err(Refusal::new(Code::PaginationNumberInvalid, "n is no number of names").with_detail(text));
            }
        };
        Ok(Self { limit, after: query.value("last").filter(|last| !last.is_empty()) })
    }

    /// The value of `Link` for what follows `last`; further parameters begin with `&`.
    pub(crate) fn next(&self, path: &str, last: &str, further: &str) -> String {
        format!("<{path}?n={}&last={}{further}>; rel=\"next\"", self.limit, encode(last))
    }
}

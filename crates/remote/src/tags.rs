//! Listing tags and repositories. Source: distribution-spec, "Content Discovery"; distribution's HTTP API, "Catalog".

use std::collections::HashSet;

use serde::Deserialize;
use ureq::http::Method;

use crate::auth::token::Scopes;
use crate::exchange::Session;
use crate::response::Response;
use crate::url::Url;
use crate::{Error, RepositoryClient};

impl RepositoryClient {
    /// All tags of the repository in the registry's order, however many pages they come in.
    ///
    /// # Errors
    /// When there is no such repository, or the registry cannot be asked.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        self.pulling(|session| listed(session, &format!("{}/tags/list", self.path)))
    }

    /// All repositories of the registry that this one is on, in its order, as far as it lists them to us.
    ///
    /// # Errors
    /// When the registry does not list them, or cannot be asked.
    pub fn repositories(&self) -> Result<Vec<String>, Error> {
        let mut scopes = Scopes::default();
        scopes.add("registry:catalog:*");
        self.inner.at_doors(&self.host, false, &scopes, |session| listed(session, "_catalog"))
    }
}

/// Each name of a list that comes in pages, once.
fn listed(session: &Session<'_>, path: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut visited = HashSet::new();
    let (mut barren, mut bytes) = (0, 0);
    let mut next = Some(session.request(Method::GET, path).url);
    while let Some(url) = next.take() {
        if !visited.insert(url.clone()) || visited.len() > MAX_PAGES {
            break;
        }
        let mut response = session.succeed(&session.request_at(Method::GET, url))?;
        let page = page(&mut response)?;
        bytes += page.iter().map(String::len).sum::<usize>();
        if bytes > MAX_BYTES {
            return Err(response.invalid(format_args!("the names of its list have more than {MAX_BYTES} bytes")));
        }
        let before = found.len();
        found.extend(page.into_iter().filter(|name| known.insert(name.clone())));
        barren = if found.len() > before { 0 } else { barren + 1 };
        if barren < MAX_BARREN && found.len() < MAX_NAMES {
            next = next_page(&response).filter(|next| next.origin() == session.endpoint.base.origin());
        }
    }
    Ok(found)
}

fn page(response: &mut Response) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
        repositories: Option<Vec<String>>,
    }
    let body = response.read_body(MAX_PAGE)?;
    let page: Page =
        serde_json::from_slice(&body).map_err(|why| response.invalid(crate::json_text::go_error(&body, &why)))?;
    Ok(page.tags.or(page.repositories).unwrap_or_default())
}

/// Where the next page is, if any of the answer's `Link` headers says so.
pub(crate) fn next_page(response: &Response) -> Option<Url> {
    let links = response.headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
    let target = links.filter_map(next_target).next()?;
    response.url.join(&target.replace(' ', "%20"))
}

/// The target of `<url>; rel="next"` among several links. Source: RFC 8288, section 3.
fn next_target(links: &str) -> Option<&str> {
    let mut rest = links;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, after) = link.split_once('>')?;
        // Commas inside of quotes are no matter here: a parameter that has one has no other use for us.
        let (parameters, next) = after.split_at(after.find('<').unwrap_or(after.len()));
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = next;
    }
    None
}

/// 16 MiB: registries without pages send everything at once.
const MAX_PAGE: u64 = 16 << 20;
/// 64 MiB of names: a million of them are less.
const MAX_BYTES: usize = 64 << 20;
/// 10,000 pages, a million names: beyond that a list is no list any more.
const MAX_PAGES: usize = 10_000;
/// 5 pages in a row without a new name: some registries hide what one may not see, others walk in circles.
const MAX_BARREN: usize = 5;
const MAX_NAMES: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        fn check(links: &str, expected: Option<&str>) {
            assert_eq!(next_target(links), expected, "{links}");
        }
        check(r#"</v2/n>; rel="next""#, Some("/v2/n"));
        check("</v2/n>;rel=next", Some("/v2/n"));
        check(r#"</v2/p>; rel="prev", </v2/n?a=1,2>; rel="next""#, Some("/v2/n?a=1,2"));
        check(r#"</v2/n>; title="x"; REL="last next""#, Some("/v2/n"));
        check(r#"</v2/p>; rel="prev""#, None);
        check("/v2/n", None);
        check("</v2/n", None);
    }
}

//! The first page: the repositories that the caller may pull from.

use super::address::Address;
use super::html::Html;
use super::layout::View;
use crate::auth::Caller;
use crate::key::Folder;
use crate::name::RepositoryName;
use crate::refusal::Refusal;
use crate::router::Registry;

/// 100 repositories on a page.
const PAGE: usize = 100;
/// 1000 names are looked at at once: what object storage gives.
const LOOK: usize = 1000;

impl Registry {
    pub(super) async fn repositories_page(&self, caller: &Caller, view: &View<'_>) -> Result<String, Refusal> {
        let (found, has_more) = self.visible(caller, view).await?;
        Ok(page(view, &found, has_more))
    }

    /// The next repositories that the caller may see, and whether there are more. Names that he may not see leave no trace, so the
    /// page goes on after the last name that is shown.
    async fn visible(&self, caller: &Caller, view: &View<'_>) -> Result<(Vec<RepositoryName>, bool), Refusal> {
        let term = view.search.to_lowercase();
        let mut after = Some(view.after.replace('/', "!")).filter(|after| !after.is_empty());
        let mut found = Vec::new();
        loop {
            let names = self.storage.list(&Folder::repositories(), after.as_deref(), LOOK).await?;
            for name in names.names.iter().filter_map(|flat| RepositoryName::from_flat(flat)) {
                if name.as_str().contains(&term) && self.gatekeeper().sees(caller, name.as_str()) {
                    if found.len() == PAGE {
                        return Ok((found, true));
                    }
                    found.push(name);
                }
            }
            after = names.names.into_iter().next_back();
            if !names.has_more {
                return Ok((found, false));
            }
        }
    }
}

fn page(view: &View<'_>, found: &[RepositoryName], has_more: bool) -> String {
    let words = view.words();
    let mut body = Html::new();
    body.element("h1", words.repositories)
        .raw("\n<form action=\"/\" role=\"search\"><input type=\"search\" name=\"q\" value=\"");
    body.text(view.search).raw("\" aria-label=\"").text(words.part_of_name).raw("\" placeholder=\"");
    body.text(words.part_of_name).raw("\">");
    if view.is_chosen {
        body.raw("<input type=\"hidden\" name=\"lang\" value=\"").raw(view.language.tag()).raw("\">");
    }
    body.raw("<button>").text(words.search).raw("</button></form>\n");
    if found.is_empty() {
        let why = match (view.search, view.after) {
            ("", "") => words.no_repositories,
            (_, "") => words.none_found,
            _ => words.nothing_more,
        };
        body.element("p", why);
    } else {
        body.raw("<ul class=\"names\">\n");
        for name in found {
            body.raw("<li>").link(&view.href(&Address::Repository(name.clone()), &[]), name.as_str()).raw("</li>\n");
        }
        body.raw("</ul>\n");
    }
    body.html(&view.paging(found.last().filter(|_| has_more).map(RepositoryName::as_str)));
    view.page(words.repositories, &body)
}

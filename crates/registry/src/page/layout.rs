//! What all pages have in common: head, links at the top, sections, tables.

use hyper::StatusCode;

use super::address::{Address, Href};
use super::html::Html;
use super::words::{Language, Words};
use crate::name::RepositoryName;

/// For whom a page is, and where its links lead.
pub(super) struct View<'a> {
    pub(super) address: &'a Address,
    pub(super) language: Language,
    /// True if the language was asked for by the link: all links keep it then.
    pub(super) is_chosen: bool,
    /// How the client names this registry.
    pub(super) host: &'a str,
    /// True if somebody who has not logged in could.
    pub(super) may_log_in: bool,
    /// What the address' query says beside the language.
    pub(super) search: &'a str,
    pub(super) after: &'a str,
}

impl View<'_> {
    pub(super) fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// A link to another page, in the same language.
    pub(super) fn href(&self, address: &Address, pairs: &[(&'static str, &str)]) -> Href {
        let mut pairs: Vec<(&'static str, &str)> =
            pairs.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        if self.is_chosen {
            pairs.push(("lang", self.language.tag()));
        }
        Href::to(address, &pairs)
    }

    /// This page in the other language.
    fn translation(&self) -> Href {
        let pairs = [("q", self.search), ("last", self.after), ("lang", self.language.other().tag())];
        let pairs: Vec<(&'static str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Href::to(self.address, &pairs)
    }

    /// A whole page.
    pub(super) fn page(&self, title: &str, body: &Html) -> String {
        let words = self.words();
        let mut html = Html::new();
        html.raw("<!DOCTYPE html>\n<html lang=\"")
            .raw(self.language.tag())
            .raw("\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>").text(title).raw(" · ").text(self.host);
        html.raw("</title>\n<link rel=\"stylesheet\" href=\"").text(Href::to(&Address::Style, &[]).as_str());
        html.raw("\">\n</head>\n<body>\n<header>\n<nav>");
        html.link(&self.href(&Address::Repositories, &[]), self.host).raw("<span class=\"end\">");
        if self.may_log_in {
            html.link(&self.href(&Address::Repositories, &[("login", "1")]), words.log_in).raw(" ");
        }
        html.link(&self.translation(), self.language.other().words().this_language);
        html.raw("</span></nav>\n</header>\n<main>\n").html(body).raw("</main>\n</body>\n</html>\n");
        html.into_string()
    }

    /// A page that says why there is no other one.
    pub(super) fn refusal(&self, status: StatusCode) -> String {
        let (what, help) = self.words().refusal(status);
        let mut body = Html::new();
        body.element("h1", what).element("p", help).raw("<p>");
        body.link(&self.href(&Address::Repositories, &[]), self.words().to_repositories).raw("</p>\n");
        self.page(what, &body)
    }

    /// The title of a page about a repository, or something in it: every part of it a link to what it is.
    pub(super) fn heading(&self, name: &RepositoryName, reference: Option<&str>) -> Html {
        let mut html = Html::new();
        html.raw("<p class=\"trail\">").link(&self.href(&Address::Repositories, &[]), self.words().repositories);
        html.raw("</p>\n<h1>");
        match reference {
            None => html.text(name.as_str()),
            Some(reference) => {
                let separator = if reference.contains(':') { "@" } else { ":" };
                let repository = Address::Repository(name.clone());
                html.link(&self.href(&repository, &[]), name.as_str()).raw("<wbr>").text(separator).text(reference)
            }
        };
        html.raw("</h1>\n");
        html
    }

    /// Links to what follows `last`, and back to the start.
    pub(super) fn paging(&self, last: Option<&str>) -> Html {
        let mut html = Html::new();
        if last.is_none() && self.after.is_empty() {
            return html;
        }
        html.raw("<p class=\"paging\">");
        if !self.after.is_empty() {
            html.link(&self.href(self.address, &[("q", self.search)]), self.words().from_start).raw(" ");
        }
        if let Some(last) = last {
            html.link(&self.href(self.address, &[("q", self.search), ("last", last)]), self.words().next);
        }
        html.raw("</p>\n");
        html
    }
}

/// A table that is being written.
pub(super) struct Table(Html);

impl Table {
    /// Begins one; without columns, it has no head.
    pub(super) fn new(kind: &'static str, columns: &[&'static str]) -> Self {
        let mut html = Html::new();
        html.raw("<table class=\"").raw(kind).raw("\">\n");
        if !columns.is_empty() {
            html.raw("<thead><tr>");
            for column in columns {
                html.element("th", column);
            }
            html.raw("</tr></thead>\n");
        }
        html.raw("<tbody>\n");
        Self(html)
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[Html]) {
        self.0.raw("<tr>");
        for cell in cells {
            self.0.raw("<td>").html(cell).raw("</td>");
        }
        self.0.raw("</tr>\n");
    }

    pub(super) fn end(mut self) -> Html {
        self.0.raw("</tbody>\n</table>\n");
        self.0
    }
}

/// A cell of text.
pub(super) fn cell(text: &str) -> Html {
    let mut html = Html::new();
    html.text(text);
    html
}

/// A cell of code.
pub(super) fn code(text: &str) -> Html {
    let mut html = Html::new();
    html.element("code", text);
    html
}

/// A section, if there is anything in it.
pub(super) fn section(title: &str, body: &Html) -> Html {
    let mut html = Html::new();
    if !body.is_empty() {
        html.raw("<section>\n").element("h2", title).raw("\n").html(body).raw("</section>\n");
    }
    html
}

/// Names and what they stand for.
#[derive(Default)]
pub(super) struct Facts(Html);

impl Facts {
    pub(super) fn fact(&mut self, name: &str, value: &Html) {
        self.0.element("dt", name).raw("<dd>").html(value).raw("</dd>\n");
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.fact(name, &cell(value));
    }

    /// Adds what others tell.
    pub(super) fn append(&mut self, facts: &Self) {
        self.0.html(&facts.0);
    }

    pub(super) fn end(self) -> Html {
        let mut html = Html::new();
        if !self.0.is_empty() {
            html.raw("<dl>\n").html(&self.0).raw("</dl>\n");
        }
        html
    }
}
